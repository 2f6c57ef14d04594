"""One turn of the model: its deltas told as they come, its end made into a happening.

When the model has called hosted tools, their work belongs to the turn. What they have found is
cited in later turns, whose text is searched for markers (``runs/citing.py``).

An earlier attempt may have left a message or a tool step open. They are written anew under the
same ids, so that clients see one message and never two. A message that the earlier attempt had
completed before its calls stays as it is: what the model says before its calls this time is held
back, and told only if no calls come and it is the answer.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from itertools import pairwise

from understudy.engine.drafts import CallDraft, MessageDraft, PartKind
from understudy.engine.hold import Hold
from understudy.engine.toolbox import Toolbox
from understudy.ids import new_id
from understudy.runs.citing import Citation
from understudy.runs.deltas import arguments_delta, width_of_header
from understudy.runs.happenings import (
    Answered,
    BudgetSpent,
    FunctionsCalled,
    Happening,
    HostedToolsRan,
    MessageAbandoned,
    MessageStarted,
    ToolCallsStarted,
)
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
from understudy.wire.deltas import StepDelta
from understudy.wire.objects.messages import Content
from understudy.wire.objects.steps import FunctionToolCall, RunStep
from understudy.wire.objects.usage import CompletionTokensDetails, PromptTokenDetails, Usage

BYTES_PER_TOKEN = 4


class Turn:
    """What the model says and calls in one go."""

    def __init__(self, hold: Hold, toolbox: Toolbox, *, calls_max: int | None) -> None:
        self._hold = hold
        self._toolbox = toolbox
        self._calls_max = calls_max
        self._citing = toolbox.citing(hold.state)
        self._message: MessageDraft | None = None
        self._calls: list[CallDraft] = []
        self._telling = 0
        self._step_id: str | None = None
        self._step_resumed = False
        self._has_spoken = _spoke_before_calls(hold.state)
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
            self._tell_calls(self._step_id, to_the_end=True)
        else:
            await self._tell_held_back()
        await self._end_text()
        await self._abandon_left_message()
        self._hold.flush()

    async def outcome(self) -> Happening:
        """Return what the turn amounts to, once the hosted tools that it calls have run."""
        usage = self._counted()
        if self._reason == "content_filter":
            return BudgetSpent(reason="content_filter", content=self.content, usage=usage)
        if self._reason == "length":
            return BudgetSpent(reason="max_completion_tokens", content=self.content, usage=usage)
        if not self._calls:
            return Answered(content=self.content, usage=usage)
        calls = await self._toolbox.finished(self._calls, self._hold.state)
        if any(isinstance(call, FunctionToolCall) for call in calls):
            return FunctionsCalled(calls=calls, content=self.content, usage=usage)
        return HostedToolsRan(calls=calls, content=self.content, usage=usage)

    @property
    def content(self) -> tuple[Content, ...]:
        """Return the open message as far as it is written."""
        return self._message.content() if self._message else ()

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
        if self._has_spoken:
            self._held_back.append((kind, words))
            return
        if self._citing is None:
            await self._write(kind, words)
        elif kind == "text":
            await self._write_cited(self._citing.take(words))
        else:
            await self._end_text()
            await self._write(kind, words)

    async def _write(self, kind: PartKind, words: str) -> None:
        message = self._message or await self._start_message()
        delta = message.add(kind, words)
        self._hold.tell("thread.message.delta", delta, len(words), resumed=message.resumed)

    async def _write_cited(self, written: Iterable[str | Citation]) -> None:
        for each in written:
            if isinstance(each, str):
                await self._write("text", each)
            else:
                message = self._message or await self._start_message()
                delta, width = message.cite(each), len(each.marker)
                self._hold.tell("thread.message.delta", delta, width, resumed=message.resumed)

    async def _end_text(self) -> None:
        """Tell what looked like the beginning of a marker and was none."""
        if self._citing is not None:
            await self._write_cited(self._citing.end())

    async def _tell_held_back(self) -> None:
        self._has_spoken = False
        for kind, words in self._held_back:
            await self._take_words(kind, words)
        self._hold.flush()

    async def _start_message(self) -> MessageDraft:
        left_open = self._hold.state.open_message
        if left_open is not None:
            self._message = MessageDraft(left_open.id, resumed=True)
        else:
            self._message = MessageDraft(new_id("msg"), resumed=False)
            started = MessageStarted(message_id=self._message.id, step_id=new_id("step"))
            await self._hold.happen(started)
        return self._message

    async def _take_call(self, delta: ToolCallDelta) -> None:
        if self._calls_max is not None and delta.index >= self._calls_max:
            return
        self._bytes_written += len(delta.arguments.encode())
        step_id = self._step_id or await self._start_tool_step()
        if delta.index == len(self._calls):
            self._calls.append(self._toolbox.draft(delta.id or new_id("call"), delta.name or ""))
        if delta.arguments:
            self._calls[delta.index].add(delta.arguments)
        self._tell_calls(step_id)

    def _tell_calls(self, step_id: str, *, to_the_end: bool = False) -> None:
        """Tell one call after the other: the next one begins when the one before is whole.

        Servers may write calls interleaved. Told in order, a position in the stream says how much
        of them a client has seen, now and when the story is told again.
        """
        while self._telling < len(self._calls):
            self._tell_call(step_id, self._telling, self._calls[self._telling])
            is_last = self._telling == len(self._calls) - 1
            if is_last or not (to_the_end or self._calls[self._telling].is_whole()):
                return
            self._telling += 1

    def _tell_call(self, step_id: str, index: int, call: CallDraft) -> None:
        if not call.is_announced:
            call.is_announced = True
            self._tell_step(call.header(step_id, index), width_of_header)
        arguments = call.untold()
        if arguments:
            self._tell_step(arguments_delta(step_id, index, arguments), len(arguments))

    async def _start_tool_step(self) -> str:
        await self._end_text()
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
        return self._step_id

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


def _spoke_before_calls(state: RunState) -> bool:
    """Return whether an earlier attempt completed a message and then opened calls."""

    def is_that(message_step: RunStep, tool_step: RunStep) -> bool:
        return (
            message_step.type == "message_creation"
            and tool_step.type == "tool_calls"
            and tool_step.status == "in_progress"
        )

    return any(is_that(one, two) for one, two in pairwise(state.steps))
