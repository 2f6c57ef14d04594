"""Cells of the code interpreter: their outputs as they come, and what is known of them later."""

from collections.abc import Iterable

from understudy.wire.deltas import CellOutputDelta, ImageOutputDelta, LogsOutputDelta
from understudy.wire.objects.steps import (
    CellOutput,
    CodeInterpreterCall,
    CodeInterpreterToolCall,
    ImageOutput,
    ImageReference,
    LogsOutput,
    MessageCreationDetails,
    RunStep,
    ToolCallsDetails,
)

LINK = "sandbox:/mnt/data/"
# What a model reads of the text of a cell: its beginning and its end.
BEGINNING_CHARACTERS_MAX = 12_000
END_CHARACTERS_MAX = 4_000
NOTHING_PRINTED = "The code has run. It has printed nothing."
IMAGE_SHOWN = "[The user is shown an image here.]"
FILES_MADE = "Files that the code has made, to be linked to in Markdown by these addresses:"


class CellOutputs:
    """The outputs of a cell in the making. Text that follows text is one output (STEP-07)."""

    def __init__(self) -> None:
        self._outputs: list[list[str] | ImageOutput] = []

    def add_text(self, text: str) -> LogsOutputDelta:
        """Add text, which is not empty, and return its delta."""
        if not self._outputs or not isinstance(self._outputs[-1], list):
            self._outputs.append([])
        last = self._outputs[-1]
        assert isinstance(last, list)
        last.append(text)
        return LogsOutputDelta(index=len(self._outputs) - 1, logs=text)

    def add_image(self, file_id: str) -> ImageOutputDelta:
        """Add an image and return its delta."""
        image = ImageReference(file_id)
        self._outputs.append(ImageOutput(image))
        return ImageOutputDelta(index=len(self._outputs) - 1, image=image)

    @property
    def whole(self) -> list[CellOutput]:
        """Return the outputs as far as they have come."""
        return [LogsOutput("".join(one)) if isinstance(one, list) else one for one in self._outputs]


def joined_outputs(deltas: Iterable[CellOutputDelta]) -> list[CellOutput]:
    """Return the outputs that these deltas tell."""
    outputs = CellOutputs()
    for delta in deltas:
        if isinstance(delta, LogsOutputDelta):
            outputs.add_text(delta.logs)
        else:
            outputs.add_image(delta.image.file_id)
    return outputs.whole


def output_pieces(outputs: Iterable[CellOutput]) -> Iterable[tuple[CellOutputDelta, int]]:
    """Yield each output whole as one delta, with its width."""
    for index, output in enumerate(outputs):
        delta: CellOutputDelta
        if isinstance(output, LogsOutput):
            delta = LogsOutputDelta(index=index, logs=output.logs)
        else:
            delta = ImageOutputDelta(index=index, image=output.image)
        yield delta, width_of_output(delta)


def width_of_output(delta: CellOutputDelta) -> int:
    """Return how many positions the delta takes: text its code points, an image one."""
    return len(delta.logs) if isinstance(delta, LogsOutputDelta) else 1


def made_files(steps: Iterable[RunStep]) -> dict[str, str]:
    """Return the files that cells have made, ids by path; of the same path the latest."""
    return {
        file.path: file.file_id
        for call in calls(steps)
        if isinstance(call.files, list)
        for file in call.files
    }


def calls(steps: Iterable[RunStep]) -> Iterable[CodeInterpreterCall]:
    """Yield the cells of the steps, in their order."""
    for step in steps:
        yield from _calls_of(step)


def _calls_of(step: RunStep) -> Iterable[CodeInterpreterCall]:
    if isinstance(step.step_details, ToolCallsDetails):
        for call in step.step_details.tool_calls:
            if isinstance(call, CodeInterpreterToolCall):
                yield call.code_interpreter


def charts(steps: Iterable[RunStep]) -> list[str]:
    """Return the images that the next message begins with: no message has them yet (ANN-05).

    A message that is still being written has them again, in the same places.
    """
    found: list[str] = []
    for step in steps:
        if not isinstance(step.step_details, MessageCreationDetails):
            outputs = (output for call in _calls_of(step) for output in call.outputs)
            found += [one.image.file_id for one in outputs if isinstance(one, ImageOutput)]
        elif step.status != "in_progress":
            found = []
    return found


def account(call: CodeInterpreterCall) -> str:
    """Return what the model reads of a cell: its text, within bounds, and what it has made."""
    shown = "".join(
        output.logs if isinstance(output, LogsOutput) else f"\n{IMAGE_SHOWN}\n"
        for output in call.outputs
    )
    told = [_bounded(shown.strip("\n"))] if shown else [NOTHING_PRINTED]
    if isinstance(call.files, list):
        told += ["", FILES_MADE, *(f"- {LINK}{file.path}" for file in call.files)]
    return "\n".join(told)


def _bounded(text: str) -> str:
    excess = len(text) - BEGINNING_CHARACTERS_MAX - END_CHARACTERS_MAX
    if excess <= 0:
        return text
    beginning, end = text[:BEGINNING_CHARACTERS_MAX], text[-END_CHARACTERS_MAX:]
    return f"{beginning}\n[{excess} characters are left out here.]\n{end}"
