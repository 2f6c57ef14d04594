"""Gives chunks their vectors on the way to the index."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import structlog
from msgspec.structs import replace

from understudy.errors import UpstreamError
from understudy.storage.chunks import IndexedChunk, Vector
from understudy.upstream.base import Embedder

log = structlog.get_logger("understudy.retrieval")


async def with_vectors(
    batches: AsyncGenerator[Sequence[IndexedChunk]],
    embedder: Embedder | None,
    *,
    store_id: str,
    file_id: str,
) -> AsyncGenerator[Sequence[IndexedChunk]]:
    """Yield the batches with vectors, if there is a model for that.

    When the model fails, the rest of the file goes without: it is found by its words all the same,
    and is read again at the next start (``engine/index_recovery.py``).
    """
    async with aclosing(batches):
        async for batch in batches:
            if embedder is None:
                yield batch
                continue
            try:
                yield await _embedded(batch, embedder)
            except UpstreamError as error:
                log.warning(
                    "chunks_not_embedded",
                    store_id=store_id,
                    file_id=file_id,
                    model=embedder.model,
                    cause=error.message,
                )
                embedder = None
                yield batch


async def _embedded(batch: Sequence[IndexedChunk], embedder: Embedder) -> Sequence[IndexedChunk]:
    vectors = await embedder.embed([one.chunk.text for one in batch])
    return [
        replace(one, vector=Vector(embedder.model, vector))
        for one, vector in zip(batch, vectors, strict=True)
    ]
