"""What the model is writing: a message in its parts, a call in its arguments."""

from typing import Literal

import msgspec

from understudy.runs.citing import Citation
from understudy.runs.deltas import (
    annotated_delta,
    call_delta,
    refusal_delta,
    search_delta,
    text_delta,
)
from understudy.wire.deltas import MessageDelta, StepDelta
from understudy.wire.objects.messages import (
    Annotation,
    Content,
    FileCitation,
    FileCitationAnnotation,
    RefusalContent,
    Text,
    TextContent,
)
from understudy.wire.objects.steps import FileSearchToolCall, FunctionCall, FunctionToolCall

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
    """A message in the making; ``resumed`` when an earlier attempt had begun it."""

    def __init__(self, message_id: str, *, resumed: bool) -> None:
        self.id = message_id
        self.resumed = resumed
        self._parts: list[_Part] = []

    def add(self, kind: PartKind, piece: str) -> MessageDelta:
        """Add a piece and return its delta; another kind of content begins another part."""
        part = self._part(kind)
        begins = not part.length
        part.add(piece)
        index = len(self._parts) - 1
        if kind == "text":
            return text_delta(self.id, index, piece, first=begins)
        return refusal_delta(self.id, index, piece)

    def cite(self, citation: Citation) -> MessageDelta:
        """Add a marker and its annotation to the text and return their delta (ANN-02)."""
        part = self._part("text")
        annotation = FileCitationAnnotation(
            text=citation.marker,
            start_index=part.length,
            end_index=part.length + len(citation.marker),
            file_citation=FileCitation(citation.source.file_id, citation.source.quote),
        )
        part.add(citation.marker)
        part.annotations.append(annotation)
        number = len(part.annotations) - 1
        return annotated_delta(self.id, len(self._parts) - 1, number, annotation)

    def _part(self, kind: PartKind) -> _Part:
        if not self._parts or self._parts[-1].kind != kind:
            self._parts.append(_Part(kind))
        return self._parts[-1]

    def content(self) -> tuple[Content, ...]:
        """Return the message as far as it is written."""
        return tuple(part.content() for part in self._parts)


class CallDraft:
    """A function call in the making, and how much of it has been told."""

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

    def is_whole(self) -> bool:
        """Return whether the arguments are complete JSON, so that no more will come."""
        try:
            msgspec.json.decode(self.arguments)
        except msgspec.DecodeError:
            return False
        return True

    def finished(self) -> FunctionToolCall:
        """Return the call with its arguments as the model wrote them."""
        function = FunctionCall(name=self.name, arguments=self.arguments)
        return FunctionToolCall(id=self.id, function=function)


class HostedCallDraft(CallDraft):
    """A call of a hosted tool in the making: of a search, only its beginning is told (STR-08)."""

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
