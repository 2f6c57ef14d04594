"""Searching over the real index and the real database (VS-11, VS-12, VS-14)."""

import asyncio
import math
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from understudy.errors import UpstreamError
from understudy.retrieval.searching import CANDIDATES, Found, Searching, Wanted
from understudy.retrieval.terms import index_terms
from understudy.storage.changes import (
    AddEntries,
    ClaimEntry,
    EndEntry,
    Insert,
    NewEntry,
    RemoveEntry,
)
from understudy.storage.chunks import Chunk, IndexedChunk, Vector
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex
from understudy.storage.sqlite.store import SqliteStorage
from understudy.upstream.base import Embedder, Reranker
from understudy.wire.objects.vector_stores import Attributes
from understudy.wire.params.filters import Equal

PROJECT = "proj_1"
NOW = 1_700_000_000


class Meanings:
    """An embedding model that knows which words mean the same; it can be told to fail."""

    def __init__(self, *meanings: str) -> None:
        self.meanings = [meaning.split() for meaning in meanings]
        self.asked: list[Sequence[str]] = []
        self.broken: Exception | None = None
        self.model = "meanings"

    async def embed(self, texts: Sequence[str]) -> Sequence[bytes]:
        self.asked.append(texts)
        if self.broken is not None:
            raise self.broken
        return [self._vector(text.lower()) for text in texts]

    async def close(self) -> None:
        """There is nothing to release."""

    def _vector(self, text: str) -> bytes:
        values = [0.01 + sum(word in text for word in meaning) for meaning in self.meanings]
        return array("f", [value / math.hypot(*values) for value in values]).tobytes()


class Taste:
    """A reranking model that likes texts with a certain word."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.asked: list[Sequence[str]] = []
        self.broken: Exception | None = None

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        del query
        self.asked.append(texts)
        if self.broken is not None:
            raise self.broken
        return [0.9 if self.word in text else 0.1 for text in texts]

    async def close(self) -> None:
        """There is nothing to release."""


def _file(file_id: str) -> Insert:
    return Insert(
        kind="file",
        project_id=PROJECT,
        id=file_id,
        created_at=NOW,
        body=b"{}",
        purpose="assistants",
    )


class Library:
    """Stores with files in them, and searches over them."""

    def __init__(self, folder: Path) -> None:
        self.storage = SqliteStorage(folder / "understudy.db")
        self.index = SqliteChunkIndex(folder / "indexes")
        self.embedder: Meanings | None = None

    async def store(self, store_id: str, files: Mapping[str, Sequence[str]]) -> None:
        """Make a store with files of these passages."""
        await self.storage.write(
            Insert(kind="vector_store", project_id=PROJECT, id=store_id, created_at=NOW, body=b"{}")
        )
        for file_id, texts in files.items():
            await self.add(store_id, file_id, texts)

    async def add(
        self,
        store_id: str,
        file_id: str,
        texts: Sequence[str],
        attributes: Attributes | None = None,
    ) -> None:
        """Add a file that is read already."""
        new = NewEntry(file_id=file_id, filename=f"{file_id}.txt", attributes=attributes or {})
        if await self.storage.missing_files(PROJECT, [file_id]):
            await self.storage.write(_file(file_id))
        await self.storage.write(
            AddEntries(project_id=PROJECT, store_id=store_id, created_at=NOW, entries=(new,))
        )
        entry = await self.storage.entry(PROJECT, store_id, file_id)
        assert entry is not None
        await self.index.put(store_id, entry.entry, self._batches(texts))
        await self.storage.write(ClaimEntry(entry=entry.entry, attempt=0, lease_until=NOW + 9))
        await self.storage.write(EndEntry(entry=entry.entry, attempt=1))

    async def remove(self, store_id: str, file_id: str) -> None:
        """Remove a file, of which the index has not heard yet."""
        await self.storage.write(
            RemoveEntry(project_id=PROJECT, store_id=store_id, file_id=file_id, now=NOW)
        )

    def searching(
        self, embedder: Embedder | None = None, reranker: Reranker | None = None
    ) -> Searching:
        return Searching(self.storage, self.index, embedder or self.embedder, reranker)

    async def ask(
        self,
        *queries: str,
        stores: Sequence[str] = ("vs_1",),
        project_id: str = PROJECT,
        reranker: Reranker | None = None,
        **wanted: Any,
    ) -> Sequence[Found]:
        wanted = {"max_results": 10, **wanted}
        searching = self.searching(reranker=reranker)
        return await searching.search(project_id, stores, Wanted(queries=queries, **wanted))

    async def _batches(self, texts: Sequence[str]) -> AsyncIterator[Sequence[IndexedChunk]]:
        vectors: Sequence[Vector | None] = [None] * len(texts)
        if self.embedder is not None:
            embedded = await self.embedder.embed(texts)
            vectors = [Vector(self.embedder.model, vector) for vector in embedded]
        start = 0
        batch = []
        for text, vector in zip(texts, vectors, strict=True):
            chunk = Chunk(text=text, start=start, end=start + len(text), tokens=len(text))
            batch.append(IndexedChunk(chunk=chunk, terms=index_terms(text), vector=vector))
            start += len(text)
        yield batch

    async def close(self) -> None:
        await self.index.close()
        await self.storage.close()


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    made = Library(tmp_path)
    try:
        yield made
    finally:
        await made.close()


def texts(found: Sequence[Found]) -> list[str]:
    return [one.chunk.text for one in found]


def files(found: Sequence[Found]) -> list[str]:
    return [one.file_id for one in found]


CATS = "Cats sleep for most of the day."
DOGS = "Dogs run after the ball."
SHIPS = "Ships cross the ocean in a week."


async def test_a_passage_is_found_with_all_that_is_known_of_its_file(library: Library) -> None:
    await library.store("vs_1", {"file-1": [DOGS, CATS]})
    (found,) = await library.ask("Why do cats sleep?")
    assert (found.store_id, found.file_id, found.file_name) == ("vs_1", "file-1", "file-1.txt")
    assert (found.ordinal, found.chunk.text, found.chunk.start) == (1, CATS, len(DOGS))
    assert 0 < found.score <= 1


async def test_scores_lie_in_0_to_1_and_never_rise(library: Library) -> None:
    passages = [f"{CATS} {'Cats purr. ' * n}" for n in range(30)]
    await library.store("vs_1", {"file-1": passages})
    scores = [one.score for one in await library.ask("cats that sleep and purr", max_results=20)]
    assert len(scores) == 20
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


async def test_the_threshold_cuts_what_scores_less(library: Library) -> None:
    await library.store("vs_1", {"file-1": [CATS, DOGS, "Cats and dogs sleep."]})
    every = await library.ask("cats dogs sleep")
    assert len(every) == 3
    floor = every[1].score
    assert await library.ask("cats dogs sleep", score_threshold=floor) == every[:2]
    assert await library.ask("cats dogs sleep", max_results=1) == every[:1]


async def test_several_stores_are_one(library: Library) -> None:
    """VS-14: the assistant's store and the thread's."""
    await library.store("vs_1", {"file-1": [CATS]})
    await library.store("vs_2", {"file-2": ["Cats sleep."]})
    found = await library.ask("cats sleep", stores=["vs_1", "vs_2"])
    assert {one.store_id for one in found} == {"vs_1", "vs_2"}
    assert files(await library.ask("cats sleep", stores=["vs_2"])) == ["file-2"]


async def test_a_file_in_both_stores_is_found_once(library: Library) -> None:
    await library.store("vs_1", {"file-1": [CATS]})
    await library.store("vs_2", {"file-1": [CATS]})
    assert texts(await library.ask("cats", stores=["vs_1", "vs_2"])) == [CATS]


async def test_several_queries_are_merged(library: Library) -> None:
    await library.store("vs_1", {"file-1": [CATS, DOGS, SHIPS]})
    assert sorted(texts(await library.ask("cats", "dogs", "cats"))) == [CATS, DOGS]
    assert await library.ask("  ") == []


async def test_filters_let_only_some_files_be_found(library: Library) -> None:
    """VS-11."""
    await library.store("vs_1", {})
    for number in range(60):
        await library.add("vs_1", f"file-{number}", [CATS], {"number": number})
    only = await library.ask("cats", filters=Equal(key="number", value=59))
    assert files(only) == ["file-59"]
    assert only[0].attributes == {"number": 59}
    assert await library.ask("cats", filters=Equal(key="number", value=60)) == []


async def test_a_removed_file_is_not_found_and_takes_no_others_place(library: Library) -> None:
    await library.store("vs_1", {"file-1": [CATS] * (CANDIDATES * 2), "file-2": [f"{CATS} {DOGS}"]})
    assert set(files(await library.ask("cats"))) == {"file-1"}
    await library.remove("vs_1", "file-1")
    assert files(await library.ask("cats")) == ["file-2"]


async def test_another_project_finds_nothing(library: Library) -> None:
    """GEN-18."""
    await library.store("vs_1", {"file-1": [CATS]})
    assert await library.ask("cats", project_id="proj_2") == []


async def test_an_unknown_store_has_nothing(library: Library) -> None:
    assert await library.ask("cats", stores=["vs_9"]) == []
    assert await library.ask("cats", stores=[]) == []


async def test_with_a_model_passages_are_found_by_their_meaning(library: Library) -> None:
    library.embedder = Meanings("cat feline pet", "ship ocean boat")
    await library.store("vs_1", {"file-1": [CATS, SHIPS]})
    found = await library.ask("feline")
    assert texts(found)[0] == CATS
    assert found[0].score > found[1].score
    assert 0.3 < found[0].score <= 0.5 + 1e-6, "found by meaning, and not by words"
    assert texts(await library.ask("feline", score_threshold=0.3)) == [CATS]


async def test_weights_shift_between_words_and_meaning(library: Library) -> None:
    library.embedder = Meanings("cat feline pet", "ship ocean boat")
    await library.store("vs_1", {"file-1": [CATS, "Feline is a word for a boat on the ocean."]})
    by_words = {"embedding_weight": 0.0, "text_weight": 1.0}
    by_meaning = {"embedding_weight": 1.0, "text_weight": 0.0}
    assert texts(await library.ask("feline", hybrid=by_words)) != [CATS]
    assert texts(await library.ask("feline", hybrid=by_meaning))[0] == CATS
    library.embedder.asked.clear()
    await library.ask("feline", hybrid=by_words)
    assert library.embedder.asked == []


async def test_without_a_model_words_count_whatever_the_weights(library: Library) -> None:
    await library.store("vs_1", {"file-1": [CATS]})
    weights = {"embedding_weight": 1.0, "text_weight": 0.0}
    assert texts(await library.ask("cats", hybrid=weights)) == [CATS]


async def test_files_without_vectors_are_found_by_their_words(library: Library) -> None:
    """Their scores are as if there were no model."""
    await library.store("vs_1", {"file-1": [CATS]})
    plain = await library.ask("cats")
    library.embedder = Meanings("cat", "ship")
    assert await library.ask("cats") == plain


async def test_files_with_vectors_of_another_model_are_found_by_their_words(
    library: Library,
) -> None:
    """Numbers of another model would look like scores and mean nothing."""
    library.embedder = Meanings("cat feline pet", "ship ocean boat")
    await library.store("vs_1", {"file-1": [CATS, SHIPS]})
    assert texts(await library.ask("feline")) == [CATS, SHIPS]
    library.embedder.model = "another"
    assert await library.ask("feline") == []


async def test_when_the_model_fails_words_answer_with_one_warning(library: Library) -> None:
    model = Meanings("cat", "ship")
    await library.store("vs_1", {"file-1": [CATS]})
    searching = library.searching(embedder=model)
    wanted = Wanted(queries=["cats"], max_results=5)
    model.broken = UpstreamError("down")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert texts(await searching.search(PROJECT, ["vs_1"], wanted)) == [CATS]
    assert [(log["event"], log["model"], log["cause"]) for log in logs] == [
        ("searching_without_model", "embedding", "down")
    ]
    model.broken = None
    await searching.search(PROJECT, ["vs_1"], wanted)
    model.broken = TimeoutError()
    with structlog.testing.capture_logs() as again:
        await searching.search(PROJECT, ["vs_1"], wanted)
    assert len(again) == 1


async def test_the_reranking_model_has_the_last_word(library: Library) -> None:
    await library.store("vs_1", {"file-1": [CATS, "Cats, cats, cats.", "A cat purrs."]})
    found = await library.ask("cats", reranker=Taste("purrs"))
    assert texts(found)[0] == "A cat purrs."
    assert [one.score for one in found] == [0.9, 0.1, 0.1]
    strict = await library.ask("cats", reranker=Taste("purrs"), score_threshold=0.5)
    assert texts(strict) == ["A cat purrs."]


async def test_the_reranking_model_is_left_out_on_demand_or_when_it_fails(
    library: Library,
) -> None:
    """VS-12: the ranker ``none``."""
    await library.store("vs_1", {"file-1": [CATS, "A cat purrs."]})
    plain = await library.ask("cats sleep")
    taste = Taste("purrs")
    assert await library.ask("cats sleep", reranker=taste, ranker="none") == plain
    assert taste.asked == []
    taste.broken = UpstreamError("down")
    assert await library.ask("cats sleep", reranker=taste) == plain
    assert len(taste.asked) == 1


async def test_the_reranking_model_reads_no_more_than_can_be_shown(library: Library) -> None:
    await library.store("vs_1", {"file-1": [f"{CATS} {n}" for n in range(CANDIDATES + 30)]})
    taste = Taste("purrs")
    assert len(await library.ask("cats", reranker=taste, max_results=50)) == 50
    assert len(taste.asked[0]) == CANDIDATES


async def test_a_cancelled_search_stops(library: Library) -> None:
    begun = asyncio.Event()

    class Endless(Meanings):
        async def embed(self, texts: Sequence[str]) -> Sequence[bytes]:
            begun.set()
            await asyncio.Event().wait()
            return [*map(str.encode, texts)]

    model = Endless()
    search = library.searching(embedder=model).search(
        PROJECT, ["vs_1"], Wanted(queries=["cats"], max_results=1)
    )
    task = asyncio.create_task(search)
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
