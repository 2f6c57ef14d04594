"""Finding chunks by terms.

Every chunk that has a term of the question is scored, in one array of numbers for each segment;
this costs a few nanoseconds for each chunk and term. The rarest terms are added up first, and a
segment is left as soon as none of its chunks can be among the best any more.

A score is the share of the question's information that a chunk accounts for: the sum over the
terms of rarity times weight, divided by what it would be with full weights. So it is in 0..1, and
means the same for short and long questions. A term that the store does not have counts, too.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, groupby

import msgspec
import numpy as np
from msgspec import Struct

from understudy.storage.sqlite.chunk_best import Array, Best, Span, within
from understudy.storage.sqlite.chunk_segments import (
    BYTES_OF_HIT,
    PAGE_CHUNKS,
    Segment,
    listed,
    split,
)
from understudy.storage.sqlite.chunk_weights import WEIGHT_MAX, rarity

SCORED_TERMS_MAX = 64
_ALL_WEIGHTS = np.arange(WEIGHT_MAX + 1, dtype=np.float32) / WEIGHT_MAX


class _Term(Struct, frozen=True):
    """A term of the question: its spellings, and how much it tells."""

    spellings: Sequence[str]
    rarity: float


def search(
    connection: sqlite3.Connection, terms: Sequence[str], limit: int, spans: Sequence[Span] | None
) -> Sequence[tuple[int, float]]:
    """Return (chunk, score), the best first; ``spans`` are the chunks that may be found."""
    segments = [one for one in listed(connection) if one.edition is None]
    told = _told(connection, segments, terms)
    whole = sum(one.rarity for one in told)
    known = [one for one in told if one.spellings]
    known.sort(key=lambda one: -one.rarity)
    best = Best(limit)
    for page, together in groupby(segments, lambda one: one.page):
        scores = _scores(connection, list(together), known[:SCORED_TERMS_MAX], best.floor)
        ids = np.arange(page * PAGE_CHUNKS, (page + 1) * PAGE_CHUNKS)
        if spans is not None:
            scores[~within(spans, ids)] = 0
        best.add(scores, ids)
    return [(chunk, min(1.0, score / whole)) for chunk, score in best.ranked()]


def _told(
    connection: sqlite3.Connection, segments: Collection[Segment], terms: Sequence[str]
) -> Sequence[_Term]:
    """Weigh the terms of a question; those that no chunk has are left without spellings."""
    chunks = sum(one.chunks for one in segments)
    spelt = [term.split("|") for term in dict.fromkeys(terms)]
    having = _having(connection, segments, {one for several in spelt for one in several})
    told = []
    for several in spelt:
        found = [one for one in several if one in having]
        together = min(chunks, sum(having[one] for one in found))
        told.append(_Term(found, rarity(chunks, together)))
    return told


def _having(
    connection: sqlite3.Connection, segments: Collection[Segment], spellings: Collection[str]
) -> Mapping[str, int]:
    """Return how many chunks have each spelling, without reading which."""
    rows = connection.execute(
        "SELECT term, sum(length(hits)) FROM json_each(?) AS wanted"
        " CROSS JOIN json_each(?) AS searched"
        " JOIN postings ON segment = searched.value AND term = wanted.value GROUP BY term",
        (_json(spellings), _json([one.id for one in segments])),
    )
    return {term: size // BYTES_OF_HIT for term, size in rows}


def _scores(
    connection: sqlite3.Connection,
    segments: Sequence[Segment],
    terms: Sequence[_Term],
    floor: float,
) -> Array:
    """Return a number for each chunk of a page; none reaches the floor if it cannot."""
    scores = np.zeros(PAGE_CHUNKS, np.float32)
    numbers = _json([one.id for one in segments])
    rest = list(accumulate((one.rarity for one in reversed(terms)), initial=0.0))[:0:-1]
    for term, most in zip(terms, rest, strict=True):
        if float(scores.max()) + most < floor:
            break
        _add(connection, numbers, term, scores)
    for segment in segments:
        if (gone := segment.gone) is not None:
            scores[gone] = 0
    return scores


def _add(connection: sqlite3.Connection, segments: str, term: _Term, scores: Array) -> None:
    """Add what a term is worth to the chunks that have it, by the spelling that is worth most."""
    table = _ALL_WEIGHTS * np.float32(term.rarity)
    if len(term.spellings) == 1:
        for places, weights in _postings(connection, segments, term.spellings[0]):
            scores[places] += table[weights]
        return
    most = np.zeros(PAGE_CHUNKS, np.float32)
    for spelling in term.spellings:
        for places, weights in _postings(connection, segments, spelling):
            most[places] = np.maximum(most[places], table[weights])
    scores += most


def _postings(
    connection: sqlite3.Connection, segments: str, spelling: str
) -> Iterator[tuple[Array, Array]]:
    rows = connection.execute(
        "SELECT hits FROM json_each(?) AS searched"
        " CROSS JOIN postings ON segment = searched.value AND term = ?",
        (segments, spelling),
    )
    return (split(row[0]) for row in rows)


def _json(values: Collection[str] | Collection[int]) -> str:
    return msgspec.json.encode(list(values)).decode()
