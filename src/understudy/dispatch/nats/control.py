"""News of the moment for all processes: orders to look at a run, files that wait."""

import asyncio
from collections.abc import Callable

import nats.errors
import structlog
from nats.aio.msg import Msg

from understudy.dispatch.nats.connection import Connection
from understudy.dispatch.nats.subjects import Subjects

log = structlog.get_logger("understudy.dispatch")


class Control:
    """Tells all processes, this one too; without NATS at least this one."""

    def __init__(self, connection: Connection, subjects: Subjects) -> None:
        self._connection = connection
        self._subjects = subjects
        self._handlers: list[Callable[[str], None]] = []
        self._entries = asyncio.Event()

    async def open(self) -> None:
        """Listen."""
        await self._connection.listen(self._subjects.interrupts, self._hear_interrupt)
        await self._connection.listen(self._subjects.entries, self._hear_entries)

    def on_interrupt(self, handler: Callable[[str], None]) -> None:
        """Call the handler with the id of every run that is interrupted."""
        self._handlers.append(handler)

    async def interrupt(self, run_id: str) -> None:
        """Tell whoever works on the run, or listens to it, to look at its rows at once."""
        if not await self._tell(self._subjects.interrupts, run_id.encode()):
            self._interrupt(run_id)

    async def announce_entries(self) -> None:
        """Tell all who ingest files that some wait."""
        if not await self._tell(self._subjects.entries, b""):
            self._entries.set()

    async def entries_announced(self) -> None:
        """Wait for an announcement, or take one that was made meanwhile."""
        await self._entries.wait()
        self._entries.clear()

    def begin_again(self) -> None:
        """Something may have been announced while NATS was away."""
        self._entries.set()

    async def _tell(self, subject: str, content: bytes) -> bool:
        if not self._connection.is_up:
            return False
        try:
            await self._connection.client.publish(subject, content)
        except (nats.errors.Error, OSError) as error:
            log.warning("not_told", subject=subject, cause=str(error))
            return False
        return True

    async def _hear_interrupt(self, message: Msg) -> None:
        self._interrupt(message.data.decode())

    async def _hear_entries(self, _: Msg) -> None:
        self._entries.set()

    def _interrupt(self, run_id: str) -> None:
        for handler in self._handlers:
            handler(run_id)
