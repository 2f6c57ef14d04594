"""The sandbox as the rest of the server uses it: sessions by key, on one runner or on many."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from understudy.sandbox import http_door
from understudy.sandbox.frame_reading import Malformed, read_frame
from understudy.sandbox.frames import Kind, pack
from understudy.sandbox.outputs import (
    AbsentFiles,
    CellEnded,
    ImageOutput,
    ImageType,
    Output,
    ProducedFile,
    TextOutput,
    TextSource,
)

FRAME_BYTES_MAX = 64 << 20
PIECE_BYTES = 1 << 18
CONNECT_SECONDS_MAX = 10.0
ORDER_SECONDS_MAX = 60.0
CLOSE_SECONDS_MAX = 1.0
TEXTS: dict[Kind, TextSource] = {
    Kind.STDOUT: "stdout",
    Kind.STDERR: "stderr",
    Kind.RESULT: "result",
    Kind.TRACEBACK: "traceback",
}
IMAGES: dict[Kind, ImageType] = {Kind.PNG: "png", Kind.JPEG: "jpeg"}


class SandboxError(Exception):
    """Something about the sandbox; the message may be shown to the owner of the server.

    SandboxError
      SandboxUnavailable   no runner answers, or the connection broke off
      SandboxRefused       the runner's host cannot isolate: stage, errno, remedy
      SandboxFull          all sessions are in use
      FileRefused          a file is not there, is no plain file, or does not fit
    """


class SandboxUnavailable(SandboxError):
    """No runner answers, or the connection broke off."""


class SandboxFull(SandboxError):
    """All sessions of the runner are in use."""


class FileRefused(SandboxError):
    """A file is not there, is no plain file, or does not fit."""


class SandboxRefused(SandboxError):
    """The runner's host cannot isolate. The message names stage, errno and remedy."""

    def __init__(self, message: str, stage: str, errno: int, remedy: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.errno = errno
        self.remedy = remedy


class Sandbox:
    """Runners at addresses such as ``unix:/run/sandbox.sock`` and ``http://host:8470``.

    With several, each key has its own, the same for all who know the same addresses; when that one
    does not answer, or is full, the key goes to another, where its session is a new one.
    """

    def __init__(self, addresses: Sequence[str], secret: str = "") -> None:
        if not addresses:
            raise ValueError("a sandbox needs a runner")
        self._addresses = tuple(addresses)
        self._secret = secret

    async def acquire(self, key: str, owner: str = "") -> tuple["Session", bool]:
        """Return the session of the key, and whether it is a new one without any state.

        Whoever held it before loses it. Where all sessions are taken, idle ones of the ``owner``
        who has most make room. Raises SandboxError.
        """
        trouble: SandboxError | None = None
        for address in _ranked(self._addresses, key):
            try:
                line = await _Line.open(address, self._secret)
            except SandboxUnavailable as unavailable:
                trouble = unavailable
                continue
            try:
                answer = await line.ask(do="acquire", key=key, owner=owner)
            except SandboxError as error:
                line.close()
                trouble = error
                continue
            except BaseException:
                line.close()
                raise
            return Session(line), answer["fresh"]
        assert trouble
        raise trouble

    async def forget(self, key: str) -> None:
        """End the session of the key, wherever it is. Raises SandboxError, of one after all."""
        await self._ask_all(do="forget", key=key)

    async def forget_files(self, key: str, names: Sequence[str]) -> None:
        """Remove files that were put, with their second names. Raises SandboxError likewise."""
        await self._ask_all(do="forget", key=key, names=[*names])

    async def report(self, *, probe: bool = False) -> list[dict[str, Any]]:
        """Return what each runner says of itself, after a new self-test if asked for."""
        asked = (self._report(address, probe=probe) for address in self._addresses)
        return list(await asyncio.gather(*asked))

    async def _ask_all(self, **order: Any) -> None:
        asked = (self._ask(one, **order) for one in self._addresses)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    async def _report(self, address: str, *, probe: bool) -> dict[str, Any]:
        try:
            told = await self._ask(address, do="probe" if probe else "report")
            return {"address": address} | told
        except SandboxError as trouble:
            return {"address": address, "ok": False, "unavailable": str(trouble)}

    async def _ask(self, address: str, **order: Any) -> dict[str, Any]:
        line = await _Line.open(address, self._secret)
        try:
            return await line.ask(**order)
        finally:
            line.close()


class Session:
    """A stateful Python session that this process holds until it lets go.

    One thing at a time; only ``interrupt`` may come while a cell runs.
    """

    def __init__(self, line: "_Line") -> None:
        self._line = line

    async def run(self, code: str) -> AsyncGenerator[Output]:
        """Run a cell and yield its outputs as they come; the last one is a CellEnded.

        Whoever stops listening early has lost the session: the connection is closed, which
        interrupts the cell. Raises SandboxUnavailable.
        """
        self._line.write(Kind.CELL, code.encode("utf-8", "replace"))
        over = False
        try:
            while not over:
                output = _output(*await self._line.frame())
                over = isinstance(output, CellEnded)
                yield output
        finally:
            if not over:
                self._line.close()

    async def interrupt(self, grace_seconds: float | None = None) -> None:
        """Interrupt the running cell; past the grace (the runner's, if none is given) it is killed.

        The iterator of ``run`` then ends with ``interrupted`` or ``died``.
        """
        self._line.order(do="interrupt", grace_seconds=grace_seconds)
        await self._line.drain()

    async def put_file(self, name: str, pieces: AsyncIterable[bytes] | bytes) -> int:
        """Store a file directly in /mnt/data and return its size. Raises FileRefused."""
        self._line.order(do="put", name=name)
        try:
            async for piece in _pieces(pieces):
                self._line.write(Kind.PIECE, piece)
                await self._line.drain()
        except BaseException:
            # Half a file: the session is let go, for the runner waits for the rest.
            self._line.close()
            raise
        self._line.write(Kind.END, b"")
        answer = await self._line.answer()
        return int(answer["size"])

    async def link_file(self, name: str, target: str) -> None:
        """Give a file that was put a second name. Raises FileRefused."""
        await self._line.ask(do="link", name=name, target=target)

    async def absent_files(self, names: Sequence[str]) -> AbsentFiles:
        """Return which of these files are not in /mnt/data."""
        answer = await self._line.ask(do="absent", names=[*names])
        return AbsentFiles(frozenset(answer["gone"]), frozenset(answer["unfit"]))

    async def get_file(self, path: str, bytes_max: int) -> AsyncGenerator[bytes]:
        """Yield a file below /mnt/data, at most so many bytes. Raises FileRefused."""
        self._line.order(do="get", path=path, bytes_max=bytes_max)
        while True:
            kind, body = await self._line.frame()
            if kind is not Kind.PIECE:
                return
            yield body

    async def files(self) -> list[ProducedFile]:
        """Return the plain files below /mnt/data."""
        return _files(await self._line.ask(do="files"))

    async def changed_files(self) -> list[ProducedFile]:
        """Return those that cells have made or changed since this was last asked."""
        return _files(await self._line.ask(do="changed"))

    async def end(self) -> None:
        """End the session for good; its state and files are lost."""
        with contextlib.suppress(SandboxUnavailable):
            await self._line.ask(do="end")
        await self.release()

    async def release(self) -> None:
        """Let go of the session; it keeps its state until it has been idle for long."""
        self._line.close()
        await self._line.wait_closed()


class _Line:
    """A connection to a runner."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: str, secret: str) -> "_Line":
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                return await cls._open(address, secret)
        except (OSError, TimeoutError) as error:
            raise SandboxUnavailable(f"No sandbox runner at {address}: {error}.") from error

    @classmethod
    async def _open(cls, address: str, secret: str) -> "_Line":
        parts = urlsplit(address)
        if parts.scheme == "unix":
            return cls(*await asyncio.open_unix_connection(parts.path))
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
        http_door.notice_lost_peer(writer)
        writer.write(http_door.request(parts.netloc, secret))
        head = await http_door.read_head(reader)
        if head is None or not head.first.startswith("HTTP/1.1 101"):
            writer.close()
            answer = head.first if head else "nothing that is HTTP"
            raise SandboxUnavailable(f"The sandbox runner at {address} answered {answer!r}.")
        return cls(reader, writer)

    def order(self, **order: Any) -> None:
        self.write(Kind.ORDER, json.dumps(order).encode())

    def write(self, kind: Kind, body: bytes) -> None:
        self._writer.write(pack(kind, body))

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError as error:
            raise SandboxUnavailable("The sandbox runner broke off.") from error

    async def ask(self, **order: Any) -> dict[str, Any]:
        self.order(**order)
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(ORDER_SECONDS_MAX):
                _, body = await self.frame()
        except TimeoutError as late:
            self.close()
            raise SandboxUnavailable("The sandbox runner does not answer.") from late
        answer: dict[str, Any] = json.loads(body)
        return answer

    async def frame(self) -> tuple[Kind, bytes]:
        """Return the next frame. Raises the error that a refusal stands for."""
        try:
            kind, body = await read_frame(self._reader, FRAME_BYTES_MAX)
        except (EOFError, Malformed, OSError) as error:
            self.close()
            raise SandboxUnavailable("The sandbox runner broke off.") from error
        if kind is Kind.REFUSAL:
            raise _refusal(json.loads(body))
        return kind, body

    def close(self) -> None:
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until what was written has gone, but not for a peer that does not read."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()
        except OSError:
            pass  # broken off is closed, too


def _ranked(addresses: Sequence[str], key: str) -> list[str]:
    """Return the addresses in this key's order of preference (rendezvous hashing)."""
    return sorted(addresses, key=lambda one: hashlib.sha256(f"{one}\0{key}".encode()).digest())


def _refusal(facts: dict[str, Any]) -> SandboxError:
    message = facts["message"]
    match facts["code"]:
        case "isolation":
            return SandboxRefused(message, facts["stage"], facts["errno"], facts["remedy"])
        case "full":
            return SandboxFull(message)
        case _:
            return FileRefused(message)


def _output(kind: Kind, body: bytes) -> Output:
    if kind is Kind.ANSWER:
        return CellEnded(**json.loads(body))
    if kind in IMAGES:
        return ImageOutput(IMAGES[kind], body)
    return TextOutput(TEXTS[kind], body.decode())


async def _pieces(data: AsyncIterable[bytes] | bytes) -> AsyncGenerator[bytes]:
    """Cut what is given to pieces that a frame can hold."""
    if isinstance(data, bytes):
        for start in range(0, len(data), PIECE_BYTES):
            yield data[start : start + PIECE_BYTES]
        return
    async for chunk in data:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


def _files(answer: dict[str, Any]) -> list[ProducedFile]:
    return [ProducedFile(file["path"], file["size"]) for file in answer["files"]]
