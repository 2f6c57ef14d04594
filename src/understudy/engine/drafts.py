"""What the model is writing: a message in its parts, a call in its arguments."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from understudy.runs.cells import joined_outputs
from understudy.runs.citing import Citation
from understudy.runs.code_arguments import CodeReader
from understudy.runs.deltas import (
    annotated_delta,
    arguments_delta,
    call_delta,
    code_call_delta,
    code_delta,
    image_delta,
    refusal_delta,
    search_delta,
    text_delta,
)
from understudy.runs.linking import Link
from understudy.runs.marking import Marked
from understudy.wire.deltas import CellOutputDelta, MessageDelta, StepDelta
from understudy.wire.objects.messages import (
    Annotation,
    Content,
    FileCitation,
    FileCitationAnnotation,
    FilePath,
    FilePathAnnotation,
    ImageFile,
    ImageFileContent,
    RefusalContent,
    Text,
    TextContent,
)
from understudy.wire.objects.steps import (
    CodeInterpreterCall,
    CodeInterpreterToolCall,
    FileSearchToolCall,
    FunctionCall,
    FunctionToolCall,
    ToolCall,
)

PartKind = Literal["text", "refusal"]


class _Part:
    """A part of a message in the making."""

    __slots__ = ("annotations", "kind", "length", "pieces")

    def __init__(self, kind: PartKind) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.length = 0
        self.annotations: list[Annotation] = []

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.length += len(piece)

    def content(self) -> Content:
        """Return the part as far as it is written."""
        written = "".join(self.pieces)
        if self.kind == "text":
            return TextContent(Text(written, [*self.annotations]))
        return RefusalContent(written)


class MessageDraft:
    """A message in the making; ``resumed`` when an earlier attempt had begun it.

    It begins with the charts, each a part of its own (ANN-05).
    """

    def __init__(self, message_id: str, *, resumed: bool, charts: Sequence[str] = ()) -> None:
        self.id = message_id
        self.resumed = resumed
        self._charts = charts
        self._parts: list[_Part] = []

    def begin(self) -> Iterable[MessageDelta]:
        """Return the deltas of the charts."""
        return [image_delta(self.id, index, chart) for index, chart in enumerate(self._charts)]

    def put(self, kind: PartKind, words: Marked) -> tuple[MessageDelta, int]:
        """Add a piece; return its delta and how many positions it takes.

        Another kind of content begins another part.
        """
        if isinstance(words, str):
            return self._add(kind, words), len(words)
        return self._annotate(words)

    def _add(self, kind: PartKind, piece: str) -> MessageDelta:
        part = self._part(kind)
        begins = not part.length
        part.add(piece)
        if kind == "text":
            return text_delta(self.id, self._index, piece, first=begins)
        return refusal_delta(self.id, self._index, piece)

    def _annotate(self, mark: Citation | Link) -> tuple[MessageDelta, int]:
        """Add a marker or an address, with its annotation in the same delta (ANN-02)."""
        part = self._part("text")
        annotation = _annotation(mark, part.length)
        part.add(annotation.text)
        part.annotations.append(annotation)
        number = len(part.annotations) - 1
        delta = annotated_delta(self.id, self._index, number, annotation)
        return delta, len(annotation.text)

    @property
    def _index(self) -> int:
        return len(self._charts) + len(self._parts) - 1

    def _part(self, kind: PartKind) -> _Part:
        if not self._parts or self._parts[-1].kind != kind:
            self._parts.append(_Part(kind))
        return self._parts[-1]

    def content(self) -> tuple[Content, ...]:
        """Return the message as far as it is written."""
        images = (ImageFileContent(ImageFile(chart)) for chart in self._charts)
        return (*images, *(part.content() for part in self._parts))


def _annotation(mark: Citation | Link, start: int) -> Annotation:
    if isinstance(mark, Link):
        return FilePathAnnotation(
            text=mark.address,
            start_index=start,
            end_index=start + len(mark.address),
            file_path=FilePath(mark.file_id),
        )
    return FileCitationAnnotation(
        text=mark.marker,
        start_index=start,
        end_index=start + len(mark.marker),
        file_citation=FileCitation(mark.source.file_id, mark.source.quote),
    )


class CallDraft:
    """A function call in the making, and how much of it has been told."""

    has_output = False

    __slots__ = ("_arguments", "_told", "id", "is_announced", "name")

    def __init__(self, call_id: str, name: str) -> None:
        self.id = call_id
        self.name = name
        self.is_announced = False
        self._arguments: list[str] = []
        self._told = 0

    def add(self, piece: str) -> None:
        """Add a piece of the arguments."""
        self._arguments.append(piece)

    def close(self) -> None:
        """Take note that the arguments are whole."""

    @property
    def arguments(self) -> str:
        """Return the arguments as far as they are written."""
        return "".join(self._arguments)

    def header(self, step_id: str, index: int) -> StepDelta:
        """Return the delta that begins the call."""
        return call_delta(step_id, index, self.id, self.name)

    def untold(self) -> str:
        """Return the arguments that have not been told yet; from now on they have been."""
        pieces = self._arguments[self._told :]
        self._told = len(self._arguments)
        return "".join(pieces)

    def delta(self, step_id: str, index: int, piece: str) -> StepDelta:
        """Return the delta that tells a piece of what was untold."""
        return arguments_delta(step_id, index, piece)

    def is_whole(self) -> bool:
        """Return whether the arguments are complete JSON, so that no more will come."""
        try:
            msgspec.json.decode(self.arguments)
        except msgspec.DecodeError:
            return False
        return True

    def finished(self) -> FunctionToolCall:
        """Return the call with its arguments as the model wrote them."""
        return self._with(self.arguments)

    def as_told(self) -> ToolCall:
        """Return the call as far as clients were told of it."""
        return self._with("".join(self._arguments[: self._told]))

    def _with(self, arguments: str) -> FunctionToolCall:
        return FunctionToolCall(
            id=self.id, function=FunctionCall(name=self.name, arguments=arguments)
        )


class SearchCallDraft(CallDraft):
    """A search in the making, of which only the beginning is told (STR-08)."""

    __slots__ = ("_begun",)

    def __init__(self, call_id: str, name: str, begun: FileSearchToolCall) -> None:
        super().__init__(call_id, name)
        self._begun = begun

    def header(self, step_id: str, index: int) -> StepDelta:
        """Return the delta that begins the call."""
        return search_delta(step_id, index, self._begun)

    def untold(self) -> str:
        """Return nothing: clients do not see what is searched for."""
        return ""

    def as_told(self) -> FileSearchToolCall:
        """Return the beginning of the search."""
        return self._begun


class CodeCallDraft(CallDraft):
    """A cell in the making: its code is told, as far as it can be read, and its output (STR-07)."""

    has_output = True

    __slots__ = ("_code", "_outputs", "_reader", "_told_code")

    def __init__(self, call_id: str, name: str) -> None:
        super().__init__(call_id, name)
        self._reader = CodeReader()
        self._code: list[str] = []
        self._told_code: list[str] = []
        self._outputs: list[CellOutputDelta] = []

    def add(self, piece: str) -> None:
        """Add a piece of the arguments."""
        super().add(piece)
        self._code.append(self._reader.take(piece))

    def close(self) -> None:
        """Take note that the arguments are whole, so that all of the code can be told."""
        self._code.append(self._reader.end())

    def header(self, step_id: str, index: int) -> StepDelta:
        """Return the delta that begins the call."""
        return code_call_delta(step_id, index, self.id)

    def untold(self) -> str:
        """Return the code that has not been told yet; from now on it has been."""
        code, self._code = "".join(self._code), []
        self._told_code.append(code)
        return code

    def take_output(self, output: CellOutputDelta) -> None:
        """Add a piece of what comes out of the cell; it is being told."""
        self._outputs.append(output)

    def as_told(self) -> CodeInterpreterToolCall:
        """Return the cell with the code and the output that clients were told."""
        outputs = joined_outputs(self._outputs)
        cell = CodeInterpreterCall(input="".join(self._told_code), outputs=outputs)
        return CodeInterpreterToolCall(id=self.id, code_interpreter=cell)

    def delta(self, step_id: str, index: int, piece: str) -> StepDelta:
        """Return the delta that tells a piece of the code."""
        return code_delta(step_id, index, piece)
