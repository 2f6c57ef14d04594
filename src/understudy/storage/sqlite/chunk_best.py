"""The best of many scored chunks, and which chunks some spans cover."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Span = tuple[int, int]


class Best:
    """Keeps the chunks with the highest scores; of equal ones, those with the lowest ids."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._scores: Array = np.empty(0, np.float32)
        self._ids: Array = np.empty(0, np.int64)

    @property
    def floor(self) -> float:
        """Return the score that a chunk needs at least; nothing while there is room."""
        return float(self._scores[-1]) if self._full else 0.0

    def add(self, scores: Array, ids: Array) -> None:
        """Take in what is good enough; a score of 0 never is."""
        enough = scores >= self.floor if self.floor else scores > 0
        places = np.flatnonzero(enough)
        if not len(places):
            return
        scores, ids = scores[places], ids[places]
        if len(scores) > self._limit:
            worst = np.partition(scores, -self._limit)[-self._limit]
            kept = scores >= worst
            scores, ids = scores[kept], ids[kept]
        self._scores = np.concatenate((self._scores, scores))
        self._ids = np.concatenate((self._ids, ids))
        order = np.lexsort((self._ids, -self._scores))[: self._limit]
        self._scores, self._ids = self._scores[order], self._ids[order]

    def ranked(self) -> Sequence[tuple[int, float]]:
        """Return (id, score), the best first."""
        return list(zip(self._ids.tolist(), self._scores.tolist(), strict=True))

    @property
    def _full(self) -> bool:
        return len(self._scores) == self._limit


def within(spans: Sequence[Span], ids: Array) -> Array:
    """Return which ids lie in one of the spans, which do not overlap."""
    if not spans:
        return np.zeros(len(ids), bool)
    bounds = np.array(sorted(spans), np.int64)
    nearest = np.searchsorted(bounds[:, 0], ids, "right") - 1
    inside: Array = (nearest >= 0) & (ids <= bounds[nearest, 1])
    return inside
