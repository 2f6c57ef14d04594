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
    return StepDelta(
        id=step_id, delta=StepDeltaBody(ToolCallsDeltaDetails(tool_calls=[call]))
    )


def merge(first: RunEvent, second: RunEvent) -> RunEvent | None:
    """Return both text deltas as one, or None when they do not adjoin."""
    if not (isinstance(first.data, MessageDelta) and isinstance(second.data, MessageDelta)):
        return None
    if first.data.id != second.data.id:
        return None
    one, two = first.data.delta.content[0], second.data.delta.content[0]
    if not (isinstance(one, TextContentDelta) and isinstance(two, TextContentDelta)):
        return None
    if one.index != two.index or two.text.annotations or two.text.annotations == []:
        return None
    text = replace(one.text, value=one.text.value + two.text.value)
    content = replace(one, text=text)
    return replace(
        second,
        data=replace(first.data, delta=MessageDeltaBody([content])),
        width=first.width + second.width,
    )


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
