"""The zygote as the server sees it: a process that is there when a request is to be sent."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress

import structlog

from understudy.retrieval.document import Unreadable
from understudy.retrieval.reading import landlock
from understudy.retrieval.reading.frames import Request, encode_request

_CLOSE_SECONDS_MAX = 5
_ATTEMPTS = 2
# What an interpreter needs to find its libraries; keys and settings of the server stay with it.
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "TMPDIR")
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Libraries that would start threads, which do not survive a fork.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
}

log = structlog.get_logger("understudy.retrieval")


class Nursery:
    """Starts the zygote when it is needed, and again when it has died."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._control: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._warned = False

    async def send(self, request: Request, ends: Sequence[socket.socket]) -> None:
        """Have a child forked for the request, which gets these ends; they are closed here."""
        message = encode_request(request)
        try:
            async with self._starting:
                await self._send(message, [end.fileno() for end in ends])
        except OSError as error:
            raise Unreadable("server_error", "No process could be started for the file.") from error
        finally:
            for end in ends:
                end.close()

    async def _send(self, message: bytes, descriptors: list[int]) -> None:
        for attempt in range(_ATTEMPTS):
            control = await self._running()
            try:
                _send_all(control, message, descriptors)
            except (BrokenPipeError, ConnectionResetError):
                await self._end()
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    async def _running(self) -> socket.socket:
        if self._control is None or self._process is None or self._process.returncode is not None:
            await self._end()
            self._warn_once()
            self._control, theirs = socket.socketpair()
            self._control.settimeout(0)
            with theirs:
                self._process = await _start(theirs)
        return self._control

    def _warn_once(self) -> None:
        if not self._warned and landlock.version() == 0:
            log.info("reading_without_landlock")
        self._warned = True

    async def close(self) -> None:
        """End the zygote, and with it its children."""
        async with self._starting:
            await self._end()

    async def _end(self) -> None:
        control, self._control = self._control, None
        process, self._process = self._process, None
        if control is not None:
            control.close()
        if process is not None:
            await _ended(process)


async def _start(control: socket.socket) -> Process:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "understudy.retrieval.reading", str(control.fileno())),
        stdin=DEVNULL,
        stdout=DEVNULL,
        env=_ENVIRONMENT | kept,
        pass_fds=(control.fileno(),),
        start_new_session=True,
    )


async def _ended(process: Process) -> None:
    """Wait until a process that was told to end has done so; kill it when it does not."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _send_all(control: socket.socket, message: bytes, descriptors: list[int]) -> None:
    """Send one message, whole; there is room for many more than are read at the same time."""
    if socket.send_fds(control, [message], descriptors) != len(message):
        raise BlockingIOError
