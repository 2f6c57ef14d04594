"""Makes, merges and cuts deltas. A delta's width is what it adds, in code points."""

from msgspec import UNSET
from msgspec.structs import replace

from understudy.wire.deltas import (
    AnnotationDelta,
    CellOutputDelta,
    CodeInterpreterDelta,
    CodeInterpreterToolCallDelta,
    FileCitationAnnotationDelta,
    FilePathAnnotationDelta,
    FileSearchDelta,
    FileSearchToolCallDelta,
    FunctionDelta,
    FunctionToolCallDelta,
    ImageFileContentDelta,
    LogsOutputDelta,
    MessageDelta,
    MessageDeltaBody,
    RefusalContentDelta,
    StepDelta,
    StepDeltaBody,
    TextContentDelta,
    TextDeltaValue,
    ToolCallDelta,
    ToolCallsDeltaDetails,
)
from understudy.wire.events import RunEvent
from understudy.wire.objects.messages import Annotation, FileCitationAnnotation, ImageFile
from understudy.wire.objects.steps import FileSearchToolCall

# The delta that names a call, and so stands before its arguments, takes one position.
width_of_header = 1
width_of_image = 1


def text_delta(message_id: str, index: int, value: str, *, first: bool) -> MessageDelta:
    """Return more text; the first delta of a part shows its empty annotations (STR-10)."""
    text = TextDeltaValue(value=value, annotations=[] if first else UNSET)
    content = TextContentDelta(index=index, text=text)
    return MessageDelta(id=message_id, delta=MessageDeltaBody([content]))


def annotated_delta(
    message_id: str, index: int, number: int, annotation: Annotation
) -> MessageDelta:
    """Return the text that an annotation is about, with it, the ``number``-th of its part.

    It stands alone: whoever has this text has the annotation, too (STR-11, ANN-07).
    """
    text = TextDeltaValue(
        value=annotation.text, annotations=[_annotation_delta(number, annotation)]
    )
    content = TextContentDelta(index=index, text=text)
    return MessageDelta(id=message_id, delta=MessageDeltaBody([content]))


def _annotation_delta(number: int, annotation: Annotation) -> AnnotationDelta:
    text, start, end = annotation.text, annotation.start_index, annotation.end_index
    if isinstance(annotation, FileCitationAnnotation):
        return FileCitationAnnotationDelta(
            index=number,
            text=text,
            start_index=start,
            end_index=end,
            file_citation=annotation.file_citation,
        )
    return FilePathAnnotationDelta(
        index=number, text=text, start_index=start, end_index=end, file_path=annotation.file_path
    )


def refusal_delta(message_id: str, index: int, refusal: str) -> MessageDelta:
    """Return more of a refusal."""
    content = RefusalContentDelta(index=index, refusal=refusal)
    return MessageDelta(id=message_id, delta=MessageDeltaBody([content]))


def image_delta(message_id: str, index: int, file_id: str) -> MessageDelta:
    """Return an image part, whole (STR-10, ANN-05)."""
    content = ImageFileContentDelta(index=index, image_file=ImageFile(file_id))
    return MessageDelta(id=message_id, delta=MessageDeltaBody([content]))


def call_delta(step_id: str, index: int, call_id: str, name: str) -> StepDelta:
    """Return the delta that begins a function call (STR-09)."""
    function = FunctionDelta(name=name, arguments="", output=None)
    return _step_delta(step_id, FunctionToolCallDelta(index=index, id=call_id, function=function))


def search_delta(step_id: str, index: int, call: FileSearchToolCall) -> StepDelta:
    """Return the one delta of a search, which shows no results (STR-08)."""
    search = FileSearchDelta(ranking_options=call.file_search.ranking_options)
    return _step_delta(
        step_id, FileSearchToolCallDelta(index=index, id=call.id, file_search=search)
    )


def arguments_delta(step_id: str, index: int, arguments: str) -> StepDelta:
    """Return more of a call's arguments (STR-09)."""
    function = FunctionDelta(arguments=arguments)
    return _step_delta(step_id, FunctionToolCallDelta(index=index, function=function))


def code_call_delta(step_id: str, index: int, call_id: str) -> StepDelta:
    """Return the delta that begins a call of the code interpreter (STR-07)."""
    cell = CodeInterpreterDelta(input="", outputs=[])
    call = CodeInterpreterToolCallDelta(index=index, id=call_id, code_interpreter=cell)
    return _step_delta(step_id, call)


def code_delta(step_id: str, index: int, code: str) -> StepDelta:
    """Return more of a cell's code (STR-07)."""
    cell = CodeInterpreterDelta(input=code)
    return _step_delta(step_id, CodeInterpreterToolCallDelta(index=index, code_interpreter=cell))


def output_delta(step_id: str, index: int, output: CellOutputDelta) -> StepDelta:
    """Return more of a cell's output (STR-07)."""
    cell = CodeInterpreterDelta(outputs=[output])
    return _step_delta(step_id, CodeInterpreterToolCallDelta(index=index, code_interpreter=cell))


def _step_delta(step_id: str, call: ToolCallDelta) -> StepDelta:
    return StepDelta(id=step_id, delta=StepDeltaBody(ToolCallsDeltaDetails(tool_calls=[call])))


def cut(event: RunEvent, seen: int) -> RunEvent:
    """Return the delta without its first ``seen`` code points.

    An annotation comes with the rest of its text, since it cannot have been seen before.
    """
    data: MessageDelta | StepDelta | None = None
    if isinstance(event.data, MessageDelta):
        data = _cut_message(event.data, seen)
    elif isinstance(event.data, StepDelta):
        data = _cut_call(event.data.id, event.data.delta.step_details.tool_calls[0], seen)
    return replace(event, data=data, width=event.width - seen) if data else event


def _cut_message(whole: MessageDelta, seen: int) -> MessageDelta | None:
    part = whole.delta.content[0]
    if isinstance(part, TextContentDelta):
        annotations = part.text.annotations or UNSET
        text = TextDeltaValue(value=part.text.value[seen:], annotations=annotations)
        return replace(whole, delta=MessageDeltaBody([replace(part, text=text)]))
    if isinstance(part, RefusalContentDelta):
        return refusal_delta(whole.id, part.index, part.refusal[seen:])
    return None


def _cut_call(step_id: str, call: ToolCallDelta, seen: int) -> StepDelta | None:
    if isinstance(call, FunctionToolCallDelta) and isinstance(call.function.arguments, str):
        return arguments_delta(step_id, call.index, call.function.arguments[seen:])
    if isinstance(call, CodeInterpreterToolCallDelta):
        return _cut_cell(step_id, call.index, call.code_interpreter, seen)
    return None


def _cut_cell(step_id: str, index: int, cell: CodeInterpreterDelta, seen: int) -> StepDelta | None:
    if cell.input:
        return code_delta(step_id, index, cell.input[seen:])
    if cell.outputs and isinstance(cell.outputs[0], LogsOutputDelta):
        output = cell.outputs[0]
        return output_delta(step_id, index, replace(output, logs=output.logs[seen:]))
    return None


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
        """Return a run that begins with the event, or None when it is no plain text delta."""
        data = event.data
        if not isinstance(data, MessageDelta):
            return None
        part = data.delta.content[0]
        if not isinstance(part, TextContentDelta) or part.text.annotations:
            return None
        return cls(event, data.id, part)

    def take(self, event: RunEvent) -> bool:
        """Add the event if it goes on with this text: no gap, no annotations, no other attempt."""
        data = event.data
        if not isinstance(data, MessageDelta) or data.id != self._message_id:
            return False
        part = data.delta.content[0]
        goes_on = (
            isinstance(part, TextContentDelta)
            and part.index == self._index
            and part.text.annotations is UNSET
            and event.position - event.width == self._last.position
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
