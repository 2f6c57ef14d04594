"""The one search, behind the search endpoint and the file_search tool (VS-12, VS-14).

Theory of operation. Each question is asked of the index by its words, and by its meaning if there
is an embedding model; both rankings are fused, those of several questions merged, and the best are
read once more by a reranking model if there is one. No model has to be there: what fails is left
out, with a warning, and the rest answers.

What a score means, always in 0..1 and never rising along the results:

- found by words alone: the share of the question's information that the passage has;
- by words and meaning: the mean of that share and of the cosine, by the weights (``fusion.py``);
- reranked: what the reranking model says.
"""

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import structlog
from msgspec import Struct
from msgspec.structs import replace

from understudy.errors import UpstreamError
from understudy.retrieval.filters import matches
from understudy.retrieval.fusion import Weights, fused, merged
from understudy.retrieval.terms import query_terms
from understudy.storage.base import VectorStores
from understudy.storage.chunks import Chunk, ChunkIndex, Hit, Vector
from understudy.storage.records import StoredEntry
from understudy.upstream.base import Embedder, Reranker
from understudy.wire.objects.vector_stores import Attributes
from understudy.wire.params.filters import Filter

log = structlog.get_logger("understudy.retrieval")

# As many as a search may return (VS-12), so that a reranking model sees all that can be shown.
CANDIDATES = 50
MODEL_SECONDS_MAX = 10.0

T = TypeVar("T")
Allowed = Mapping[str, Collection[int] | None]


class Wanted(Struct, frozen=True, kw_only=True):
    """What to look for.

    ``hybrid`` has ``embedding_weight`` and ``text_weight``. The ranker ``none`` keeps the reranking
    model out of it; every other name means the one that there is.
    """

    queries: Sequence[str]
    max_results: int
    filters: Filter | None = None
    score_threshold: float = 0.0
    ranker: str = "auto"
    hybrid: Mapping[str, float] | None = None


class Found(Struct, frozen=True, kw_only=True):
    """A passage that was found, the ``ordinal``-th of its file in its store."""

    store_id: str
    file_id: str
    file_name: str
    attributes: Attributes
    score: float
    ordinal: int
    chunk: Chunk


class Searching:
    """Searches vector stores."""

    def __init__(
        self,
        storage: VectorStores,
        index: ChunkIndex,
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._storage = storage
        self._index = index
        self._embedder = embedder
        self._reranker = reranker
        self._failing: set[str] = set()

    async def search(
        self, project_id: str, store_ids: Sequence[str], wanted: Wanted
    ) -> Sequence[Found]:
        """Return the best passages of all the stores, best first, each passage of a file once.

        What is not a completed file of the project in one of the stores is never found.
        """
        questions = await self._questions(wanted)
        hits, rows = await self._hits(store_ids, questions, wanted)
        found = [
            _found(hit, rows[hit.entry])
            for hit in hits
            if hit.entry in rows and rows[hit.entry].project_id == project_id
        ]
        found = await self._reranked(_distinct(found), wanted)
        return [one for one in found if one.score >= wanted.score_threshold][: wanted.max_results]

    async def close(self) -> None:
        """Let go of the models."""
        for model in (self._embedder, self._reranker):
            if model is not None:
                await model.close()

    async def _questions(self, wanted: Wanted) -> Sequence["_Question"]:
        """Return the questions with their terms, and with vectors if the model gives any."""
        texts = [text for text in dict.fromkeys(wanted.queries) if text.strip()]
        weights = _weights(wanted.hybrid)
        vectors: Sequence[Vector | None] = [None] * len(texts)
        if self._embedder is not None and weights.embedding > 0 and texts:
            embedded = _embedded(texts, self._embedder)
            vectors = await self._unless_failing("embedding", embedded) or vectors
        return [
            _Question(
                terms=query_terms(text),
                vector=vector,
                weights=weights,
                limit=max(CANDIDATES, wanted.max_results),
            )
            for text, vector in zip(texts, vectors, strict=True)
        ]

    async def _hits(
        self, store_ids: Sequence[str], questions: Sequence["_Question"], wanted: Wanted
    ) -> tuple[Sequence[Hit], Mapping[int, StoredEntry]]:
        """Return hits and the rows of those that are in a store; the index may lag behind."""
        allowed: Allowed = dict.fromkeys(store_ids)
        if wanted.filters is not None:
            allowed = await self._allowed(store_ids, wanted.filters)
        hits = await self._ranked(questions, allowed)
        rows = await self._storage.live_entries({hit.entry for hit in hits})
        if wanted.filters is None and any(hit.entry not in rows for hit in hits):
            # Files that have just left may take the places of others, so they are left out.
            allowed = await self._allowed(store_ids, None)
            hits = await self._ranked(questions, allowed)
            rows = await self._storage.live_entries({hit.entry for hit in hits})
        return hits, rows

    async def _allowed(self, store_ids: Sequence[str], wanted: Filter | None) -> Allowed:
        """Return for each store the entries that may be found."""
        rows = await asyncio.gather(*map(self._storage.searchable_entries, store_ids))
        return {
            store_id: [
                row.entry for row in each if wanted is None or matches(wanted, row.attributes)
            ]
            for store_id, each in zip(store_ids, rows, strict=True)
        }

    async def _ranked(self, questions: Iterable["_Question"], allowed: Allowed) -> list[Hit]:
        return merged(await asyncio.gather(*(self._answer(one, allowed) for one in questions)))

    async def _answer(self, question: "_Question", allowed: Allowed) -> list[Hit]:
        """Return what a question finds in all stores."""
        lexical = merged(
            await asyncio.gather(
                *(
                    self._index.search(store_id, question.terms, question.limit, entries)
                    for store_id, entries in allowed.items()
                    if question.asks_for_words
                )
            )
        )
        if question.vector is None:
            return lexical
        near = merged(
            await asyncio.gather(
                *(
                    self._index.nearest(store_id, question.vector, question.limit, entries)
                    for store_id, entries in allowed.items()
                )
            )
        )
        if not near:  # nothing here has a vector, so there is no mean to speak of
            return lexical
        return fused(lexical[: question.limit], near[: question.limit], question.weights)

    async def _reranked(self, found: list[Found], wanted: Wanted) -> list[Found]:
        if self._reranker is None or wanted.ranker == "none" or not found:
            return found
        best = found[: max(CANDIDATES, wanted.max_results)]
        query = "\n".join(wanted.queries)
        texts = [one.chunk.text for one in best]
        scores = await self._unless_failing("reranking", self._reranker.rerank(query, texts))
        if scores is None:
            return found
        scored = [replace(one, score=score) for one, score in zip(best, scores, strict=True)]
        return sorted(scored, key=lambda one: -one.score)

    async def _unless_failing(self, model: str, answer: Awaitable[T]) -> T | None:
        """Return the model's answer, or None; say only once that it began to fail."""
        try:
            async with asyncio.timeout(MODEL_SECONDS_MAX):
                given = await answer
        except (UpstreamError, TimeoutError) as error:
            if model not in self._failing:
                log.warning("searching_without_model", model=model, cause=str(error) or "timeout")
            self._failing.add(model)
            return None
        self._failing.discard(model)
        return given


class _Question(Struct, frozen=True, kw_only=True):
    """One query, ready to be asked of the index."""

    terms: Sequence[str]
    vector: Vector | None
    weights: Weights
    limit: int

    @property
    def asks_for_words(self) -> bool:
        """Whether words count; without a vector there is nothing else to go by."""
        return self.weights.text > 0 or self.vector is None


async def _embedded(texts: Sequence[str], embedder: Embedder) -> Sequence[Vector]:
    return [Vector(embedder.model, vector) for vector in await embedder.embed(texts)]


def _weights(hybrid: Mapping[str, float] | None) -> Weights:
    given = hybrid or {}
    return Weights(embedding=given.get("embedding_weight", 1.0), text=given.get("text_weight", 1.0))


def _found(hit: Hit, row: StoredEntry) -> Found:
    return Found(
        store_id=row.store_id,
        file_id=row.file_id,
        file_name=row.filename,
        attributes=row.attributes,
        score=hit.score,
        ordinal=hit.ordinal,
        chunk=hit.chunk,
    )


def _distinct(found: Iterable[Found]) -> list[Found]:
    """Leave out what the same file says again because it is in several of the stores."""
    best: dict[tuple[str, int, int], Found] = {}
    for one in found:
        best.setdefault((one.file_id, one.chunk.start, one.chunk.end), one)
    return list(best.values())
