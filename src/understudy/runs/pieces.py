"""Cuts a whole message or step into the deltas that tell it, each with its width."""

from collections.abc import Iterator

from understudy.runs.cells import output_pieces
from understudy.runs.deltas import (
    annotated_delta,
    arguments_delta,
    call_delta,
    code_call_delta,
    code_delta,
    image_delta,
    output_delta,
    refusal_delta,
    search_delta,
    text_delta,
    width_of_header,
    width_of_image,
)
from understudy.wire.deltas import MessageDelta, StepDelta
from understudy.wire.objects.messages import (
    ImageFileContent,
    Message,
    RefusalContent,
    Text,
    TextContent,
)
from understudy.wire.objects.steps import (
    CodeInterpreterCall,
    CodeInterpreterToolCall,
    FunctionToolCall,
    RunStep,
    ToolCall,
    ToolCallsDetails,
)

MessagePieces = Iterator[tuple[MessageDelta, int]]
StepPieces = Iterator[tuple[StepDelta, int]]


def message_pieces(message: Message) -> MessagePieces:
    """Yield what a message holds: plain text of a part as one piece, each annotation by itself."""
    for index, part in enumerate(message.content):
        if isinstance(part, TextContent):
            yield from _text_pieces(message.id, index, part.text)
        elif isinstance(part, RefusalContent) and part.refusal:
            yield refusal_delta(message.id, index, part.refusal), len(part.refusal)
        elif isinstance(part, ImageFileContent):
            yield image_delta(message.id, index, part.image_file.file_id), width_of_image


def _text_pieces(message_id: str, index: int, text: Text) -> MessagePieces:
    """Yield plain text and citations in turn, each citation for itself, as they were told."""
    told = 0
    for number, annotation in enumerate(text.annotations):
        plain = text.value[told : annotation.start_index]
        if plain:
            yield text_delta(message_id, index, plain, first=not told), len(plain)
        yield annotated_delta(message_id, index, number, annotation), len(annotation.text)
        told = annotation.end_index
    plain = text.value[told:]
    if plain:
        yield text_delta(message_id, index, plain, first=not told), len(plain)


def step_pieces(step: RunStep) -> StepPieces:
    """Yield what a step holds: of each call its header, its arguments and its outputs."""
    if isinstance(step.step_details, ToolCallsDetails):
        for index, call in enumerate(step.step_details.tool_calls):
            yield from _call_pieces(step.id, index, call)


def _call_pieces(step_id: str, index: int, call: ToolCall) -> StepPieces:
    if isinstance(call, FunctionToolCall):
        yield call_delta(step_id, index, call.id, call.function.name), width_of_header
        if call.function.arguments:
            arguments = call.function.arguments
            yield arguments_delta(step_id, index, arguments), len(arguments)
    elif isinstance(call, CodeInterpreterToolCall):
        yield code_call_delta(step_id, index, call.id), width_of_header
        yield from _cell_pieces(step_id, index, call.code_interpreter)
    else:
        yield search_delta(step_id, index, call), width_of_header


def _cell_pieces(step_id: str, index: int, cell: CodeInterpreterCall) -> StepPieces:
    if cell.input:
        yield code_delta(step_id, index, cell.input), len(cell.input)
    for output, width in output_pieces(cell.outputs):
        yield output_delta(step_id, index, output), width
