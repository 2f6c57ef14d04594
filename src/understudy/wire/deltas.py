"""Pieces of messages and steps as streams carry them (STR-07 to STR-11).

Every entry of a list bears its ``index``; ids and names stand in the first delta only, because
clients concatenate whatever strings they get (SDK-05).
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from understudy.wire.objects.messages import FileCitation, FilePath, ImageFile
from understudy.wire.objects.steps import ImageReference, StepRankingOptions


class FileCitationAnnotationDelta(Struct, tag_field="type", tag="file_citation", kw_only=True):
    """A citation, whole, at its place among the annotations of the part (ANN-07)."""

    index: int
    text: str
    start_index: int
    end_index: int
    file_citation: FileCitation


class FilePathAnnotationDelta(Struct, tag_field="type", tag="file_path", kw_only=True):
    """A link to a produced file, whole, at its place among the annotations of the part."""

    index: int
    text: str
    start_index: int
    end_index: int
    file_path: FilePath


AnnotationDelta = FileCitationAnnotationDelta | FilePathAnnotationDelta


class TextDeltaValue(Struct, kw_only=True):
    """More text; ``annotations`` only in the first delta of a part and in citations (STR-10)."""

    value: str
    annotations: list[AnnotationDelta] | UnsetType = UNSET


class TextContentDelta(Struct, tag_field="type", tag="text", kw_only=True):
    """More of a text part."""

    index: int
    text: TextDeltaValue


class RefusalContentDelta(Struct, tag_field="type", tag="refusal", kw_only=True):
    """More of a refusal part."""

    index: int
    refusal: str


class ImageFileContentDelta(Struct, tag_field="type", tag="image_file", kw_only=True):
    """An image part, whole."""

    index: int
    image_file: ImageFile


ContentDelta = TextContentDelta | RefusalContentDelta | ImageFileContentDelta


class MessageDeltaBody(Struct):
    """The content that is added."""

    content: list[ContentDelta]


class MessageDelta(Struct, kw_only=True):
    """A piece of a message."""

    id: str
    object: Literal["thread.message.delta"] = "thread.message.delta"
    delta: MessageDeltaBody


class FunctionDelta(Struct, kw_only=True, omit_defaults=True):
    """A piece of a function call; name and output stand in the first one (STR-09)."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    output: str | UnsetType | None = UNSET


class FunctionToolCallDelta(Struct, tag_field="type", tag="function", kw_only=True):
    """A piece of a function call at its place in the step."""

    index: int
    id: str | UnsetType = UNSET
    function: FunctionDelta


class LogsOutputDelta(Struct, tag_field="type", tag="logs", kw_only=True):
    """More of a printed output."""

    index: int
    logs: str


class ImageOutputDelta(Struct, tag_field="type", tag="image", kw_only=True):
    """An image that a cell made."""

    index: int
    image: ImageReference


CellOutputDelta = LogsOutputDelta | ImageOutputDelta


class CodeInterpreterDelta(Struct, kw_only=True):
    """A piece of a cell: more input, or more output (STR-07)."""

    input: str | UnsetType = UNSET
    outputs: list[CellOutputDelta] | UnsetType = UNSET


class CodeInterpreterToolCallDelta(Struct, tag_field="type", tag="code_interpreter", kw_only=True):
    """A piece of a code interpreter call at its place in the step."""

    index: int
    id: str | UnsetType = UNSET
    code_interpreter: CodeInterpreterDelta


class FileSearchDelta(Struct, kw_only=True, frozen=True):
    """A search that begins; results stand only in the completed step (STR-08)."""

    ranking_options: StepRankingOptions = StepRankingOptions()
    results: list[str] = []


class FileSearchToolCallDelta(Struct, tag_field="type", tag="file_search", kw_only=True):
    """A search that begins, at its place in the step."""

    index: int
    id: str | UnsetType = UNSET
    file_search: FileSearchDelta = FileSearchDelta()


ToolCallDelta = FunctionToolCallDelta | CodeInterpreterToolCallDelta | FileSearchToolCallDelta


class ToolCallsDeltaDetails(Struct, kw_only=True):
    """The calls that grow."""

    type: Literal["tool_calls"] = "tool_calls"
    tool_calls: list[ToolCallDelta]


class StepDeltaBody(Struct):
    """What is added to a step."""

    step_details: ToolCallsDeltaDetails


class StepDelta(Struct, kw_only=True):
    """A piece of a run step."""

    id: str
    object: Literal["thread.run.step.delta"] = "thread.run.step.delta"
    delta: StepDeltaBody
