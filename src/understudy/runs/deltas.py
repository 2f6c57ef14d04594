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


def merged(events: list[RunEvent]) -> list[RunEvent]:
    """Return the events with neighbouring text deltas of one part joined, in order."""
    result: list[RunEvent] = []
    run: list[RunEvent] = []
    for event in events:
        if run and not _adjoins(run[-1], event):
            result.append(_joined(run))
            run = []
        if event.width and isinstance(event.data, MessageDelta):
            run.append(event)
        else:
            result.append(event)
    if run:
        result.append(_joined(run))
    return result


def _adjoins(first: RunEvent, second: RunEvent) -> bool:
    """Return whether both are plain text of one part: no annotations, no other attempt."""
    one, two = first.data, second.data
    if not (isinstance(one, MessageDelta) and isinstance(two, MessageDelta)):
        return False
    part, rest = one.delta.content[0], two.delta.content[0]
    return (
        one.id == two.id
        and first.attempt == second.attempt
        and first.resumed == second.resumed
        and isinstance(part, TextContentDelta)
        and isinstance(rest, TextContentDelta)
        and part.index == rest.index
        and rest.text.annotations is UNSET
    )


def _joined(run: list[RunEvent]) -> RunEvent:
    if len(run) == 1:
        return run[0]
    head, last = run[0].data, run[-1]
    assert isinstance(head, MessageDelta)
    parts = [event.data.delta.content[0] for event in run]  # type: ignore[union-attr]
    text = replace(parts[0].text, value="".join(part.text.value for part in parts))  # type: ignore[union-attr]
    content = replace(parts[0], text=text)
    data = replace(head, delta=MessageDeltaBody([content]))
    return replace(last, data=data, width=sum(event.width for event in run))
