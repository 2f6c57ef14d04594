"""The SQLite file: made and upgraded at opening, by one process at a time."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from understudy.errors import Misconfigured, Unavailable
from understudy.storage.base import Storage
from understudy.storage.records import Scope, Slice
from understudy.storage.sqlite import database
from understudy.storage.sqlite.database import connect, migrate
from understudy.storage.sqlite.store import SqliteStorage

from .rows import ACME, NOW, ids, make_run, plain_row, recorded, thread_row, within

NEWEST = max(database._migrations())


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found
    finally:
        connection.close()


async def test_an_empty_file_gets_the_newest_schema(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    await SqliteStorage(path).close()
    assert version(path) == NEWEST


async def test_what_was_written_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    first = SqliteStorage(path)
    await make_run(first)
    before = await recorded(first)
    await first.close()
    second = SqliteStorage(path)
    assert await recorded(second) == before
    await second.close()


def test_a_file_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    connection.close()
    with pytest.raises(Misconfigured, match="newer release"):
        SqliteStorage(path)
    assert version(path) == NEWEST + 1


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear SQLite, " * 100)
    with pytest.raises(Misconfigured, match=r"letter\.db"):
        SqliteStorage(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be opened"):
        SqliteStorage(tmp_path / "nowhere" / "x.db")


def test_a_migration_that_fails_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    connection = connect(tmp_path / "half.db", "NORMAL")
    with pytest.raises(sqlite3.OperationalError):
        database._apply(connection, 1, "CREATE TABLE a (x); CREATE TABEL b (x)")
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    migrate(connection)
    assert connection.execute("PRAGMA user_version").fetchone() == (NEWEST,)
    connection.close()


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    assert sorted(database._migrations()) == list(range(1, NEWEST + 1))


def test_threads_may_open_one_new_file_at_the_same_moment(tmp_path: Path) -> None:
    """Whoever is late waits, also while the file is put into WAL mode."""
    for number in range(10):
        errors: list[BaseException] = []
        barrier = threading.Barrier(4, timeout=20)
        path = tmp_path / f"{number}.db"

        def open_it(path: Path, barrier: threading.Barrier, errors: list[BaseException]) -> None:
            try:
                barrier.wait()
                connection = connect(path, "NORMAL")
                migrate(connection)
                connection.close()
            except BaseException as error:  # noqa: BLE001 -- shown by the test
                errors.append(error)

        threads = [threading.Thread(target=open_it, args=(path, barrier, errors)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors == []
        assert version(path) == NEWEST


OPEN_ON_COMMAND = """
import asyncio, sys
from pathlib import Path
from understudy.storage.sqlite.store import SqliteStorage
print("ready", flush=True)
sys.stdin.readline()
storage = SqliteStorage(Path(sys.argv[1]))
async def work():
    await storage.default_project(1)
    await storage.close()
asyncio.run(work())
"""


def test_processes_may_open_one_new_file_at_the_same_moment(tmp_path: Path) -> None:
    """``keys create`` works while a server starts."""
    path = tmp_path / "shared.db"
    command = [sys.executable, "-c", OPEN_ON_COMMAND, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=50) for process in processes]
    assert [err for _, err in outcomes if err] == []
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM projects").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("name", ["plain", "with space", "a#b", "who?", "50%41", "né🙂"])
async def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Also for the list by metadata, which reads on a connection of its own."""
    folder = tmp_path / name
    folder.mkdir()
    storage = SqliteStorage(folder / "understudy.db")
    try:
        await storage.write(thread_row("thread_1", metadata={"a": "b"}))
        scope = Scope(project_id=ACME, metadata={"a": "b"})
        assert ids(await storage.page("thread", scope, Slice())) == ["thread_1"]
    finally:
        await storage.close()
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208 -- names are the point


async def set_pages_max(storage: SqliteStorage, pages: int) -> None:
    """Let the disk be full at so many pages."""
    await storage._writer.submit(lambda c: c.execute(f"PRAGMA max_page_count = {pages}"))


async def write_until_full(storage: SqliteStorage) -> None:
    """Write threads and assistants in pairs, far more than there is room for."""
    for number in range(1000):
        row = plain_row("assistant", f"asst_{number}", NOW)
        await storage.write(thread_row(f"thread_x{number}", metadata={"x": "y" * 4096}), row)


async def test_a_full_disk_refuses_writes_while_reads_go_on(tmp_path: Path) -> None:
    """Nothing is half written, and the database recovers by itself."""
    storage = SqliteStorage(tmp_path / "full.db")
    await make_run(storage)
    await set_pages_max(storage, 1)  # SQLite raises it to what the file has
    with pytest.raises(Unavailable, match="full"):
        await write_until_full(storage)
    kept = ids(await storage.page("thread", Scope(project_id=ACME), Slice(limit=100)))
    both = ids(await storage.page("assistant", within(None), Slice(limit=100)))
    assert len(kept) == len(both) + 1
    assert (await recorded(storage)).state.run.status == "queued"
    await set_pages_max(storage, 1_000_000)
    await storage.write(thread_row("thread_y", metadata={"x": "y" * 4096}))
    await storage.check()
    await storage.close()


async def test_the_database_refuses_two_holders_of_one_thread(tmp_path: Path) -> None:
    """RUN-22: by a unique index, whatever the code above does."""
    storage = SqliteStorage(tmp_path / "lock.db")
    await make_run(storage)
    stolen = "INSERT INTO runs SELECT NULL, 'run_2', project_id, thread_id, created_at, status, "
    columns = await storage._writer.submit(
        lambda c: [row[1] for row in c.execute("PRAGMA table_info(runs)")]
    )
    stolen += ", ".join(columns[columns.index("status") + 1 :]) + " FROM runs"
    with pytest.raises(Unavailable, match="UNIQUE"):
        await storage._writer.submit(lambda c: c.execute(stolen))
    await storage.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        "UPDATE runs SET status = 'done'",
        "UPDATE runs SET status = 'completed'",
        "UPDATE runs SET turn = 'over'",
        "UPDATE runs SET turn = 'mine'",
        "UPDATE runs SET attempt = -1",
    ],
)
async def test_the_database_refuses_states_that_cannot_be(tmp_path: Path, nonsense: str) -> None:
    storage: Storage = SqliteStorage(tmp_path / "checks.db")
    await make_run(storage)
    assert isinstance(storage, SqliteStorage)
    with pytest.raises(Unavailable, match="CHECK"):
        await storage._writer.submit(lambda c: c.execute(nonsense))
    await storage.close()


async def test_reading_connections_cannot_write(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "reader.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        storage._reader.connection.execute("DELETE FROM runs")
    await storage.close()
