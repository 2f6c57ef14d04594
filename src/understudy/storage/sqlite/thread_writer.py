"""Writes in a thread: for commits that wait for the disk (synchronous = FULL)."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar

from understudy.errors import Unavailable
from understudy.storage.sqlite.groups import Submitted, run_group, translated

T = TypeVar("T")
GROUP_MAX = 256


class ThreadWriter:
    """Takes whatever has been submitted while the last commit was waiting, as the next group."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[Submitted | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Queue the job for the thread."""
        if self._closed:
            raise Unavailable("The server is stopping.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(Submitted(job, future))
        return future

    async def close(self) -> None:
        """Finish what is queued, then stop the thread."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _work(self) -> None:
        while True:
            group, stop = self._next_group()
            if group:
                self._commit(group)
                _settle(group)
            if stop:
                return

    def _next_group(self) -> tuple[list[Submitted], bool]:
        """Wait for one job and take whatever else is there already."""
        group: list[Submitted] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if self._queue.empty() or len(group) == GROUP_MAX:
                return group, False
            item = self._queue.get()
        return group, True

    def _commit(self, group: Sequence[Submitted]) -> None:
        try:
            run_group(self._connection, group)
        except sqlite3.Error as error:
            for one in group:
                one.error = translated(error)


def _settle(group: Sequence[Submitted]) -> None:
    """Wake all callers with one message to their event loop."""
    loop = group[0].future.get_loop()

    def settle_all() -> None:
        for one in group:
            one.settle()

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle_all)
