"""How much a term counts in a passage: BM25, cut in two.

What depends on the passage alone, how often it has the term and how long it is, is a weight of one
byte that is stored. What depends on the whole store, how rare the term is, is known when somebody
searches. Length is measured against a fixed one, so that no weight ages while the store grows.
"""

import math
from collections import Counter
from collections.abc import Iterator

WEIGHT_MAX = 255
SATURATION = 1.2
LENGTH_SHARE = 0.75
LENGTH_TERMS = 300


def weights(terms: str) -> Iterator[tuple[str, int]]:
    """Yield the terms of a passage, each once, with their weights from 1 to WEIGHT_MAX."""
    counts = Counter(terms.split())
    length = sum(counts.values())
    half = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * length / LENGTH_TERMS)
    known: dict[int, int] = {}
    for term, count in counts.items():
        weight = known.get(count)
        if weight is None:
            weight = known[count] = max(1, round(WEIGHT_MAX * count / (count + half)))
        yield term, weight


def rarity(chunks: int, having: int) -> float:
    """Return what it tells of a passage that it has a term that so many have (BM25's idf)."""
    return math.log(1 + (chunks - having + 0.5) / (having + 0.5))
