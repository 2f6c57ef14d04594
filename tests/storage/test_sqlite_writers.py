"""The two writers of SQLite, in a thread and on the loop: groups commit, failures are alone."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from understudy.errors import Unavailable, UnderstudyError
from understudy.storage.sqlite.database import connect
from understudy.storage.sqlite.groups import Writer
from understudy.storage.sqlite.loop_writer import CHECKPOINT_EVERY_COMMITS, LoopWriter
from understudy.storage.sqlite.thread_writer import GROUP_MAX, ThreadWriter


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


BUSY_SECONDS = 0.05


def open_thread_writer(path: Path) -> Writer:
    return ThreadWriter(connect(path, "NORMAL"))


def open_loop_writer(path: Path) -> Writer:
    return LoopWriter(connect(path, "NORMAL"), path, busy_seconds=BUSY_SECONDS)


Opener = Callable[[Path], Writer]
OPENERS: dict[str, Opener] = {"thread": open_thread_writer, "loop": open_loop_writer}


@pytest.fixture(params=list(OPENERS.values()), ids=list(OPENERS))
def opener(request: pytest.FixtureRequest) -> Opener:
    """Give each way to write in turn."""
    chosen: Opener = request.param
    return chosen


@pytest.fixture
async def writer(database: Path, opener: Opener) -> AsyncIterator[Writer]:
    """Give a writer on it."""
    writer = opener(database)
    try:
        yield writer
    finally:
        await writer.close()


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
    """Keeps the thread busy, so that whatever is submitted meanwhile is one group.

    On the loop, what is submitted in one turn is one group anyway.
    """

    def __init__(self, writer: Writer) -> None:
        self._go = threading.Event()
        if isinstance(writer, LoopWriter):
            self._go.set()
        self._held = writer.submit(lambda _: self._go.wait(30))

    async def release(self) -> None:
        self._go.set()
        await self._held


async def test_a_write_is_committed_when_its_caller_is_told(writer: Writer, database: Path) -> None:
    assert await writer.submit(partial(add, number=1)) == 1
    assert numbers(database) == [1]


async def test_what_arrives_together_is_committed_together(writer: Writer, database: Path) -> None:
    """The first of the group sees no commit before the last."""
    held = Held(writer)
    seen: list[list[int]] = []
    jobs = [writer.submit(partial(add, number=n)) for n in range(10)]
    looking = writer.submit(lambda _: seen.append(numbers(database)))
    await held.release()
    await asyncio.gather(looking, *jobs)
    assert seen == [[]]
    assert numbers(database) == list(range(10))


async def test_a_refusal_fails_alone(writer: Writer, database: Path) -> None:
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


async def test_a_job_that_breaks_its_group_fails_alone(writer: Writer, database: Path) -> None:
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


async def test_a_job_that_breaks_leaves_nothing_of_itself(writer: Writer, database: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        add(connection, 7)
        break_down(connection)

    with pytest.raises(ZeroDivisionError):
        await writer.submit(half)
    assert numbers(database) == []


async def test_many_writers_are_all_served(writer: Writer, database: Path) -> None:
    """More than a group holds; results go to whom they belong."""
    count = 4 * GROUP_MAX
    jobs = [writer.submit(partial(add, number=n)) for n in range(count)]
    assert await asyncio.gather(*jobs) == list(range(count))
    assert numbers(database) == list(range(count))


async def test_a_caller_that_went_away_stops_nobody(writer: Writer, database: Path) -> None:
    held = Held(writer)
    gone = writer.submit(partial(add, number=1))
    staying = writer.submit(partial(add, number=2))
    gone.cancel()
    await held.release()
    assert await staying == 2
    assert numbers(database) == [1, 2]


async def test_a_full_disk_fails_what_does_not_fit_and_is_overcome(
    writer: Writer, database: Path
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
    writer: Writer, database: Path
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


async def test_a_locked_file_is_waited_for_while_the_loop_goes_on(database: Path) -> None:
    """``understudy keys`` may hold the file for a moment; streams flow meanwhile."""
    writer = LoopWriter(connect(database, "NORMAL"), database, busy_seconds=30)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    job = writer.submit(partial(add, number=1))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not job.done()
    other.execute("ROLLBACK")
    other.close()
    assert await asyncio.wait_for(job, 10) == 1
    await writer.close()


async def test_the_log_is_copied_back_now_and_then(database: Path) -> None:
    """Beside the loop, so that no commit waits for the disk; the log does not grow for ever."""
    writer = open_loop_writer(database)
    log = database.with_name(f"{database.name}-wal")
    sizes: list[int] = []
    for turn in range(6):
        for number in range(CHECKPOINT_EVERY_COMMITS - 1):
            await writer.submit(partial(add, number=turn * 1_000 + number))
        sizes.append(log.stat().st_size)
    await writer.close()
    assert sizes[-1] < 5 * sizes[0]


async def test_closing_finishes_what_was_submitted(database: Path, opener: Opener) -> None:
    writer = opener(database)
    jobs = [writer.submit(partial(add, number=n)) for n in range(100)]
    await writer.close()
    await asyncio.gather(*jobs)
    assert len(numbers(database)) == 100


async def test_a_write_that_comes_after_the_end_is_refused(database: Path, opener: Opener) -> None:
    """A request during shutdown is answered; it does not wait for ever."""
    writer = opener(database)
    await writer.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(writer.submit(partial(add, number=1)), 5)
