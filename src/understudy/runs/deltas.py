"""Makes, merges and cuts deltas. A delta's width is what it adds, in code points."""

from msgspec import UNSET
from msgspec.structs import replace

from understudy.wire.deltas import (
    FunctionDelta,
    FunctionToolCallDelta,
    MessageDelta,
    MessageDeltaBody,
    RefusalContentDelta,
    StepDelta,
    StepDeltaBody,
    TextContentDelta,
    TextDeltaValue,
    ToolCallsDeltaDetails,
)
from understudy.wire.events import RunEvent

# The delta that names a call, and so stands before its arguments, takes one position.
width_of_header = 1


def text_delta(message_id: str, index: int, value: str, *, first: bool) -> MessageDelta:
    """Return more text; the first delta of a part shows its empty annotations (STR-10)."""
    text = TextDeltaValue(value=value, annotations=[] if first else UNSET)
    content = TextContentDelta(index=index, text=text)
    return MessageDelta(id=message_id, delta=MessageDeltaBody([content]))


def refusal_delta(message_id: str, index: int, refusal: str) -> MessageDelta:
    """Return more of a refusal."""
    content = RefusalContentDelta(index=index, refusal=refusal)
    return MessageDelta(id=message_id, delta=MessageDeltaBody([content]))


def call_delta(step_id: str, index: int, call_id: str, name: str) -> StepDelta:
    """Return the delta that begins a function call (STR-09)."""
    function = FunctionDelta(name=name, arguments="", output=None)
    return _step_delta(step_id, FunctionToolCallDelta(index=index, id=call_id, function=function))


def arguments_delta(step_id: str, index: int, arguments: str) -> StepDelta:
    """Return more of a call's arguments (STR-09)."""
    function = FunctionDelta(arguments=arguments)
    return _step_delta(step_id, FunctionToolCallDelta(index=index, function=function))


def _step_delta(step_id: str, call: FunctionToolCallDelta) -> StepDelta:
    return StepDelta(id=step_id, delta=StepDeltaBody(ToolCallsDeltaDetails(tool_calls=[call])))


def cut(event: RunEvent, seen: int) -> RunEvent:
    """Return the delta without its first ``seen`` code points."""
    rest = event.width - seen
    if isinstance(event.data, MessageDelta):
        part = event.data.delta.content[0]
        if isinstance(part, TextContentDelta):
            cut_part = replace(part, text=TextDeltaValue(value=part.text.value[seen:]))
            data = replace(event.data, delta=MessageDeltaBody([cut_part]))
            return replace(event, data=data, width=rest)
        if isinstance(part, RefusalContentDelta):
            data = refusal_delta(event.data.id, part.index, part.refusal[seen:])
            return replace(event, data=data, width=rest)
    if isinstance(event.data, StepDelta):
        call = event.data.delta.step_details.tool_calls[0]
        if isinstance(call, FunctionToolCallDelta) and isinstance(call.function.arguments, str):
            arguments = call.function.arguments[seen:]
            return replace(
                event, data=arguments_delta(event.data.id, call.index, arguments), width=rest
            )
    return event


class TextRun:
    """Plain text deltas of one part that follow each other, to be told as one."""

    __slots__ = ("_first", "_index", "_last", "_message_id", "_pieces")

    def __init__(self, first: RunEvent, message_id: str, part: TextContentDelta) -> None:
        self._first = first
        self._last = first
        self._message_id = message_id
        self._index = part.index
        self._pieces = [part.text.value]

    @classmethod
    def begun_by(cls, event: RunEvent) -> "TextRun | None":
        """Return a run that begins with the event, or None when it is no text delta."""
        data = event.data
        if not isinstance(data, MessageDelta):
            return None
        part = data.delta.content[0]
        return cls(event, data.id, part) if isinstance(part, TextContentDelta) else None

    def take(self, event: RunEvent) -> bool:
        """Add the event if it goes on with this text: no annotations, no other attempt."""
        data = event.data
        if not isinstance(data, MessageDelta) or data.id != self._message_id:
            return False
        part = data.delta.content[0]
        goes_on = (
            isinstance(part, TextContentDelta)
            and part.index == self._index
            and part.text.annotations is UNSET
            and event.attempt == self._first.attempt
            and event.resumed == self._first.resumed
        )
        if goes_on:
            self._last = event
            self._pieces.append(part.text.value)  # type: ignore[union-attr]
        return goes_on

    def joined(self) -> RunEvent:
        """Return the deltas as one."""
        if self._last is self._first:
            return self._first
        first, last = self._first, self._last
        text = "".join(self._pieces)
        head = first.data
        assert isinstance(head, MessageDelta)
        part = head.delta.content[0]
        assert isinstance(part, TextContentDelta)
        content = replace(part, text=replace(part.text, value=text))
        data = replace(head, delta=MessageDeltaBody([content]))
        begun_at = first.position - first.width
        return replace(last, data=data, width=last.position - begun_at)


def merged(events: list[RunEvent]) -> list[RunEvent]:
    """Return the events with neighbouring text deltas of one part joined, in order."""
    result: list[RunEvent] = []
    run: TextRun | None = None
    for event in events:
        if run is not None:
            if run.take(event):
                continue
            result.append(run.joined())
        run = TextRun.begun_by(event)
        if run is None:
            result.append(event)
    if run is not None:
        result.append(run.joined())
    return result
