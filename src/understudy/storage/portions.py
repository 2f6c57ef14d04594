"""Portions that are worth a transaction, made of batches of any size."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_portions(batches: AsyncIterator[Sequence[T]], size: int) -> AsyncIterator[Sequence[T]]:
    """Yield what the batches hold, so many at a time; the last portion is what is left."""
    waiting: list[T] = []
    async for batch in batches:
        waiting.extend(batch)
        while len(waiting) >= size:
            yield waiting[:size]
            del waiting[:size]
    if waiting:
        yield waiting
