"""What the model is writing: a message in its parts, a call in its arguments."""

from typing import Literal

import msgspec

from understudy.runs.deltas import refusal_delta, text_delta
from understudy.wire.deltas import MessageDelta
from understudy.wire.objects.messages import Content, RefusalContent, Text, TextContent
from understudy.wire.objects.steps import FunctionCall, FunctionToolCall

PartKind = Literal["text", "refusal"]


class _Part:
    """A part of a message in the making."""

    __slots__ = ("kind", "pieces")

    def __init__(self, kind: PartKind) -> None:
        self.kind = kind
        self.pieces: list[str] = []

    def content(self) -> Content:
        """Return the part as far as it is written."""
        written = "".join(self.pieces)
        return TextContent(Text(written)) if self.kind == "text" else RefusalContent(written)


class MessageDraft:
    """A message in the making; ``resumed`` when an earlier attempt had begun it."""

    def __init__(self, message_id: str, *, resumed: bool) -> None:
        self.id = message_id
        self.resumed = resumed
        self._parts: list[_Part] = []

    def add(self, kind: PartKind, piece: str) -> MessageDelta:
        """Add a piece and return its delta; another kind of content begins another part."""
        begins = not self._parts or self._parts[-1].kind != kind
        if begins:
            self._parts.append(_Part(kind))
        self._parts[-1].pieces.append(piece)
        index = len(self._parts) - 1
        if kind == "text":
            return text_delta(self.id, index, piece, first=begins)
        return refusal_delta(self.id, index, piece)

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

    def untold(self) -> str:
        """Return the arguments that have not been told yet; from now on they have been."""
        pieces = self._arguments[self._told :]
        self._told = len(self._arguments)
        return "".join(pieces)

    def is_whole(self) -> bool:
        """Return whether the arguments are complete JSON, so that no more will come."""
        try:
            msgspec.json.decode("".join(self._arguments))
        except msgspec.DecodeError:
            return False
        return True

    def finished(self) -> FunctionToolCall:
        """Return the call with its arguments as the model wrote them."""
        function = FunctionCall(name=self.name, arguments="".join(self._arguments))
        return FunctionToolCall(id=self.id, function=function)
