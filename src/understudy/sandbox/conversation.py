"""What a client and a runner say to each other, the same on a unix socket and over HTTP.

One connection holds at most one session. The client sends an ORDER (JSON with ``do``) or a CELL
(code) and the runner answers each with frames that end in ANSWER, or in REFUSAL with the reason:

    acquire key owner      ANSWER fresh
    CELL                   STDOUT STDERR RESULT TRACEBACK PNG JPEG ... ANSWER status reason
    interrupt grace        nothing of its own; may come while a cell runs
    put name               then PIECE ... END from the client; ANSWER size
    link name target       ANSWER; a file that was put has a second name
    absent names           ANSWER gone unfit: which are not there, which had no room
    get path bytes_max     PIECE ... ANSWER
    files / changed        ANSWER files
    end                    ANSWER; the session is over
    forget key names       ANSWER; that session is over, or only loses the files that are named
    report / probe         ANSWER, the runner's state; no session needed

A connection that breaks off interrupts its cell and lets the session go; the session stays.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from understudy.sandbox.cell import CellEnd
from understudy.sandbox.data_folder import FileSeen
from understudy.sandbox.frame_reading import Malformed, read_frame
from understudy.sandbox.frames import Kind, pack
from understudy.sandbox.live_session import LiveSession
from understudy.sandbox.refusal import CannotIsolate
from understudy.sandbox.runner import Full, Runner

ORDER_BYTES_MAX = 1 << 20
_log = logging.getLogger(__name__)
KEY_CHARACTERS_MAX = 512


class Conversation:
    """One client's connection."""

    def __init__(
        self, runner: Runner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._runner = runner
        self._reader = reader
        self._writer = writer
        self._key = ""
        self._session: LiveSession | None = None
        self._running: asyncio.Task[None] | None = None
        self._in_cell = False
        # One object, so that the runner can tell this holder from another.
        self._let_go: Callable[[], None] = self._give_way

    async def hold(self) -> None:
        """Answer until the client goes away."""
        bytes_max = max(ORDER_BYTES_MAX, self._runner.settings.limits.code_bytes)
        try:
            with contextlib.suppress(EOFError, Malformed, ConnectionError):
                while True:
                    kind, body = await read_frame(self._reader, bytes_max)
                    await self._take(kind, body)
        finally:
            await self._leave()

    async def _take(self, kind: Kind, body: bytes) -> None:
        order = _order(kind, body)
        if order.get("do") == "interrupt":
            grace = order.get("grace_seconds")
            if self._session:
                self._session.interrupt(float(grace) if isinstance(grace, int | float) else None)
            return
        if self._in_cell:
            raise Malformed("an order amid a cell")
        if self._running:
            await self._running
        if kind is Kind.CELL:
            self._in_cell = True
            self._running = asyncio.create_task(self._guarded(self._run(body)))
        else:
            await self._guarded(self._obey(order))

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Turn what went wrong into a refusal that the client can read."""
        try:
            await work
        except CannotIsolate as cannot:
            await self._refuse("isolation", str(cannot), **cannot.refusal.to_plain())
        except Full as full:
            await self._refuse("full", str(full))
        except ConnectionError:
            raise
        except OSError as error:
            await self._refuse("file", str(error))
        except Malformed:
            raise
        except Exception as error:  # noqa: BLE001
            # A client must not wait for ever for an answer that a fault of ours has swallowed.
            _log.exception("a fault of the runner")
            await self._refuse("fault", f"a fault of the sandbox runner: {type(error).__name__}")

    async def _obey(self, order: dict[str, Any]) -> None:
        match order:
            case {"do": "acquire", "key": str(key)} if 0 < len(key) <= KEY_CHARACTERS_MAX:
                await self._acquire(key, str(order.get("owner", ""))[:KEY_CHARACTERS_MAX])
            case {"do": "forget", "key": str(key), "names": [*names]}:
                await self._runner.forget_files(key, [str(name) for name in names])
                await self._answer()
            case {"do": "forget", "key": str(key)}:
                self._runner.forget(key)
                await self._answer()
            case {"do": "end"}:
                self._runner.end(self._key, self._held())
                self._session = None
                await self._answer()
            case {"do": "report"}:
                await self._answer(**self._runner.report())
            case {"do": "probe"}:
                await self._runner.probe()
                await self._answer(**self._runner.report())
            case _:
                await self._obey_about_files(order)

    async def _obey_about_files(self, order: dict[str, Any]) -> None:
        match order:
            case {"do": "put", "name": str(name)}:
                await self._put(name)
            case {"do": "link", "name": str(name), "target": str(target)}:
                await self._held().data.link(name, target)
                await self._answer()
            case {"do": "absent", "names": [*names]}:
                gone, unfit = await self._held().data.absent([str(name) for name in names])
                await self._answer(gone=gone, unfit=unfit)
            case {"do": "get", "path": str(path), "bytes_max": int(bytes_max)}:
                async for piece in self._held().data.read(path, bytes_max):
                    self._writer.write(pack(Kind.PIECE, piece))
                    await self._writer.drain()
                await self._answer()
            case {"do": "files"}:
                await self._answer(files=_plain(await self._held().data.files()))
            case {"do": "changed"}:
                await self._answer(files=_plain(await self._held().data.changed()))
            case _:
                raise Malformed("no such order")

    async def _acquire(self, key: str, owner: str) -> None:
        self._release()
        self._session, fresh = await self._runner.acquire(key, self._let_go, owner)
        self._key = key
        await self._answer(fresh=fresh)

    async def _run(self, code: bytes) -> None:
        session = self._held()
        if len(code) > self._runner.settings.limits.code_bytes:
            raise OSError(7, "the code is too long")
        outputs = session.run(code.decode("utf-8", "replace"))
        async with contextlib.aclosing(outputs):
            async for item in outputs:
                if isinstance(item, CellEnd):
                    await self._answer(
                        status=item.status, reason=item.reason, truncated=item.truncated
                    )
                else:
                    self._writer.write(pack(*item))
                    await self._writer.drain()

    async def _put(self, name: str) -> None:
        """Take all pieces even when the file cannot be stored, to stay in step with the client."""
        pieces = self._pieces()
        try:
            size = await self._held().data.write(name, pieces)
        except OSError:
            async for _ in pieces:
                pass
            raise
        await self._answer(size=size)

    async def _pieces(self) -> AsyncGenerator[bytes]:
        while True:
            kind, body = await read_frame(self._reader, ORDER_BYTES_MAX)
            if kind is not Kind.PIECE:
                return
            yield body

    def _held(self) -> LiveSession:
        if self._session is None:
            raise OSError(9, "no session is held")
        return self._session

    def _give_way(self) -> None:
        """Let somebody else have the session: this connection is over."""
        if self._session:
            self._session.interrupt()
        self._session = None
        self._writer.close()

    def _release(self) -> None:
        if self._session:
            self._runner.release(self._key, self._let_go)
            self._session = None

    async def _leave(self) -> None:
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._release()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _answer(self, **facts: Any) -> None:
        self._in_cell = False
        self._writer.write(pack(Kind.ANSWER, json.dumps(facts).encode()))
        await self._writer.drain()

    async def _refuse(self, code: str, message: str, **facts: Any) -> None:
        self._in_cell = False
        refusal = {"code": code, "message": message, **facts}
        self._writer.write(pack(Kind.REFUSAL, json.dumps(refusal).encode()))
        await self._writer.drain()


def _order(kind: Kind, body: bytes) -> dict[str, Any]:
    if kind is Kind.CELL:
        return {}
    if kind is not Kind.ORDER:
        raise Malformed("no order")
    try:
        order = json.loads(body)
    except ValueError as error:
        raise Malformed("no JSON") from error
    return order if isinstance(order, dict) else {}


def _plain(files: list[FileSeen]) -> list[dict[str, Any]]:
    return [{"path": file.path, "size": file.size} for file in files]
