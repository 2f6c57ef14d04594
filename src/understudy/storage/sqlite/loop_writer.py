"""Writes on the event loop: for commits that do not wait for the disk (synchronous = NORMAL).

Such a commit appends to the write-ahead log, which takes less time than waking another thread and
being woken by it: in a virtual machine each of the two can take half a millisecond. Everything
that is submitted in one turn of the loop is one group. What does wait for the disk, copying the
log back into the database, runs in a thread of its own beside this (``_Checkpoints``).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from understudy.errors import Unavailable
from understudy.storage.sqlite.groups import Submitted, run_group, translated

T = TypeVar("T")
CHECKPOINT_EVERY_COMMITS = 500
# Another process may hold the database for a moment (``understudy keys``): look again soon, but
# do not stop the loop for it.
BUSY_PAUSE_SECONDS = 0.005
RESTART_TRIES = 4


class LoopWriter:
    """Commits what was submitted in one turn of the event loop at the end of that turn."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, busy_seconds: float) -> None:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection = connection
        self._busy_seconds = busy_seconds
        self._checkpoints = _Checkpoints(path)
        self._submitted: list[Submitted] = []
        self._busy_since: float | None = None
        self._closed = False

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Queue the job for the end of this turn."""
        if self._closed:
            raise Unavailable("The server is stopping.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._submitted:
            loop.call_soon(self._commit)
        self._submitted.append(Submitted(job, future))
        return future

    async def close(self) -> None:
        """Finish what is queued, copy the log back, and close."""
        self._closed = True
        if self._submitted:
            # Behind all others in their group; nobody else can cancel it.
            last = Submitted(lambda _: None, asyncio.get_running_loop().create_future())
            self._submitted.append(last)
            await asyncio.wait([last.future])
        await self._checkpoints.close()
        self._connection.close()

    def _commit(self) -> None:
        if self._checkpoints.wants_silence:
            asyncio.get_running_loop().call_later(BUSY_PAUSE_SECONDS, self._commit)
            return
        group = self._submitted
        try:
            run_group(self._connection, group)
        except sqlite3.Error as error:
            if self._may_wait(error):
                asyncio.get_running_loop().call_later(BUSY_PAUSE_SECONDS, self._commit)
                return
            for one in group:
                one.error = translated(error)
        self._busy_since = None
        self._submitted = []
        for one in group:
            one.settle()
        self._checkpoints.committed()

    def _may_wait(self, error: sqlite3.Error) -> bool:
        """Return whether the database is only busy, and has not been for too long."""
        primary_code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # BUSY has several kinds
        if primary_code != sqlite3.SQLITE_BUSY:
            return False
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        return now - self._busy_since < self._busy_seconds


class _Checkpoints:
    """Copies the log back into the database now and then, in another thread."""

    def __init__(self, path: Path) -> None:
        # Set while the log is about to begin anew: no write may come in between.
        self.wants_silence = False
        self._path = path
        self._commits = 0
        self._running: asyncio.Future[None] | None = None

    def committed(self) -> None:
        """Count a commit, and start copying when there is enough to copy."""
        self._commits += 1
        if self._commits >= CHECKPOINT_EVERY_COMMITS and self._running is None:
            self._commits = 0
            loop = asyncio.get_running_loop()
            self._running = loop.run_in_executor(None, self._copy)
            self._running.add_done_callback(self._copied)

    async def close(self) -> None:
        """Wait for what is running. The last connection that closes copies the rest."""
        if self._running is not None:
            await asyncio.wait([self._running])

    def _copy(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        try:
            # Most of it while writes go on; then the rest, for which writes pause a moment, so
            # that the log begins anew instead of growing for ever.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self.wants_silence = True
            _begin_log_anew(connection)
        finally:
            self.wants_silence = False
            connection.close()

    def _copied(self, future: asyncio.Future[None]) -> None:
        self._running = None
        # A full disk shows in the next commit, too, and is told there.
        future.exception()


def _begin_log_anew(connection: sqlite3.Connection) -> None:
    """Copy the rest of the log. Whoever reads for long is not waited for: next time, then."""
    for _ in range(RESTART_TRIES):
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        if not busy:
            return
        time.sleep(BUSY_PAUSE_SECONDS)
