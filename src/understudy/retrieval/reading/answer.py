"""What comes back from the reading of one file."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Sequence
from typing import Self

import msgspec

from understudy.retrieval.document import Unreadable
from understudy.retrieval.parsing.refusals import invalid
from understudy.retrieval.reading.frames import (
    FRAME_BYTES_MAX,
    HEADER_BYTES,
    Batch,
    Failed,
    Frame,
    Started,
    decode_frame,
)
from understudy.storage.chunks import IndexedChunk

_EXIT_CODE_BYTES_MAX = 16
_REPORT_SECONDS_MAX = 5
# The first file waits until all parsers are imported, which is not its fault.
_START_SECONDS_MAX = 60
# The kernel limits the processor time of a reading. A busy machine gives it only a share of that
# time, which is not the file's fault either; so one that is idle is stopped later.
_PATIENCE = 5


class Answer:
    """The two connections of a reading: its frames, and the report of how its process ended.

    ``child_ends`` are for whoever answers. When the report is closed here, the process is killed.
    """

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._seconds_left: float = _START_SECONDS_MAX
        self._frames, frames = socket.socketpair()
        self._report, report = socket.socketpair()
        self.child_ends = (frames, report)
        self._frames.settimeout(0)
        self._report.settimeout(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._frames, self._report, *self.child_ends):
            end.close()

    async def batches(self) -> AsyncGenerator[Sequence[IndexedChunk]]:
        """Yield the chunks as they come. Raises Unreadable when not all of them come."""
        while isinstance(frame := await self._next_frame(), Started | Batch):
            if isinstance(frame, Batch):
                yield frame.chunks
            else:
                self._seconds_left = _PATIENCE * self._seconds_max
        if isinstance(frame, Failed):
            raise Unreadable(frame.code, frame.message, frame.detail)

    async def _next_frame(self) -> Frame:
        """Return the next frame; only the time spent here counts against the limit."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._seconds_left):
                return decode_frame(await self._read_frame())
        except TimeoutError as error:
            raise _took_too_long() from error
        except (EOFError, ConnectionError) as error:
            raise await self._reason() from error
        except msgspec.MsgspecError as error:
            raise _broke_off(f"no frame: {error}") from error
        finally:
            self._seconds_left -= loop.time() - started

    async def _read_frame(self) -> bytearray:
        length = int.from_bytes(await _receive(self._frames, HEADER_BYTES))
        if length > FRAME_BYTES_MAX:
            raise msgspec.DecodeError(f"a frame of {length} bytes")
        return await _receive(self._frames, length)

    async def _reason(self) -> Unreadable:
        """Return why the process ended before it had said all."""
        try:
            async with asyncio.timeout(_REPORT_SECONDS_MAX):
                loop = asyncio.get_running_loop()
                report = await loop.sock_recv(self._report, _EXIT_CODE_BYTES_MAX)
        except (TimeoutError, ConnectionError):
            report = b""
        return _explained(int(report)) if report else _was_stopped("")


async def _receive(source: socket.socket, count: int) -> bytearray:
    """Return exactly so many bytes. Raises EOFError when there are fewer."""
    loop = asyncio.get_running_loop()
    received = bytearray(count)
    rest = memoryview(received)
    while rest:
        size = await loop.sock_recv_into(source, rest)
        if size == 0:
            raise EOFError
        rest = rest[size:]
    return received


def _explained(exit_code: int) -> Unreadable:
    """Return why a process ended like this before it had said all."""
    detail = f"exit code {exit_code}"
    if exit_code == -signal.SIGXCPU:
        return _took_too_long(detail)
    if exit_code == -signal.SIGKILL:
        # None of its limits kills: the machine had no memory left, which others may have taken.
        return _was_stopped(detail)
    return _broke_off(detail)


def _was_stopped(detail: str) -> Unreadable:
    return Unreadable("server_error", "The process that read the file was stopped.", detail)


def _took_too_long(detail: str = "") -> Unreadable:
    return invalid("it takes too long.", detail)


def _broke_off(detail: str) -> Unreadable:
    return invalid("it is damaged or needs too much memory.", detail)
