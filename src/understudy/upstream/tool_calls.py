"""One way to hear tool calls, from servers that tell them in many.

OpenAI numbers the calls of a turn and gives id and name once, in a call's first piece. Others

- repeat id or name on every piece, or make a fresh id for each piece (older vLLM),
- leave out the index, or the id,
- send whole calls, all of them with index 0 (Ollama),
- give two calls the same id.

So a piece is first matched with a call by its id, by its index, or as the latest. Then the question
is whether it starts another call instead. Only a piece with a name can; and it does when the call
that it was matched with is complete, or has another name, or has no arguments yet and another id.
"""

import msgspec

from understudy.errors import UpstreamError
from understudy.ids import new_id
from understudy.upstream.base import ToolCallDelta
from understudy.upstream.chunks import FunctionPiece, ToolCallPiece


class _Call:
    """A call as heard so far; ``number`` is its index in our own events."""

    def __init__(self, index: int | None, call_id: str | None) -> None:
        self.index = index
        self.id = call_id
        self.name: str | None = None
        self.number = -1
        self.pieces: list[str] = []

    def is_complete(self) -> bool:
        """Return whether the arguments so far are a whole JSON value."""
        try:
            msgspec.json.decode("".join(self.pieces))
        except msgspec.DecodeError:
            return False
        return True


class ToolCalls:
    """Turns the pieces of a turn's tool calls into deltas that keep the port's promise."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}
        self._told = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def hear(self, piece: ToolCallPiece) -> list[ToolCallDelta]:
        """Return the deltas that this piece amounts to."""
        function = piece.function or FunctionPiece()
        arguments = _as_text(function.arguments)
        call = self._match(piece)
        if call is None or _starts_another(call, piece, function.name, arguments):
            call = self._add(piece)
        return self._tell(call, function.name, arguments)

    def end(self) -> list[ToolCallDelta]:
        """Return what is still to say: ``{}`` for each call that came without arguments."""
        if any(call.name is None for call in self._calls):
            raise UpstreamError("sent a tool call without a name")
        silent = [call for call in self._calls if not any(call.pieces)]
        return [ToolCallDelta(call.number, arguments="{}") for call in silent]

    def _match(self, piece: ToolCallPiece) -> _Call | None:
        known = self._by_id.get(piece.id) if piece.id else None
        if known is not None and piece.index in {None, known.index}:
            return known
        if piece.index is not None:
            return self._by_index.get(piece.index)
        return self._calls[-1] if self._calls else None

    def _add(self, piece: ToolCallPiece) -> _Call:
        taken = piece.id in self._by_id
        call = _Call(piece.index, None if taken else piece.id)
        self._calls.append(call)
        if piece.id and not taken:
            self._by_id[piece.id] = call
        if piece.index is not None:
            self._by_index[piece.index] = call
        return call

    def _tell(self, call: _Call, name: str | None, arguments: str) -> list[ToolCallDelta]:
        if arguments:
            call.pieces.append(arguments)
        if call.name is None:
            return self._introduce(call, name) if name else []
        return [ToolCallDelta(call.number, arguments=arguments)] if arguments else []

    def _introduce(self, call: _Call, name: str) -> list[ToolCallDelta]:
        call.name = name
        call.number = self._told
        self._told += 1
        call_id = call.id or new_id("call")
        return [ToolCallDelta(call.number, call_id, name, "".join(call.pieces))]


def _as_text(arguments: str | dict[str, object] | None) -> str:
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""


def _starts_another(call: _Call, piece: ToolCallPiece, name: str | None, arguments: str) -> bool:
    if not name or call.name is None:
        return False
    if not any(call.pieces):
        return name != call.name or bool(piece.id and piece.id != call.id)
    if not call.is_complete():
        return False
    return bool(arguments.strip()) or name != call.name
