"""What is particular to the chunk index in SQLite files."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.storage.passages import batches, pack, passage
from understudy.errors import Unavailable
from understudy.storage.sqlite import chunk_segments
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

    assert not folder.exists()


async def test_dropping_a_store_deletes_its_files(index: SqliteChunkIndex, folder: Path) -> None:
    await index.put(STORE, 1, batches("word"))
    await index.put("vs_two", 1, batches("word"))
    await index.drop_store(STORE)

    assert {path.name.split(".")[0] for path in folder.iterdir()} == {"vs_two"}
    assert await texts(index, "word") == []


async def test_a_store_that_is_dropped_amid_a_put_stays_dropped(
    index: SqliteChunkIndex, folder: Path
) -> None:
    async def dropping() -> AsyncIterator[list[object]]:
        await index.drop_store(STORE)
        yield [passage("word")]

    with pytest.raises(Unavailable):
        await index.put(STORE, 1, dropping())  # type: ignore[arg-type]

    assert list(folder.iterdir()) == []


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
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE, cwd=Path.cwd()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        os.kill(process.pid, signal.SIGKILL)

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

    try:
        await index.put(STORE, 1, overtaken())  # type: ignore[arg-type]
    except Unavailable:
        pass

    assert await texts(index, "word") == ["word of the second"]
    assert _count(folder, "editions") == _count(folder, "chunks") == 1


@pytest.mark.parametrize("damage", [b"no database at all" * 500, b"\xff" * 4096])
async def test_a_damaged_file_is_unavailable_with_its_cause(
    index: SqliteChunkIndex, folder: Path, damage: bytes
) -> None:
    folder.mkdir()
    (folder / f"{STORE}.sqlite3").write_bytes(damage)

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


async def test_segments_stay_few_and_dropped_postings_go(
    index: SqliteChunkIndex, folder: Path
) -> None:
    for entry in range(200):
        await index.put(STORE, entry, batches("word"))
    assert _count(folder, "segments") <= 3 * chunk_segments.FAN_IN

    for entry in range(199):
        await index.drop_entry(STORE, entry)

    assert await texts(index, "word") == ["word"]
    assert _count(folder, "segments") <= 2


async def test_a_page_that_is_full_goes_on_in_the_next(
    index: SqliteChunkIndex, folder: Path
) -> None:
    await index.put(STORE, 1, batches("first word"))
    with closing(sqlite3.connect(folder / f"{STORE}.sqlite3")) as connection, connection:
        next_to_last = chunk_segments.PAGE_CHUNKS - 3
        connection.execute(
            "UPDATE sqlite_sequence SET seq = ? WHERE name = 'chunks'", (next_to_last,)
        )

    await index.put(STORE, 2, batches(*(f"word {number}" for number in range(6)), size=6))

    assert await texts(index, "word") == ["first word", *(f"word {number}" for number in range(6))]
    assert [ordinal for ordinal, _ in await index.chunks(STORE, 2, after=1, limit=9)] == [
        2,
        3,
        4,
        5,
    ]
    assert len(await index.search(STORE, ["word"], 50, [2])) == 6
    await index.drop_entry(STORE, 2)
    assert await texts(index, "word") == ["first word"]


async def test_vectors_beyond_the_cache_are_read_from_the_file(folder: Path) -> None:
    index = SqliteChunkIndex(folder, vector_cache_bytes=100)
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


def _count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / f"{STORE}.sqlite3")) as connection:
        counted: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return counted
