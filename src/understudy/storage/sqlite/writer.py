"""One thread that writes, and groups what arrives together into one commit.

SQLite has one writer at a time, and a commit costs far more than the statements in it. So the
writes of concurrent requests are queued, run one after the other inside one transaction, and
their callers are woken together after the commit. A write that refuses (a busy thread, a taken
key) fails alone: it promises to have written nothing. If anything else goes wrong, the group is
rolled back and its members are tried one by one, so that nobody fails for somebody else.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from understudy.errors import Unavailable, UnderstudyError

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]
GROUP_MAX = 256


class _Submitted:
    """A job with the future of its caller."""

    __slots__ = ("error", "future", "job", "result")

    def __init__(self, job: Job, future: asyncio.Future[Any]) -> None:
        self.job = job
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None

    def settle(self) -> None:
        if self.future.done():  # its caller has gone away
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupWriter:
    """Runs jobs on its own connection, in its own thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[_Submitted | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Queue the job and return a future that is done after the commit.

        Raises (through the future) what the job refused with, or Unavailable when the database
        could not be written; Unavailable at once after ``close``.
        """
        if self._closed:
            raise Unavailable("The server is stopping.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Submitted(job, future))
        return future

    def close(self) -> None:
        """Finish what is queued, then stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while True:
            group, stop = self._next_group()
            if group:
                self._run(group)
                _settle(group)
            if stop:
                return

    def _next_group(self) -> tuple[list[_Submitted], bool]:
        """Wait for one job and take whatever else is there already."""
        group: list[_Submitted] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if self._queue.empty() or len(group) == GROUP_MAX:
                return group, False
            item = self._queue.get()
        return group, True

    def _run(self, group: list[_Submitted]) -> None:
        if self._run_together(group) or len(group) == 1:
            return
        for one in group:
            one.error = None
            self._run_together([one])

    def _run_together(self, group: list[_Submitted]) -> bool:
        """Return whether the group was committed; otherwise its members carry the error."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for one in group:
                self._run_one(one)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - it is handed to the callers
            self._roll_back()
            for one in group:
                one.error = _translated(error)
            return False
        return True

    def _run_one(self, one: _Submitted) -> None:
        try:
            one.result = one.job(self._connection)
        except UnderstudyError as refusal:
            one.error = refusal

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _translated(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    unavailable = Unavailable(f"The database cannot be written: {error}.")
    unavailable.__cause__ = error
    return unavailable


def _settle(group: list[_Submitted]) -> None:
    """Wake all callers with one message to their event loop."""
    loop = group[0].future.get_loop()

    def settle_all() -> None:
        for one in group:
            one.settle()

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle_all)
