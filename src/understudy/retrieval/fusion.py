"""Making one ranking of several, with scores that mean something."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from understudy.storage.chunks import Hit

# The constant of reciprocal rank fusion: how little the first places differ from each other.
RANK_OFFSET = 60

Place = tuple[int, int]


class Weights(Struct, frozen=True, kw_only=True):
    """How much nearness of meaning and common words count; only their proportion matters."""

    embedding: float = 1.0
    text: float = 1.0


def merged(rankings: Iterable[Sequence[Hit]]) -> list[Hit]:
    """Return the hits of all rankings, best first, each chunk once and with its best score."""
    best: dict[Place, Hit] = {}
    for hit in (hit for ranking in rankings for hit in ranking):
        known = best.get(_place(hit))
        if known is None or known.score < hit.score:
            best[_place(hit)] = hit
    return sorted(best.values(), key=lambda hit: -hit.score)


def fused(lexical: Sequence[Hit], near: Sequence[Hit], weights: Weights) -> list[Hit]:
    """Return what was found by words or by meaning, in the order of reciprocal rank fusion.

    The order follows from ranks alone, which say nothing about how good a hit is. So the score is
    the weighted mean of both scores, 0 for the one that a chunk was not found by; and where it
    would rise along the order, neighbours share their mean.
    """
    order: dict[Place, float] = {}
    relevance: dict[Place, float] = {}
    hits: dict[Place, Hit] = {}
    whole = weights.text + weights.embedding
    for ranking, weight in ((lexical, weights.text / whole), (near, weights.embedding / whole)):
        for rank, hit in enumerate(ranking, start=1):
            place = _place(hit)
            hits[place] = hit
            order[place] = order.get(place, 0) + weight / (RANK_OFFSET + rank)
            relevance[place] = relevance.get(place, 0) + weight * hit.score
    places = sorted(hits, key=lambda place: -order[place])
    scores = never_rising([relevance[place] for place in places])
    return [replace(hits[at], score=score) for at, score in zip(places, scores, strict=True)]


def never_rising(scores: Sequence[float]) -> list[float]:
    """Return the scores with neighbours that rise replaced by their mean, until none rise."""
    blocks: list[tuple[float, int]] = []
    for score in scores:
        mean, count = score, 1
        while blocks and blocks[-1][0] < mean:
            other, others = blocks.pop()
            mean = (mean * count + other * others) / (count + others)
            count += others
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]


def _place(hit: Hit) -> Place:
    return hit.entry, hit.ordinal
