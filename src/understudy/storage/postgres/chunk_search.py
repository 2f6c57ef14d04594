"""Finding chunks by terms: the inverted index proposes, and ``relevance.py`` decides.

Theory of operation. A key of the index (``chunk_keys.py``) leads to the chunks of one store in
which a term has about the same weight, so that adding up rarity times weight ranks them. But each
chunk that a key leads to costs time, and a common word leads to most of the store. So the rarest
terms propose: as many as have short lists together. If these are few, the common ones propose from
the sample of the store, which is as short; and if even these are few, since the sample has nothing
of the entries that may be found, whatever has one of them. What is proposed is scored with all the
terms of the question. In a store of ordinary size every list is short, and nothing is left out.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

from understudy.storage.postgres import chunk_editions, chunk_rows
from understudy.storage.postgres.chunk_keys import (
    LEVELS,
    SAMPLED_OF,
    StoreKeys,
    level_keys,
    sample_keys,
    weight,
)
from understudy.storage.postgres.chunk_rows import Place
from understudy.storage.postgres.connecting import Database
from understudy.storage.relevance import Term, ranked, rarity

# So many chunks are ranked for a question: some 10 ms.
RANKED_MAX = 20_000
# A term that more chunks of the sample have is not counted, but estimated from these.
SAMPLE_COUNTED_MAX = 64
PROPOSED_MIN = 100
SCORED_TERMS_MAX = 64

_COUNTS = f"""
SELECT term, sampled, CASE WHEN sampled <= $3 THEN (
    SELECT count(*) FROM chunks WHERE keys && ARRAY(
        SELECT spelt + level FROM unnest(spellings) AS spelt, generate_series(0, {LEVELS - 1}) level
    )
) END
FROM (
    SELECT term, array_agg(spelt) AS spellings, array_agg(spelt + {LEVELS}) AS samples
    FROM unnest($1::integer[], $2::bigint[]) AS asked (term, spelt) GROUP BY term
) AS asked
CROSS JOIN LATERAL (SELECT count(*) AS sampled FROM chunks WHERE keys && samples) AS sample
"""

_RANKED = """
SELECT edition, ordinal FROM unnest($1::bigint[], $2::float8[]) AS asked (key, worth)
CROSS JOIN LATERAL (
    SELECT edition, ordinal FROM chunks WHERE keys @> ARRAY[asked.key] LIMIT $5
) AS posting
WHERE {visible}
GROUP BY edition, ordinal ORDER BY sum(worth) DESC, edition, ordinal LIMIT $4
"""

_ANY = """
SELECT edition, ordinal FROM chunks WHERE keys && $1::bigint[] AND {visible} LIMIT $2
"""


class Visible(NamedTuple):
    """Which editions may be found: a condition in SQL, and what it is about."""

    condition: str
    editions: Sequence[int]


async def search(
    connection: Database,
    store_id: str,
    terms: Sequence[str],
    limit: int,
    entries: Collection[int] | None,
) -> Sequence[tuple[Place, float]]:
    """Return (place, score), the best first; ``entries`` are those that may be found."""
    store = await chunk_editions.state_of(connection, store_id)
    if not store.chunks:
        return ()
    keys = StoreKeys(store_id)
    question = await _question(connection, keys, terms, store.chunks)
    visible = await _visible(connection, store_id, store.hidden, entries)
    proposing = _Proposing(connection, keys, visible, max(PROPOSED_MIN, 2 * limit))
    proposed = await proposing.places(question)
    deflated = await chunk_rows.terms_of(connection, store_id, proposed)
    return await asyncio.to_thread(_scored, deflated, question, limit)


async def _question(
    connection: Database, keys: StoreKeys, terms: Sequence[str], chunks: int
) -> Sequence[Term]:
    """Return the terms that no chunk has, and of the others the most telling, in their order."""
    spelt = [one.split("|") for one in dict.fromkeys(terms)]
    counts = await _counts(connection, [[keys[one] for one in several] for several in spelt])
    question = []
    for several, having in zip(spelt, counts, strict=True):
        having = min(having, chunks)  # noqa: PLW2901 - what was dropped just now is counted, too
        question.append(Term(several, having, rarity(chunks, having)))
    known = _known(question)
    return [term for term in question if not term.having or term in known[:SCORED_TERMS_MAX]]


async def _counts(connection: Database, asked: Sequence[Sequence[int]]) -> Sequence[int]:
    """Return how many chunks have one of each term's keys; of many, an estimate."""
    pairs = [(number, key) for number, several in enumerate(asked) for key in several]
    rows = await connection.fetch(
        _COUNTS, [number for number, _ in pairs], [key for _, key in pairs], SAMPLE_COUNTED_MAX
    )
    found = {
        term: sampled * SAMPLED_OF if counted is None else counted
        for term, sampled, counted in rows
    }
    return [found[number] for number in range(len(asked))]


async def _visible(
    connection: Database,
    store_id: str,
    hidden: Sequence[int],
    entries: Collection[int] | None,
) -> Visible:
    if entries is None:
        return Visible("edition NOT IN (SELECT unnest($3::bigint[]))", hidden)
    editions = await chunk_editions.of_entries(connection, store_id, entries)
    return Visible("edition IN (SELECT unnest($3::bigint[]))", editions)


class _Proposing:
    """Finds the chunks that are worth being scored, about ``limit`` of them."""

    def __init__(self, connection: Database, keys: StoreKeys, visible: Visible, limit: int) -> None:
        self._connection = connection
        self._keys = keys
        self._visible = visible
        self._limit = limit

    async def places(self, question: Sequence[Term]) -> Sequence[Place]:
        """Return the chunks that have most of the rarest terms; if these are few, others, too."""
        known = _known(question)
        rare = _rarest(known)
        common = known[len(rare) :]
        found = await self._ranked(self._worth(rare), RANKED_MAX)
        if common and len(found) < self._limit:
            found += await self._ranked(self._worth_in_sample(common), RANKED_MAX // len(common))
        if common and len(found) < self._limit:
            found += await self._any(common)
        return list(dict.fromkeys(found))

    def _worth(self, terms: Iterable[Term]) -> Mapping[int, float]:
        """Return what each key says of a chunk that has it."""
        return {
            key: term.rarity * weight(key)
            for term in terms
            for spelt in term.spellings
            for key in level_keys(self._keys[spelt])
        }

    def _worth_in_sample(self, terms: Iterable[Term]) -> Mapping[int, float]:
        return {key: term.rarity for term in terms for key in sample_keys(self._spelt(term))}

    def _spelt(self, term: Term) -> Sequence[int]:
        return [self._keys[one] for one in term.spellings]

    async def _ranked(self, worth: Mapping[int, float], each_max: int) -> list[Place]:
        """Return the chunks whose keys say most."""
        if not worth:
            return []
        rows = await self._connection.fetch(
            _RANKED.format(visible=self._visible.condition),
            list(worth),
            list(worth.values()),
            self._visible.editions,
            self._limit,
            each_max,
        )
        return [(row[0], row[1]) for row in rows]

    async def _any(self, terms: Iterable[Term]) -> list[Place]:
        """Return chunks that have one of the terms, whichever come first."""
        spelt = chain.from_iterable(map(self._spelt, terms))
        rows = await self._connection.fetch(
            _ANY.format(visible=self._visible.condition),
            [key for one in spelt for key in level_keys(one)],
            self._limit,
            self._visible.editions,
        )
        return [(row[0], row[1]) for row in rows]


def _known(question: Iterable[Term]) -> Sequence[Term]:
    """Return the terms that some chunk has, the rarest first."""
    return sorted((term for term in question if term.having), key=lambda term: term.having)


def _rarest(known: Sequence[Term]) -> Sequence[Term]:
    """Return as many terms as have short lists together; none if even the rarest has a long one."""
    sizes = accumulate(term.having for term in known)
    return [term for term, size in zip(known, sizes, strict=True) if size <= RANKED_MAX]


def _scored(
    deflated: Mapping[Place, bytes], question: Sequence[Term], limit: int
) -> Sequence[tuple[Place, float]]:
    """Score what was proposed; of equals, the older come first. Takes some milliseconds."""
    places = sorted(deflated)
    terms = {
        number: chunk_rows.inflated(deflated[one]).split() for number, one in enumerate(places)
    }
    return [(places[number], score) for number, score in ranked(terms, question, limit)]
