"""One turn of the model: its deltas told as they come, its end made into a happening.

When the model has called hosted tools, their work belongs to the turn. What they have found and
made is marked in the text of later turns (``runs/marking.py``), whose message begins with the
charts (ANN-05).

An earlier attempt may have left a message or a tool step open. They are written anew under the
same ids, so that clients see one message and never two. A message that the earlier attempt had
completed before its calls stays as it is: what the model says before its calls this time is held
back, and told only if no calls come and it is the answer.

What the model says behind a call is a message of its own, and is told whole when the calls have
been made: a story has one place for what belongs to a step, right behind its beginning. White space
alone, which the templates of some models put around calls, is no message.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from understudy.engine.drafts import CallDraft, CodeCallDraft, MessageDraft, PartKind
from understudy.engine.hold import Hold
from understudy.engine.toolbox import Toolbox
from understudy.ids import new_id
from understudy.runs.cells import charts, width_of_output
from understudy.runs.deltas import output_delta, width_of_header, width_of_image
from understudy.runs.draft import with_calls
from understudy.runs.happenings import (
    Answered,
    BudgetSpent,
    FunctionsCalled,
    Happening,
    HostedToolsRan,
    LastWords,
    MessageAbandoned,
    MessageStarted,
    ToolCallsStarted,
)
from understudy.runs.marking import Marked
from understudy.runs.state import RunState
from understudy.upstream.base import (
    Finished,
    FinishReason,
    ModelEvent,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from understudy.upstream.base import Usage as ModelUsage
from understudy.wire.deltas import CellOutputDelta, MessageDelta, StepDelta
from understudy.wire.objects.messages import Content
from understudy.wire.objects.runs import RunIncompleteReason
from understudy.wire.objects.steps import FunctionToolCall, ToolCall
from understudy.wire.objects.usage import CompletionTokensDetails, PromptTokenDetails, Usage

BYTES_PER_TOKEN = 4


class Turn:
    """What the model says and calls in one go."""

    def __init__(self, hold: Hold, toolbox: Toolbox, *, calls_max: int | None) -> None:
        self._hold = hold
        self._toolbox = toolbox
        self._calls_max = calls_max
        self._marking = toolbox.marking(hold.state)
        self._message: MessageDraft | None = None
        self._calls: list[CallDraft] = []
        self._telling = 0
        self._finished: list[ToolCall] = []
        self._step_id: str | None = None
        self._step_resumed = False
        self._has_spoken = _has_open_calls(hold.state)
        self._held_back: list[tuple[PartKind, str]] = []
        self._usage: ModelUsage | None = None
        self._reason: FinishReason = "stop"
        self._bytes_written = 0

    async def play(self, batches: AsyncGenerator[Sequence[ModelEvent]]) -> None:
        """Tell the model's events to the end."""
        async with aclosing(batches):
            async for batch in batches:
                for event in batch:
                    await self._take(event)
                self._hold.flush()
        if self._step_id is not None:
            self._tell_calls(to_the_end=True)
        else:
            await self._tell_held_back()
        await self._end_text()
        await self._abandon_left_message()
        self._hold.flush()

    async def outcome(self) -> Happening:
        """Return what the turn amounts to, once the hosted tools that it calls have run."""
        usage = self._counted()
        if self._reason == "content_filter":
            return self._budget_spent("content_filter", usage)
        if self._reason == "length":
            return self._budget_spent("max_completion_tokens", usage)
        if not self._calls:
            return Answered(content=self.content, usage=usage)
        calls = await self._let_tools_work()
        words = self._last_words(calls)
        if any(isinstance(call, FunctionToolCall) for call in calls):
            return FunctionsCalled(calls=calls, usage=usage, last_words=words)
        return HostedToolsRan(calls=calls, usage=usage, last_words=words)

    def _budget_spent(self, reason: RunIncompleteReason, usage: Usage) -> BudgetSpent:
        return BudgetSpent(reason=reason, content=self.content, usage=usage, calls=self.calls)

    async def _let_tools_work(self) -> tuple[ToolCall, ...]:
        """Let the hosted tools work, one after the other; a cell comes to its output this way."""
        finished = self._toolbox.finished(self._calls, self._hold.state, self._tell_output)
        async with aclosing(finished):
            async for call in finished:
                self._finished.append(call)
                self._tell_calls(to_the_end=True)
                self._hold.flush()
        return tuple(self._finished)

    def _last_words(self, calls: tuple[ToolCall, ...]) -> LastWords | None:
        """Return what the model said behind these calls, if it is more than white space."""
        if not "".join(words for _, words in self._held_back).strip():
            return None
        steps = self._hold.state.steps
        with_outputs = (with_calls(s, calls) if s.id == self._step_id else s for s in steps)
        message = MessageDraft(new_id("msg"), resumed=False, charts=charts(with_outputs))
        for kind, words in self._held_back:
            for each in self._marked(kind, words):
                message.put(*each)
        for each in self._text_left():
            message.put(*each)
        return LastWords(message_id=message.id, step_id=new_id("step"), content=message.content())

    @property
    def content(self) -> tuple[Content, ...]:
        """Return the open message as far as it is written."""
        return self._message.content() if self._message else ()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Return the calls of the open step as far as clients were told of them."""
        begun = (call for call in self._calls[len(self._finished) :] if call.is_announced)
        return (*self._finished, *(call.as_told() for call in begun))

    async def _take(self, event: ModelEvent) -> None:
        if type(event) is TextDelta:
            await self._take_words("text", event.text)
        elif type(event) is ToolCallDelta:
            await self._take_call(event)
        elif type(event) is RefusalDelta:
            await self._take_words("refusal", event.text)
        elif type(event) is ModelUsage:
            self._usage = event
        elif type(event) is Finished:
            self._reason = event.reason

    async def _take_words(self, kind: PartKind, words: str) -> None:
        self._bytes_written += len(words.encode())
        if self._has_to_wait(words):
            self._held_back.append((kind, words))
            return
        if self._held_back:
            await self._tell_held_back()
        await self._say(kind, words)

    def _has_to_wait(self, words: str) -> bool:
        """Return whether calls have come or may still come, with which this is told or not."""
        if self._has_spoken or self._step_id is not None:
            return True
        return self._message is None and not words.strip()

    async def _say(self, kind: PartKind, words: str) -> None:
        for each in self._marked(kind, words):
            await self._write(*each)

    def _marked(self, kind: PartKind, words: str) -> Iterable[tuple[PartKind, Marked]]:
        if self._marking is None:
            yield kind, words
        elif kind == "text":
            yield from (("text", each) for each in self._marking.take(words))
        else:
            yield from self._text_left()
            yield kind, words

    def _text_left(self) -> Iterable[tuple[PartKind, Marked]]:
        """Yield what looked like the beginning of a mark and was none."""
        if self._marking is not None:
            yield from (("text", each) for each in self._marking.end())

    async def _write(self, kind: PartKind, words: Marked) -> None:
        message = self._message or await self._start_message()
        self._tell_message(*message.put(kind, words))

    def _tell_message(self, piece: MessageDelta, width: int) -> None:
        assert self._message is not None
        self._hold.tell("thread.message.delta", piece, width, resumed=self._message.resumed)

    async def _end_text(self) -> None:
        for each in self._text_left():
            await self._write(*each)

    async def _tell_held_back(self) -> None:
        held_back, self._held_back = self._held_back, []
        for kind, words in held_back:
            await self._say(kind, words)

    async def _start_message(self) -> MessageDraft:
        left_open = self._hold.state.open_message
        images = charts(self._hold.state.steps)
        if left_open is not None:
            self._message = MessageDraft(left_open.id, resumed=True, charts=images)
        else:
            self._message = MessageDraft(new_id("msg"), resumed=False, charts=images)
            started = MessageStarted(message_id=self._message.id, step_id=new_id("step"))
            await self._hold.happen(started)
        for delta in self._message.begin():
            self._tell_message(delta, width_of_image)
        return self._message

    async def _take_call(self, delta: ToolCallDelta) -> None:
        if self._calls_max is not None and delta.index >= self._calls_max:
            return
        self._bytes_written += len(delta.arguments.encode())
        if self._step_id is None:
            await self._start_tool_step()
        if delta.index == len(self._calls):
            self._calls.append(self._toolbox.draft(delta.id or new_id("call"), delta.name or ""))
        if delta.arguments:
            self._calls[delta.index].add(delta.arguments)
        self._tell_calls()

    def _tell_calls(self, *, to_the_end: bool = False) -> None:
        """Tell one call after the other: the next one begins when the one before is whole.

        To a cell belongs its output, so what is behind it waits until it has run. Servers may write
        calls interleaved. Told in order, a position in the stream says how much of them a client
        has seen, now and when the story is told again.
        """
        while self._telling < len(self._calls):
            call = self._calls[self._telling]
            is_last = self._telling == len(self._calls) - 1
            is_over = to_the_end or (not is_last and call.is_whole())
            if is_over:
                call.close()
            self._tell_call(self._telling, call)
            if is_last or not is_over or (call.has_output and self._telling >= len(self._finished)):
                return
            self._telling += 1

    def _tell_call(self, index: int, call: CallDraft) -> None:
        assert self._step_id is not None
        step_id = self._step_id
        if not call.is_announced:
            call.is_announced = True
            self._tell_step(call.header(step_id, index), width_of_header)
        piece = call.untold()
        if piece:
            self._tell_step(call.delta(step_id, index, piece), len(piece))

    def _tell_output(self, index: int, output: CellOutputDelta) -> None:
        """Tell what comes out of a cell while it runs."""
        assert self._step_id is not None
        cell = self._calls[index]
        assert isinstance(cell, CodeCallDraft)
        cell.take_output(output)
        piece = output_delta(self._step_id, index, output)
        self._tell_step(piece, width_of_output(output))
        self._hold.flush()

    async def _start_tool_step(self) -> None:
        await self._end_text()
        self._held_back.clear()
        await self._abandon_left_message()
        left_open = next((s for s in self._hold.state.open_steps if s.type == "tool_calls"), None)
        if left_open is not None:
            self._step_id = left_open.id
            self._step_resumed = True
        else:
            self._step_id = new_id("step")
            started = ToolCallsStarted(step_id=self._step_id, content=self.content)
            await self._hold.happen(started)
            self._message = None

    async def _abandon_left_message(self) -> None:
        """Close what an earlier attempt began to write and this one does not."""
        if self._hold.state.open_message is not None and self._message is None:
            await self._hold.happen(MessageAbandoned())

    def _tell_step(self, piece: StepDelta, width: int) -> None:
        self._hold.tell("thread.run.step.delta", piece, width, resumed=self._step_resumed)

    def _counted(self) -> Usage:
        """Return the tokens that the upstream counted, or an estimate of what was written.

        Some servers never send usage; budgets have to hold with them, too (RUN-30).
        """
        estimate = -(-self._bytes_written // BYTES_PER_TOKEN)
        used = self._usage or ModelUsage(prompt_tokens=0, completion_tokens=estimate)
        return Usage(
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            total_tokens=used.prompt_tokens + used.completion_tokens,
            prompt_token_details=PromptTokenDetails(used.cached_tokens),
            completion_tokens_details=CompletionTokensDetails(used.reasoning_tokens),
        )


def _has_open_calls(state: RunState) -> bool:
    """Return whether an earlier attempt had come to its calls: its words are told or never come."""
    return any(step.type == "tool_calls" for step in state.open_steps)
