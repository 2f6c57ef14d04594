"""The writer thread of SQLite: commits in groups, failures one by one."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from understudy.errors import Unavailable, UnderstudyError
from understudy.storage.sqlite.database import connect
from understudy.storage.sqlite.writer import GROUP_MAX, GroupWriter


class No(UnderstudyError):
    """A refusal."""


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """Give a database with one table of unique numbers."""
    path = tmp_path / "numbers.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER UNIQUE, filler BLOB)")
    connection.close()
    return path


@pytest.fixture
async def writer(database: Path) -> AsyncIterator[GroupWriter]:
    """Give a writer on it."""
    writer = GroupWriter(connect(database, "NORMAL"))
    try:
        yield writer
    finally:
        writer.close()


def add(connection: sqlite3.Connection, number: int, size: int = 0) -> int:
    connection.execute("INSERT INTO numbers VALUES (?, zeroblob(?))", (number, size))
    return number


def refuse(_: sqlite3.Connection) -> None:
    raise No


def break_down(_: sqlite3.Connection) -> None:
    raise ZeroDivisionError


def numbers(database: Path) -> list[int]:
    """Return what another connection sees, so only what is committed."""
    connection = sqlite3.connect(database)
    try:
        return [n for (n,) in connection.execute("SELECT n FROM numbers ORDER BY n")]
    finally:
        connection.close()


class Held:
    """Keeps the writer busy, so that whatever is submitted meanwhile is one group."""

    def __init__(self, writer: GroupWriter) -> None:
        self._go = threading.Event()
        self._held = writer.submit(lambda _: self._go.wait(30))

    async def release(self) -> None:
        self._go.set()
        await self._held


async def test_a_write_is_committed_when_its_caller_is_told(
    writer: GroupWriter, database: Path
) -> None:
    assert await writer.submit(partial(add, number=1)) == 1
    assert numbers(database) == [1]


async def test_what_arrives_together_is_committed_together(
    writer: GroupWriter, database: Path
) -> None:
    """The first of the group sees no commit before the last."""
    held = Held(writer)
    seen: list[list[int]] = []
    jobs = [writer.submit(partial(add, number=n)) for n in range(10)]
    looking = writer.submit(lambda _: seen.append(numbers(database)))
    await held.release()
    await asyncio.gather(looking, *jobs)
    assert seen == [[]]
    assert numbers(database) == list(range(10))


async def test_a_refusal_fails_alone(writer: GroupWriter, database: Path) -> None:
    held = Held(writer)
    jobs: list[asyncio.Future[Any]] = [
        writer.submit(partial(add, number=1)),
        writer.submit(refuse),
        writer.submit(partial(add, number=2)),
    ]
    await held.release()
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, No, int]
    assert numbers(database) == [1, 2]


async def test_a_job_that_breaks_its_group_fails_alone(writer: GroupWriter, database: Path) -> None:
    """A bug or a constraint in one request is nobody else's."""
    held = Held(writer)
    jobs: list[asyncio.Future[Any]] = [
        writer.submit(partial(add, number=1)),
        writer.submit(partial(add, number=1)),
        writer.submit(break_down),
        writer.submit(refuse),
        writer.submit(partial(add, number=2)),
    ]
    await held.release()
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(one) for one in outcomes] == [int, Unavailable, ZeroDivisionError, No, int]
    assert isinstance(outcomes[1], Unavailable)
    assert isinstance(outcomes[1].__cause__, sqlite3.IntegrityError)
    assert numbers(database) == [1, 2]


async def test_a_job_that_breaks_leaves_nothing_of_itself(
    writer: GroupWriter, database: Path
) -> None:
    def half(connection: sqlite3.Connection) -> None:
        add(connection, 7)
        break_down(connection)

    with pytest.raises(ZeroDivisionError):
        await writer.submit(half)
    assert numbers(database) == []


async def test_many_writers_are_all_served(writer: GroupWriter, database: Path) -> None:
    """More than a group holds; results go to whom they belong."""
    count = 4 * GROUP_MAX
    jobs = [writer.submit(partial(add, number=n)) for n in range(count)]
    assert await asyncio.gather(*jobs) == list(range(count))
    assert numbers(database) == list(range(count))


async def test_a_caller_that_went_away_stops_nobody(writer: GroupWriter, database: Path) -> None:
    held = Held(writer)
    gone = writer.submit(partial(add, number=1))
    staying = writer.submit(partial(add, number=2))
    gone.cancel()
    await held.release()
    assert await staying == 2
    assert numbers(database) == [1, 2]


async def test_a_full_disk_fails_what_does_not_fit_and_is_overcome(
    writer: GroupWriter, database: Path
) -> None:
    """Unavailable says why; a small write still fits; with room again all is well."""
    pages = await writer.submit(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await writer.submit(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 1}"))
    held = Held(writer)
    jobs = [
        writer.submit(partial(add, number=1)),
        writer.submit(partial(add, number=2, size=1_000_000)),
        writer.submit(partial(add, number=3)),
    ]
    await held.release()
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, Unavailable, int]
    assert "full" in str(outcomes[1])
    assert numbers(database) == [1, 3]
    await writer.submit(lambda c: c.execute("PRAGMA max_page_count = 100000"))
    await writer.submit(partial(add, number=2, size=1_000_000))
    assert numbers(database) == [1, 2, 3]


async def test_a_locked_file_fails_the_write_and_not_the_writer(
    writer: GroupWriter, database: Path
) -> None:
    """Another process holds the file for longer than anybody waits."""
    await writer.submit(lambda c: c.execute("PRAGMA busy_timeout = 1"))
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await writer.submit(partial(add, number=1))
    other.execute("ROLLBACK")
    other.close()
    assert await writer.submit(partial(add, number=1)) == 1


async def test_closing_finishes_what_was_submitted(database: Path) -> None:
    writer = GroupWriter(connect(database, "NORMAL"))
    jobs = [writer.submit(partial(add, number=n)) for n in range(100)]
    await asyncio.to_thread(writer.close)
    await asyncio.gather(*jobs)
    assert len(numbers(database)) == 100


async def test_a_write_that_comes_after_the_end_is_refused(database: Path) -> None:
    """A request during shutdown is answered; it does not wait for ever."""
    writer = GroupWriter(connect(database, "NORMAL"))
    writer.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(writer.submit(partial(add, number=1)), 5)
