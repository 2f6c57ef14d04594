"""What is particular to the chunk index in SQLite files."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event

import pytest

from tests.storage.passages import batches, pack, passage
from understudy.errors import Unavailable
from understudy.storage.sqlite import chunk_search
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex

STORE = "vs_one"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "indexes"


@pytest.fixture
async def index(folder: Path) -> AsyncIterator[SqliteChunkIndex]:
    opened = SqliteChunkIndex(folder)
    yield opened
    await opened.close()


async def texts(index: SqliteChunkIndex, *terms: str) -> list[str]:
    return [hit.chunk.text for hit in await index.search(STORE, terms, 50)]


async def test_reading_makes_no_files(index: SqliteChunkIndex, folder: Path) -> None:
    await index.search(STORE, ["word"], 5)
    await index.nearest(STORE, pack([1.0]), 5)
    await index.chunks(STORE, 1, limit=5)
    await index.drop_entry(STORE, 1)
    await index.drop_store(STORE)

    assert _files(folder) == set()


async def test_dropping_a_store_deletes_its_files(index: SqliteChunkIndex, folder: Path) -> None:
    await index.put(STORE, 1, batches("word"))
    await index.put("vs_two", 1, batches("word"))
    await index.drop_store(STORE)

    assert {name.split(".")[0] for name in _files(folder)} == {"vs_two"}
    assert await texts(index, "word") == []


async def test_a_store_that_is_dropped_amid_a_put_stays_dropped(
    index: SqliteChunkIndex, folder: Path
) -> None:
    async def dropping() -> AsyncIterator[list[object]]:
        await index.drop_store(STORE)
        yield [passage("word")]

    with pytest.raises(Unavailable):
        await index.put(STORE, 1, dropping())  # type: ignore[arg-type]

    assert _files(folder) == set()


async def test_another_process_reads_what_was_put(index: SqliteChunkIndex, folder: Path) -> None:
    other = SqliteChunkIndex(folder)
    await index.put(STORE, 1, batches(passage("first word", [1, 0])))
    assert await texts(other, "word") == ["first word"]
    assert len(await other.nearest(STORE, pack([1, 0]), 5)) == 1

    await index.put(STORE, 2, batches(passage("second word", [1, 0])))
    await index.drop_entry(STORE, 1)

    assert await texts(other, "word") == ["second word"]
    assert [hit.entry for hit in await other.nearest(STORE, pack([1, 0]), 5)] == [2]
    await other.close()


async def test_what_another_process_deletes_is_closed(
    index: SqliteChunkIndex, folder: Path
) -> None:
    other = SqliteChunkIndex(folder)
    for store_id in (STORE, "vs_two"):
        await index.put(store_id, 1, batches(passage("word", [1, 0])))
        await other.nearest(store_id, pack([1, 0]), 5)
    await index.drop_store(STORE)
    assert _deleted_but_open(folder) != set()

    await other.search("vs_two", ["word"], 5)

    assert _deleted_but_open(folder) == set()
    await other.close()


async def test_what_another_process_makes_anew_is_read_anew(
    index: SqliteChunkIndex, folder: Path
) -> None:
    """The new file has as many publications and drops as the old one had."""
    other = SqliteChunkIndex(folder)
    for text in ("old", "new"):
        await index.put(STORE, 1, batches(passage(text, [1, 0])))
        (hit,) = await other.nearest(STORE, pack([1, 0]), 5)
        assert hit.chunk.text == text
        await index.drop_store(STORE)
    await other.close()


async def test_searches_do_not_wait_for_the_threads_of_others(index: SqliteChunkIndex) -> None:
    await index.put(STORE, 1, batches("word"))
    shared = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(shared)
    held = Event()
    try:
        shared.submit(held.wait, 60)
        async with asyncio.timeout(30):
            assert await texts(index, "word") == ["word"]
    finally:
        held.set()


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.storage.passages import passage, batches
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex

async def endless():
    for number in range(1_000_000):
        yield [passage("half of it")] * 500
        if number == 40:
            print("written", flush=True)

async def main():
    index = SqliteChunkIndex(Path(sys.argv[1]))
    await index.put("vs_one", 1, batches("whole"))
    await index.put("vs_one", 2, endless())

asyncio.run(main())
"""


async def test_a_killed_put_leaves_nothing_half(index: SqliteChunkIndex, folder: Path) -> None:
    _put_and_be_killed(folder)

    assert await texts(index, "half", "whole") == ["whole"]
    assert await index.chunks(STORE, 2, limit=5) == []

    await index.put(STORE, 2, batches("another half"))

    assert await texts(index, "half") == ["another half"]
    assert _count(folder, "chunks") == 2


async def test_a_late_edition_does_not_replace_a_newer_one(
    index: SqliteChunkIndex, folder: Path
) -> None:
    """A worker that lost its lease goes on writing while the next one is through."""

    async def overtaken() -> AsyncIterator[list[object]]:
        yield [passage("word of the first")]
        await index.put(STORE, 1, batches("word of the second"))

    with pytest.raises(Unavailable):
        await index.put(STORE, 1, overtaken())  # type: ignore[arg-type]

    assert await texts(index, "word") == ["word of the second"]
    assert _count(folder, "editions") == _count(folder, "chunks") == 1


@pytest.mark.parametrize("damage", [b"no database at all" * 500, b"\xff" * 4096])
async def test_a_damaged_file_is_unavailable_with_its_cause(
    index: SqliteChunkIndex, folder: Path, damage: bytes
) -> None:
    _damage(folder, damage)

    with pytest.raises(Unavailable) as refusal:
        await index.search(STORE, ["word"], 5)
    assert isinstance(refusal.value.__cause__, sqlite3.Error)
    with pytest.raises(Unavailable):
        await index.put(STORE, 1, batches("word"))

    await index.drop_store(STORE)
    await index.put(STORE, 1, batches("word"))
    assert await texts(index, "word") == ["word"]


async def test_a_file_of_another_release_says_so(index: SqliteChunkIndex, folder: Path) -> None:
    await index.put(STORE, 1, batches("word"))
    await index.close()
    with closing(sqlite3.connect(folder / f"{STORE}.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 99")

    again = SqliteChunkIndex(folder)
    with pytest.raises(Unavailable, match="made anew"):
        await again.search(STORE, ["word"], 5)
    await again.close()


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ten chunks be many, so that a word may be common in a small store."""
    monkeypatch.setattr(chunk_search, "RANKED_MAX", 10)
    monkeypatch.setattr(chunk_search, "COUNTED_MAX", 10)
    monkeypatch.setattr(chunk_search, "SAMPLED_CHUNKS", 20)


@pytest.mark.usefixtures("short_lists")
async def test_rare_words_propose_and_common_ones_fill_up(index: SqliteChunkIndex) -> None:
    common = [f"common {number}" for number in range(30)]
    await index.put(STORE, 1, batches("rare alone", "rare common", *common))

    found = await texts(index, "common", "rare")

    assert found[:2] == ["rare common", "rare alone"]
    assert sorted(found[2:]) == sorted(common)


@pytest.mark.usefixtures("short_lists")
async def test_of_common_words_alone_those_come_first_that_stand_together(
    index: SqliteChunkIndex,
) -> None:
    apart = [text for number in range(20) for text in (f"one {number}", f"two {number}")]
    await index.put(STORE, 1, batches("one two", *apart))

    hits = await index.search(STORE, ["one", "two"], 5)

    assert hits[0].chunk.text == "one two"
    assert len(hits) == 5
    assert all(0 < hit.score <= 1 for hit in hits)


async def test_what_is_dropped_leaves_the_full_text_index(
    index: SqliteChunkIndex, folder: Path
) -> None:
    for entry in range(20):
        await index.put(STORE, entry, batches("word"))
    for entry in range(19):
        await index.drop_entry(STORE, entry)

    assert await texts(index, "word") == ["word"]
    assert _count(folder, "terms") == 1


async def test_vectors_beyond_the_cache_are_read_from_the_file(folder: Path) -> None:
    index = SqliteChunkIndex(folder, vector_cache_bytes_max=100)
    vectors = [passage(f"{number}", [1, number]) for number in range(700)]
    await index.put(STORE, 1, batches(*vectors, size=50))

    hits = await index.nearest(STORE, pack([1, 0]), 1)

    assert [hit.chunk.text for hit in hits] == ["0"]
    await index.close()


def test_numpy_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; import understudy.storage.sqlite.chunk_index;sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def _deleted_but_open(folder: Path) -> set[str]:
    """Return the files of the folder that this process has open, though they are deleted."""
    held = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            held.add(str(descriptor.readlink()))
    return {one for one in held if one.startswith(str(folder)) and one.endswith("(deleted)")}


def _damage(folder: Path, damage: bytes) -> None:
    folder.mkdir()
    (folder / f"{STORE}.sqlite3").write_bytes(damage)


def _put_and_be_killed(folder: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as put:
        assert put.stdout is not None
        assert put.stdout.readline() == b"written\n"
        put.kill()


def _count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / f"{STORE}.sqlite3")) as connection:
        counted: int = connection.execute(
            f"SELECT count(*) FROM {table}"  # noqa: S608 - a table of these tests
        ).fetchone()[0]
        return counted
