"""A client connection that costs little: it stores what arrives, with the time, and looks later.

The client shares two cores with the server under test. While a measurement runs it therefore only
appends bytes and notices the end of the answer; unchunking and JSON wait until afterwards.
"""

import asyncio
import re
import time
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, cast

import msgspec

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"

ANSWER_SECONDS_MAX = 120


@dataclass(frozen=True)
class Answer:
    """One HTTP answer as it came, and when each piece of it came."""

    sent_ns: int
    head: bytes
    raw: bytes
    arrived_bytes: "array[int]"
    """After each piece, how many bytes had arrived, head included."""
    arrived_at_ns: "array[int]"
    """When each piece arrived, on the monotonic clock."""

    @property
    def status(self) -> int:
        """Return the status code."""
        return int(self.head[9:12])

    @property
    def body(self) -> bytes:
        """Return the body without its transfer framing."""
        return unchunked(self.raw) if _CHUNKED.search(self.head) else self.raw

    def header(self, name: str) -> str | None:
        """Return the value of a header, if it was sent."""
        found = re.search(rb"\r\n" + name.encode() + rb": *([^\r]*)", self.head, re.IGNORECASE)
        return found[1].decode() if found else None

    def json(self) -> Any:
        """Return the decoded body; anything but a 2xx is an error here."""
        self.expect_success()
        return msgspec.json.decode(self.body)

    def expect_success(self) -> None:
        """Raise unless the server answered with a 2xx."""
        if not 200 <= self.status < 300:
            raise RuntimeError(f"status {self.status}: {self.body[:500]!r}")

    def arrived_ns(self, raw_offset: int) -> int:
        """Return when the byte at this offset of ``raw`` arrived."""
        return self.arrived_at_ns[bisect_left(self.arrived_bytes, len(self.head) + raw_offset + 1)]


def unchunked(raw: bytes) -> bytes:
    """Return the content of a whole chunked body."""
    pieces, at = [], 0
    while at < len(raw):
        end = raw.index(b"\r\n", at)
        size = int(raw[at:end], 16)
        pieces.append(raw[end + 2 : end + 2 + size])
        at = end + size + 4
    return b"".join(pieces)


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection that carries one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._reset()

    def _reset(self) -> None:
        self._sent_ns = 0
        self._parts: list[bytes] = []
        self._arrived_bytes = array("q")
        self._arrived_at_ns = array("q")
        self._total = 0
        self._head_length = 0
        self._length_expected: int | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that was under way."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed before the answer's end"))

    def data_received(self, data: bytes) -> None:
        """Store a piece of the answer with its time; hand the answer over when it is whole."""
        self._total += len(data)
        self._parts.append(data)
        self._arrived_bytes.append(self._total)
        self._arrived_at_ns.append(time.monotonic_ns())
        if not self._head_length:
            self._read_head()
        if self._is_whole(data):
            self._deliver()

    def _read_head(self) -> None:
        joined = b"".join(self._parts)
        end = joined.find(b"\r\n\r\n")
        if end < 0:
            return
        self._head_length = end + 4
        length = _LENGTH.search(joined, 0, end)
        self._length_expected = int(length[1]) if length else None

    def _is_whole(self, data: bytes) -> bool:
        if not self._head_length:
            return False
        if self._length_expected is not None:
            return self._total >= self._head_length + self._length_expected
        self._tail = (self._tail + data[-7:])[-7:]
        return self._tail == _LAST_CHUNK

    def _deliver(self) -> None:
        joined, at = b"".join(self._parts), self._head_length
        arrived = (self._arrived_bytes, self._arrived_at_ns)
        answer = Answer(self._sent_ns, joined[:at], joined[at:], *arrived)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    async def request(self, data: bytes) -> Answer:
        """Send a whole request and return the whole answer."""
        if self._transport is None:
            raise ConnectionError("not connected")
        self._reset()
        self._answer = asyncio.get_running_loop().create_future()
        self._sent_ns = time.monotonic_ns()
        self._transport.write(data)
        return await asyncio.wait_for(self._answer, ANSWER_SECONDS_MAX)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


async def connect(port: int) -> Connection:
    """Open a loopback connection."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection
