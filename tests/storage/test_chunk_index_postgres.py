"""What is particular to the chunk index in PostgreSQL."""

import asyncio
import random
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.storage.passages import MODEL, batches, pack, passage
from understudy.errors import IndexUnreadable, Misconfigured, Unavailable
from understudy.storage.chunks import Chunk, IndexedChunk
from understudy.storage.postgres import chunk_search, chunk_vectors
from understudy.storage.postgres.chunk_index import PostgresChunkIndex
from understudy.storage.postgres.chunk_keys import SAMPLED_OF

pytestmark = pytest.mark.cluster

STORE = "vs_one"

spoils_the_database = pytest.mark.parametrize("url", ["own_pgvector_url"], indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Give the address of a database with vectors, which most tests share."""
    found: str = request.getfixturevalue(getattr(request, "param", "pgvector_url"))
    return found


@pytest.fixture
async def index(url: str) -> AsyncIterator[PostgresChunkIndex]:
    opened = await PostgresChunkIndex.open(url)
    yield opened
    await opened.close()


@pytest.fixture
async def another(url: str) -> AsyncIterator[PostgresChunkIndex]:
    """Give the index of another process."""
    opened = await PostgresChunkIndex.open(url)
    yield opened
    await opened.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def texts(index: PostgresChunkIndex, *terms: str) -> list[str]:
    return [hit.chunk.text for hit in await index.search(STORE, terms, 50)]


async def counted(database: "asyncpg.Connection[Any]", table: str) -> int:
    count: int = await database.fetchval(
        f"SELECT count(*) FROM {table}"  # noqa: S608 - a table of these tests
    )
    return count


async def _end_backends(database: "asyncpg.Connection[Any]") -> int:
    """End the servers' ends of all connections of indexes; return how many there were."""
    ended = await database.fetch(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'understudy chunks'"
    )
    return len(ended)


async def test_what_other_stores_hold_does_not_show_in_scores(index: PostgresChunkIndex) -> None:
    mine = ("a rare word", "a common word", "another common word")
    await index.put(STORE, 1, batches(*mine))
    before = await index.search(STORE, ["rare", "common", "word"], 9)

    await index.put("vs_of_others", 2, batches(*["rare"] * 200, *mine))

    after = await index.search(STORE, ["rare", "common", "word"], 9)
    assert after == before
    assert {hit.entry for hit in after} == {1}


@spoils_the_database
async def test_a_put_whose_connection_is_killed_leaves_nothing(
    index: PostgresChunkIndex, database: "asyncpg.Connection[Any]"
) -> None:
    async def interrupted() -> AsyncIterator[Sequence[IndexedChunk]]:
        for _ in range(3):
            yield [passage("half of it")] * 600
        assert await _end_backends(database)
        # Nothing can be written at the moment, not even that the edition did not succeed.
        await database.execute("ALTER TABLE chunk_editions RENAME TO hidden")
        yield [passage("the other half")] * 600

    await index.put(STORE, 1, batches("whole"))
    with pytest.raises(Unavailable):
        await index.put(STORE, 2, interrupted())
    await database.execute("ALTER TABLE hidden RENAME TO chunk_editions")

    assert await texts(index, "half", "whole") == ["whole"]
    assert await index.chunks(STORE, 2, limit=5) == []
    assert await counted(database, "chunks") > 1_000

    await index.put(STORE, 2, batches("another half"))

    assert await texts(index, "half") == ["another half"]
    assert await counted(database, "chunks") == 2


KILLED = """
import asyncio, sys
from tests.storage.passages import batches, passage
from understudy.storage.postgres.chunk_index import PostgresChunkIndex

async def endless():
    for number in range(1_000_000):
        yield [passage("half of it", [1, 0])] * 500
        if number == 4:
            print("written", flush=True)

async def main():
    index = await PostgresChunkIndex.open(sys.argv[1])
    await index.put("vs_one", 2, endless())

asyncio.run(main())
"""


async def test_what_a_killed_process_wrote_is_never_found_and_goes_with_its_entry(
    index: PostgresChunkIndex, database: "asyncpg.Connection[Any]", url: str
) -> None:
    await index.put(STORE, 1, batches("whole"))
    await asyncio.to_thread(_put_and_be_killed, url)

    assert await texts(index, "half", "whole") == ["whole"]
    assert await index.nearest(STORE, pack([1, 0]), 5) == []
    assert await counted(database, "chunk_vectors") >= 500

    await index.drop_entry(STORE, 2)

    assert await counted(database, "chunks") == 1
    assert await counted(database, "chunk_vectors") == 0


def _put_and_be_killed(url: str) -> None:
    command = [sys.executable, "-c", KILLED, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as put:
        assert put.stdout is not None
        assert put.stdout.readline() == b"written\n"
        put.kill()


async def test_of_two_puts_of_an_entry_at_once_one_is_there_as_a_whole(
    index: PostgresChunkIndex,
    another: PostgresChunkIndex,
    database: "asyncpg.Connection[Any]",
) -> None:
    for _ in range(10):
        results = await asyncio.gather(
            index.put(STORE, 1, batches(*["word of one"] * 7)),
            another.put(STORE, 1, batches(*["word of two"] * 5)),
            return_exceptions=True,
        )

        found = await texts(index, "word")
        assert found in (["word of one"] * 7, ["word of two"] * 5)
        assert all(isinstance(one, Unavailable) for one in results if isinstance(one, Exception))
        assert any(not isinstance(one, Exception) for one in results)
    await index.put(STORE, 1, batches("word of three"))
    assert await counted(database, "chunks") == await counted(database, "chunk_editions") == 1


async def test_a_late_edition_does_not_replace_a_newer_one(
    index: PostgresChunkIndex,
    another: PostgresChunkIndex,
    database: "asyncpg.Connection[Any]",
) -> None:
    """A worker that lost its lease goes on writing while the next one is through."""

    async def overtaken() -> AsyncIterator[Sequence[IndexedChunk]]:
        yield [passage("word of the first")]
        await another.put(STORE, 1, batches("word of the second"))

    with pytest.raises(Unavailable):
        await index.put(STORE, 1, overtaken())

    assert await texts(index, "word") == ["word of the second"]
    assert await counted(database, "chunk_editions") == await counted(database, "chunks") == 1


async def test_a_store_that_is_dropped_amid_a_put_stays_dropped(
    index: PostgresChunkIndex,
    another: PostgresChunkIndex,
    database: "asyncpg.Connection[Any]",
) -> None:
    async def dropping() -> AsyncIterator[Sequence[IndexedChunk]]:
        yield [passage("word")] * 600
        await another.drop_store(STORE)
        yield [passage("word")]

    with pytest.raises(Unavailable):
        await index.put(STORE, 1, dropping())

    assert await counted(database, "chunk_editions") == await counted(database, "chunks") == 0


@pytest.mark.parametrize("rest", [[], [passage("word")]])
async def test_what_was_dropped_but_not_yet_deleted_takes_nothing_more(
    index: PostgresChunkIndex,
    database: "asyncpg.Connection[Any]",
    rest: Sequence[IndexedChunk],
) -> None:
    """Whoever dropped it died before deleting it."""

    async def dropping() -> AsyncIterator[Sequence[IndexedChunk]]:
        yield [passage("word")] * 600
        await database.execute("UPDATE chunk_editions SET state = 'dropped'")
        yield rest

    with pytest.raises(Unavailable):
        await index.put(STORE, 1, dropping())

    assert await texts(index, "word") == []
    assert await counted(database, "chunk_editions") == await counted(database, "chunks") == 0


async def test_a_large_entry_takes_little_memory(index: PostgresChunkIndex) -> None:
    """There are 48 MB of text here, of which a portion or two is held."""
    chance = random.Random(5)
    vector = pack([1.0] * 256)

    def long_passage() -> IndexedChunk:
        text = chance.randbytes(3_000).hex()
        chunk = Chunk(text=text, start=0, end=len(text), tokens=800)
        return IndexedChunk(chunk=chunk, terms="word", vector=vector)

    async def large() -> AsyncIterator[Sequence[IndexedChunk]]:
        for _ in range(80):
            yield [long_passage() for _ in range(100)]

    tracemalloc.start()
    try:
        size = await index.put(STORE, 1, large())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size.text_bytes == 8_000 * 6_000
    assert peak_bytes < 20_000_000


async def test_searches_go_on_after_the_server_has_closed_the_connections(
    index: PostgresChunkIndex, database: "asyncpg.Connection[Any]"
) -> None:
    await index.put(STORE, 1, batches("word"))
    assert await _end_backends(database)

    assert await texts(index, "word") == ["word"]


@spoils_the_database
async def test_a_failing_database_is_unavailable_with_its_cause(
    index: PostgresChunkIndex, database: "asyncpg.Connection[Any]"
) -> None:
    await index.put(STORE, 1, batches("word"))
    await database.execute("DROP TABLE chunks")

    with pytest.raises(IndexUnreadable) as refusal:
        await index.search(STORE, ["word"], 5)
    assert isinstance(refusal.value.__cause__, asyncpg.PostgresError)
    with pytest.raises(Unavailable):
        await index.put(STORE, 1, batches("word"))


async def test_a_server_that_is_not_there_is_named_at_once() -> None:
    with pytest.raises(Misconfigured, match="database_url"):
        await PostgresChunkIndex.open("postgresql://nobody@127.0.0.1:1/nothing")


async def test_editions_of_another_release_are_made_anew(
    index: PostgresChunkIndex, database: "asyncpg.Connection[Any]"
) -> None:
    await index.put(STORE, 1, batches("word"))
    await index.put(STORE, 2, batches("word"))
    await database.execute("UPDATE chunk_editions SET version = version + 1 WHERE entry = 1")

    assert await index.entries(STORE) == {2}
    await index.put(STORE, 1, batches("word"))
    assert await index.entries(STORE) == {1, 2}


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ten chunks be many, so that a word may be common in a small store."""
    monkeypatch.setattr(chunk_search, "RANKED_MAX", 10)


@pytest.mark.usefixtures("short_lists")
async def test_rare_words_propose_and_common_ones_fill_up(index: PostgresChunkIndex) -> None:
    common = [f"common {number}" for number in range(30)]
    await index.put(STORE, 1, batches("rare alone", "rare common", *common))

    found = await texts(index, "common", "rare")

    assert found[:2] == ["rare common", "rare alone"]
    assert sorted(found[2:]) == sorted(common)


@pytest.mark.usefixtures("short_lists")
async def test_common_words_alone_are_found_in_the_named_entries(
    index: PostgresChunkIndex,
) -> None:
    await index.put(STORE, 1, batches(*["one two three"] * 200))
    await index.put(STORE, 2, batches("one", "two", "one two", "four"))

    hits = await index.search(STORE, ["one", "two"], 5, {2})

    assert [hit.ordinal for hit in hits[:1]] == [2]
    assert {(hit.entry, hit.ordinal) for hit in hits} == {(2, 0), (2, 1), (2, 2)}


async def test_how_common_a_word_is_can_be_estimated(
    index: PostgresChunkIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly the same score comes of the sample as of counting."""
    monkeypatch.setattr(chunk_search, "RANKED_MAX", 50 * SAMPLED_OF)
    half = [f"common number{n}" if n % 2 else f"number{n}" for n in range(40 * SAMPLED_OF)]
    await index.put(STORE, 1, batches(*half, "rare", "common rare", size=100))
    question = (STORE, ["rare", "common"], 5)
    counted_hits = await index.search(*question)

    monkeypatch.setattr(chunk_search, "SAMPLE_COUNTED_MAX", 0)
    estimated_hits = await index.search(*question)

    assert [hit.chunk.text for hit in estimated_hits[:2]] == ["common rare", "rare"]
    for one, other in zip(estimated_hits[:2], counted_hits[:2], strict=True):
        assert one.score == pytest.approx(other.score, abs=0.1)


async def test_vectors_may_be_long_but_not_longer_than_the_extension_takes(
    index: PostgresChunkIndex,
) -> None:
    for entry, dimensions in enumerate((3_072, 5_000, 16_000, 16_001)):
        vector = [0.0] * dimensions
        vector[dimensions - 1] = 1.0
        await index.put(STORE, entry, batches(passage("long", vector)))
        expected = [entry] if dimensions <= 16_000 else []
        found = await index.nearest(STORE, pack(vector), 5) if expected else []
        assert [hit.entry for hit in found] == expected

    assert list(await index.entries_without_vectors(STORE, MODEL)) == [3]


async def test_without_pgvector_there_are_only_words(postgres_url: str) -> None:
    index = await PostgresChunkIndex.open(postgres_url)
    try:
        assert index.only_words is not None
        assert "searches by words only" in index.only_words
        assert "install pgvector" in index.only_words

        await index.put(STORE, 1, batches(passage("word", [1, 0])))

        assert await texts(index, "word") == ["word"]
        assert list(await index.nearest(STORE, pack([1, 0]), 5)) == []
        assert list(await index.entries_without_vectors(STORE, MODEL)) == []
    finally:
        await index.close()


async def test_without_pgvector_there_is_nothing_to_set_up(postgres_url: str) -> None:
    assert "install pgvector" in (await chunk_vectors.set_up(postgres_url) or "")


@spoils_the_database
async def test_whoever_may_not_create_the_extension_is_told_who_has_to(
    url: str, database: "asyncpg.Connection[Any]"
) -> None:
    await database.execute("DROP EXTENSION vector CASCADE; DROP TABLE chunk_vectors")
    await database.execute("DROP ROLE IF EXISTS humble; CREATE ROLE humble LOGIN")
    humble = await asyncpg.connect(url, user="humble")
    try:
        told = await chunk_vectors.install(humble)
    finally:
        await humble.close()

    assert told is not None
    assert "CREATE EXTENSION vector" in told
    assert "understudy migrate" in (await chunk_vectors.lacking(database) or "")

    assert await chunk_vectors.set_up(url) is None
    assert await chunk_vectors.set_up(url) is None
    assert await chunk_vectors.lacking(database) is None
