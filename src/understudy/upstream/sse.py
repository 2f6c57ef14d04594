"""Server-sent events, as far as Chat Completions uses them: the payloads of ``data:`` lines."""

from understudy.errors import UpstreamError

LINE_BYTES_MAX = 16 * 1024 * 1024


class DataLines:
    """Cuts bytes, however they arrive, into the payloads of ``data:`` lines.

    One line is one payload: no server splits a chunk over several ``data:`` lines, and some forget
    the blank line between events. The spaces around a payload are left to the JSON decoder.
    """

    def __init__(self) -> None:
        # Pieces of the unfinished line; joined once, so that a long line costs linear time.
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads of the lines that end in this piece."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._pending:
            lines[0] = self._complete(lines[0])
        if rest:
            self._keep(rest)
        return [line[5:] for line in lines if line.startswith(b"data:")]

    def end(self) -> list[bytes]:
        """Return the payload of a last line that no line feed closes."""
        return self.feed(b"\n")

    def _complete(self, last_piece: bytes) -> bytes:
        line = b"".join((*self._pending, last_piece))
        self._pending.clear()
        self._pending_bytes = 0
        return line

    def _keep(self, piece: bytes) -> None:
        self._pending.append(piece)
        self._pending_bytes += len(piece)
        if self._pending_bytes > LINE_BYTES_MAX:
            raise UpstreamError(f"sent a line longer than {LINE_BYTES_MAX} bytes")
