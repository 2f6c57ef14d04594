"""How well passages answer a question: BM25, and how close the question's words stand.

An index proposes passages by whatever it is fast at; what is proposed is scored here, so that
scores mean the same with every database.

A passage's share is that of the question's information which it accounts for: the sum over the
terms of rarity times weight, divided by what it would be with full weights. So it is in 0..1 and
means the same for short and long questions, and a term that no passage has counts, too. Among
passages of like shares, those come first in which neighbours of the question are neighbours.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

SATURATION = 1.2
LENGTH_SHARE = 0.75
# Length is measured against a fixed one, so that scores do not age while a store grows.
LENGTH_TERMS = 300
# How much of what a passage lacks closeness can make up for, and how far it reaches.
CLOSENESS_SHARE = 0.2
DISTANCE_MAX = 4
COMPARED_MIN = 50

Ranking = list[tuple[int, float]]
Places = Mapping[str, Sequence[int]]


class Term(Struct, frozen=True):
    """A term of a question: its spellings, how many passages have it, and what that tells."""

    spellings: Sequence[str]
    having: int
    rarity: float


def rarity(passages: int, having: int) -> float:
    """Return what it tells of a passage that it has a term that so many have (BM25's idf)."""
    return math.log(1 + (passages - having + 0.5) / (having + 0.5))


def half_count(terms: int) -> float:
    """Return how often a term stands in a passage of so many terms that gives it half its weight.

    A term that stands there ``count`` times has the weight count / (count + half).
    """
    return SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * terms / LENGTH_TERMS)


def ranked(proposed: Mapping[int, Sequence[str]], question: Sequence[Term], limit: int) -> Ranking:
    """Return the best passages and their scores in 0..1, best first.

    ``proposed`` are the terms of each passage and ``question`` its own, both in their order.
    """
    shares = [(id_, _share(terms, question)) for id_, terms in proposed.items()]
    best = _sorted(shares)[: max(COMPARED_MIN, limit)]
    pairs = _neighbours(question)
    scored = [(id_, _closer(share, proposed[id_], pairs)) for id_, share in best if share > 0]
    return _sorted(scored)[:limit]


def _sorted(scores: Sequence[tuple[int, float]]) -> Ranking:
    return sorted(scores, key=lambda one: (-one[1], one[0]))


def _share(terms: Sequence[str], question: Sequence[Term]) -> float:
    counts: dict[str, int] = defaultdict(int)
    for term in terms:
        counts[term] += 1
    half = half_count(len(terms))
    whole = found = 0.0
    for asked in question:
        count = max(counts.get(one, 0) for one in asked.spellings)
        found += asked.rarity * count / (count + half)
        whole += asked.rarity
    return found / whole if whole else 0.0


def _neighbours(question: Sequence[Term]) -> list[tuple[Term, Term]]:
    """Return terms that follow each other. Pairs of characters that overlap always do."""
    return [
        (one, two)
        for one, two in pairwise(question)
        if not (_is_pair(one) and _is_pair(two) and one.spellings[0][1] == two.spellings[0][0])
    ]


def _is_pair(term: Term) -> bool:
    spelt = term.spellings[0]
    return len(spelt) == 2 and not spelt.isascii()  # noqa: PLR2004 - a pair is two


def _closer(share: float, terms: Sequence[str], pairs: Sequence[tuple[Term, Term]]) -> float:
    """Return the score of a passage that has such a share."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, term in enumerate(terms):
        places[term].append(place)
    whole = near = 0.0
    for one, two in pairs:
        worth = min(one.rarity, two.rarity)
        whole += worth
        distance = _distance(_places(one, places), _places(two, places))
        near += worth / distance if distance <= DISTANCE_MAX else 0.0
    closeness = near / whole if whole else 0.0
    return share + CLOSENESS_SHARE * closeness * (1 - share)


def _places(term: Term, places: Places) -> Sequence[int]:
    if len(term.spellings) == 1:
        return places.get(term.spellings[0], ())
    return sorted(place for one in term.spellings for place in places.get(one, ()))


def _distance(ones: Sequence[int], twos: Sequence[int]) -> float:
    """Return how far apart the nearest two are, both in ascending order."""
    at = other = 0
    nearest = math.inf
    while at < len(ones) and other < len(twos):
        between = twos[other] - ones[at]
        nearest = min(nearest, abs(between) or nearest)
        if between > 0:
            at += 1
        else:
            other += 1
    return nearest
