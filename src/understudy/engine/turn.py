"""One call of the model: its deltas told as they come, its end made into a happening."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from understudy.engine.hold import Hold
from understudy.ids import new_id
from understudy.runs.deltas import (
    arguments_delta,
    call_delta,
    refusal_delta,
    text_delta,
    width_of_header,
)
from understudy.runs.happenings import (
    Answered,
    BudgetSpent,
    FunctionsCalled,
    Happening,
    MessageAbandoned,
    MessageStarted,
    ToolCallsStarted,
)
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
from understudy.wire.objects.messages import Content, RefusalContent, Text, TextContent
from understudy.wire.objects.steps import FunctionCall, FunctionToolCall
from understudy.wire.objects.usage import CompletionTokensDetails, PromptTokenDetails, Usage


class _Call:
    """A function call in the making."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, call_id: str, name: str) -> None:
        self.id = call_id
        self.name = name
        self.arguments: list[str] = []

    def finished(self) -> FunctionToolCall:
        function = FunctionCall(name=self.name, arguments="".join(self.arguments))
        return FunctionToolCall(id=self.id, function=function)


class Turn:
    """What the model says and calls in one go.

    An earlier attempt may have left a message or a tool step open; they are written anew under
    the same ids, so that clients see one message and never two.
    """

    def __init__(self, hold: Hold, *, calls_max: int | None) -> None:
        self._hold = hold
        self._calls_max = calls_max
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[_Call] = []
        self._usage: ModelUsage | None = None
        self._reason: FinishReason = "stop"
        self._message_id: str | None = None
        self._step_id: str | None = None
        self._message_resumed = False
        self._step_resumed = False

    async def play(self, batches: AsyncGenerator[Sequence[ModelEvent]]) -> Happening:
        """Tell the model's events to the end and return what they amount to."""
        async with aclosing(batches):
            async for batch in batches:
                for event in batch:
                    await self._take(event)
                self._hold.flush()
        if self._hold.state.open_message is not None and self._message_id is None:
            await self._hold.happen(MessageAbandoned())
        return self._outcome()

    @property
    def begun(self) -> bool:
        """Return whether the model has said anything yet."""
        return self._message_id is not None or self._step_id is not None

    @property
    def content(self) -> tuple[Content, ...]:
        """Return the message as far as it is written."""
        parts: list[Content] = []
        if self._text:
            parts.append(TextContent(Text("".join(self._text))))
        if self._refusal:
            parts.append(RefusalContent("".join(self._refusal)))
        return tuple(parts)

    async def _take(self, event: ModelEvent) -> None:
        if type(event) is TextDelta:
            await self._take_text(event.text)
        elif type(event) is ToolCallDelta:
            await self._take_call(event)
        elif type(event) is RefusalDelta:
            await self._take_refusal(event.text)
        elif type(event) is ModelUsage:
            self._usage = event
        elif type(event) is Finished:
            self._reason = event.reason

    async def _take_text(self, text: str) -> None:
        message_id = self._message_id or await self._start_message()
        delta = text_delta(message_id, 0, text, first=not self._text)
        self._text.append(text)
        self._hold.tell("thread.message.delta", delta, len(text), resumed=self._message_resumed)

    async def _take_refusal(self, text: str) -> None:
        message_id = self._message_id or await self._start_message()
        index = 1 if self._text else 0
        self._refusal.append(text)
        delta = refusal_delta(message_id, index, text)
        self._hold.tell("thread.message.delta", delta, len(text), resumed=self._message_resumed)

    async def _start_message(self) -> str:
        left_open = self._hold.state.open_message
        if left_open is not None:
            self._message_id = left_open.id
            self._message_resumed = True
        else:
            self._message_id = new_id("msg")
            started = MessageStarted(message_id=self._message_id, step_id=new_id("step"))
            await self._hold.happen(started)
        return self._message_id

    async def _take_call(self, delta: ToolCallDelta) -> None:
        if self._calls_max is not None and delta.index >= self._calls_max:
            return
        step_id = self._step_id or await self._start_tool_step()
        if delta.index == len(self._calls):
            self._begin_call(step_id, delta)
        if delta.arguments:
            self._calls[delta.index].arguments.append(delta.arguments)
            piece = arguments_delta(step_id, delta.index, delta.arguments)
            self._tell_step(piece, len(delta.arguments))

    async def _start_tool_step(self) -> str:
        if self._hold.state.open_message is not None and self._message_id is None:
            await self._hold.happen(MessageAbandoned())
        open_steps = (s for s in self._hold.state.open_steps if s.type == "tool_calls")
        left_open = next(open_steps, None)
        if left_open is not None:
            self._step_id = left_open.id
            self._step_resumed = True
        else:
            self._step_id = new_id("step")
            await self._hold.happen(ToolCallsStarted(step_id=self._step_id))
        return self._step_id

    def _begin_call(self, step_id: str, delta: ToolCallDelta) -> None:
        call = _Call(delta.id or new_id("call"), delta.name or "")
        self._calls.append(call)
        self._tell_step(call_delta(step_id, delta.index, call.id, call.name), width_of_header)

    def _tell_step(self, piece: StepDelta, width: int) -> None:
        self._hold.tell("thread.run.step.delta", piece, width, resumed=self._step_resumed)

    def _outcome(self) -> Happening:
        usage = self._counted()
        if self._reason == "content_filter":
            return BudgetSpent(reason="content_filter", content=self.content, usage=usage)
        if self._reason == "length":
            return BudgetSpent(reason="max_completion_tokens", content=self.content, usage=usage)
        if self._calls:
            calls = tuple(call.finished() for call in self._calls)
            return FunctionsCalled(calls=calls, content=self.content, usage=usage)
        return Answered(content=self.content, usage=usage)

    def _counted(self) -> Usage:
        """Return the tokens that the upstream counted, or an estimate of what was written.

        Some servers never send usage; budgets have to hold with them, too (RUN-30).
        """
        used = self._usage or ModelUsage(prompt_tokens=0, completion_tokens=self._estimate())
        return Usage(
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            total_tokens=used.prompt_tokens + used.completion_tokens,
            prompt_token_details=PromptTokenDetails(used.cached_tokens),
            completion_tokens_details=CompletionTokensDetails(used.reasoning_tokens),
        )

    def _estimate(self) -> int:
        written = self._text + self._refusal
        written += [piece for call in self._calls for piece in call.arguments]
        return (sum(len(piece.encode()) for piece in written) + 3) // 4
