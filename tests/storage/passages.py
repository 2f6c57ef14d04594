"""Passages for the tests of the chunk index."""

import struct
from collections.abc import AsyncIterator, Sequence

from understudy.retrieval.terms import index_terms
from understudy.storage.chunks import Chunk, IndexedChunk, Vector

MODEL = "model-one"


def passage(text: str, vector: Sequence[float] | None = None, model: str = MODEL) -> IndexedChunk:
    """Make a passage as the reading of a file does."""
    chunk = Chunk(text=text, start=0, end=len(text), tokens=len(text) // 4 + 1)
    packed = None if vector is None else pack(vector, model)
    return IndexedChunk(chunk=chunk, terms=index_terms(text), vector=packed)


def pack(vector: Sequence[float], model: str = MODEL) -> Vector:
    """Pack a vector as the port wants it."""
    return Vector(model, struct.pack(f"<{len(vector)}f", *vector))


async def batches(
    *passages: str | IndexedChunk, size: int = 2
) -> AsyncIterator[list[IndexedChunk]]:
    """Yield passages, a few at a time."""
    ready = [passage(one) if isinstance(one, str) else one for one in passages]
    for start in range(0, len(ready), size):
        yield ready[start : start + size]
