"""The three streams that come from a kernel, read without ever waiting for it or trusting it."""

import asyncio
import fcntl
import os
import socket
import sys
import termios
from collections.abc import Callable

from understudy.sandbox.frames import HEADER, Kind

READ_BYTES = 1 << 16
FROM_KERNEL = {Kind.DONE, Kind.RESULT, Kind.TRACEBACK, Kind.PNG, Kind.JPEG}


class TextPipe:
    """Standard output or standard error of a session; ``ready`` is called when there is some."""

    def __init__(
        self, descriptor: int, take: Callable[[bytes], None], ready: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._take = take
        self._ready = ready
        self._open = True
        asyncio.get_running_loop().add_reader(descriptor, self._on_readable)

    @property
    def waiting(self) -> int:
        """Return how many bytes there are to read now."""
        if not self._open:
            return 0
        count = fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(4))
        return int.from_bytes(count, sys.byteorder)

    def take(self, size: int) -> None:
        """Read so many bytes, or what of them is there."""
        while size and self._open:
            try:
                data = os.read(self._descriptor, size)
            except BlockingIOError:
                return
            if not data:
                self._stop()
                return
            size -= len(data)
            self._take(data)

    def close(self) -> None:
        """Stop reading."""
        self._stop()
        os.close(self._descriptor)

    def _on_readable(self) -> None:
        if self.waiting:
            self._ready()
        else:
            self.take(1)  # finds the end

    def _stop(self) -> None:
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._descriptor)


class FrameStream:
    """The socket on which cells go in and frames come out.

    ``ready`` is called when there is something to ``take``, and ``broken`` once when the
    kernel closes it or sends what is no frame. Descriptors that it attaches are never received.
    """

    def __init__(
        self,
        stream: socket.socket,
        body_bytes_max: int,
        take: Callable[[Kind, bytes], None],
        ready: Callable[[], None],
        broken: Callable[[], None],
    ) -> None:
        self._socket = stream
        self._body_bytes_max = body_bytes_max
        self._take = take
        self._broken = broken
        self._buffer = bytearray()
        self._open = True
        asyncio.get_running_loop().add_reader(stream, ready)

    async def send(self, frame: bytes) -> None:
        """Write a frame; a kernel that does not read holds up only its own cell."""
        await asyncio.get_running_loop().sock_sendall(self._socket, frame)

    def close(self) -> None:
        """Stop reading and writing."""
        self._stop()
        self._socket.close()

    def take(self) -> None:
        """Read what is there and pass on the frames that are whole."""
        if not self._open:
            return
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._break()
            return
        self._buffer += data
        self._split()

    def _split(self) -> None:
        while self._open and len(self._buffer) >= HEADER.size:
            length, kind = HEADER.unpack_from(self._buffer)
            if length > self._body_bytes_max or kind not in FROM_KERNEL:
                self._break()
                return
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            self._take(Kind(kind), body)

    def _break(self) -> None:
        if self._open:
            self._stop()
            self._broken()

    def _stop(self) -> None:
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._socket)
