"""Groups of writes: what runs together inside one transaction.

SQLite has one writer at a time, and a commit costs far more than the statements in it. So the
writes of concurrent requests are collected, run one after the other inside one transaction, and
their callers are woken together after the commit. A write that refuses (a busy thread, a taken
key) fails alone: it promises to have written nothing. If anything else goes wrong, the group is
rolled back and its members are tried one by one, so that nobody fails for somebody else.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from understudy.errors import Unavailable, UnderstudyError

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]


class Writer(Protocol):
    """Commits jobs in groups."""

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Queue the job and return a future that is done after the commit.

        Raises (through the future) what the job refused with, or Unavailable when the database
        could not be written; Unavailable at once after ``close``.
        """
        ...

    async def close(self) -> None:
        """Finish what is queued, then close the connection."""
        ...


class Submitted:
    """A job with the future of its caller."""

    __slots__ = ("error", "future", "job", "result")

    def __init__(self, job: Job, future: asyncio.Future[Any]) -> None:
        self.job = job
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None

    def settle(self) -> None:
        """Wake the caller, unless it has gone away."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def run_group(connection: sqlite3.Connection, group: Sequence[Submitted]) -> None:
    """Commit the group, or its members one by one; each knows its result or error afterwards.

    Raises sqlite3.Error when the group cannot even begin, because another process holds the
    database or it is broken: nothing was tried then.
    """
    if connection.in_transaction:  # a rollback had failed
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    if _commit_together(connection, group) or len(group) == 1:
        return
    for one in group:
        _commit_alone(connection, one)


def _commit_alone(connection: sqlite3.Connection, one: Submitted) -> None:
    """Commit one job. Nothing is raised: the others of its group may be committed already."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        one.error = translated(error)
    else:
        _commit_together(connection, [one])


def _commit_together(connection: sqlite3.Connection, group: Sequence[Submitted]) -> bool:
    """Return whether the group was committed; otherwise its members carry the error."""
    try:
        for one in group:
            _run_one(connection, one)
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - it is handed to the callers
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # tried again before the next group
                connection.execute("ROLLBACK")
        for one in group:
            one.error = translated(error)
        return False
    return True


def _run_one(connection: sqlite3.Connection, one: Submitted) -> None:
    one.error = None
    try:
        one.result = one.job(connection)
    except UnderstudyError as refusal:
        one.error = refusal


def translated(error: Exception) -> Exception:
    """Return what callers are told of an error of the database."""
    if not isinstance(error, sqlite3.Error):
        return error
    unavailable = Unavailable(f"The database cannot be written: {error}.")
    unavailable.__cause__ = error
    return unavailable
