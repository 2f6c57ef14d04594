"""Makes lost indexes anew: the passages of a store can always be read from its files again.

The same is done for files that have no vectors of the present embedding model, since it failed when
they were read, or another one was there.
"""

import asyncio

import structlog

from understudy.dispatch.base import Dispatch
from understudy.errors import UpstreamError
from understudy.storage.base import Storage
from understudy.storage.changes import IngestAgain
from understudy.storage.chunks import ChunkIndex
from understudy.upstream.base import Embedder

log = structlog.get_logger("understudy.engine")

AT_ONCE_MAX = 1_000
PROBE_SECONDS_MAX = 10.0


async def recover_indexes(
    storage: Storage, chunks: ChunkIndex, dispatch: Dispatch, embedder: Embedder | None = None
) -> None:
    """Have the files ingested again that an index lacks, or whose index cannot be read.

    Call it before anybody ingests: what is being written must not be dropped.
    """
    after = ""
    while stores := await storage.indexed_stores(after, AT_ONCE_MAX):
        for store_id in stores:
            if not await _is_there(storage, chunks, store_id):
                continue
            if embedder is not None and not await _embed(storage, chunks, embedder, store_id):
                embedder = None
        after = stores[-1]
    await dispatch.announce_entries()


async def _is_there(storage: Storage, chunks: ChunkIndex, store_id: str) -> bool:
    """Have the files ingested again that the index lacks; return whether there is an index."""
    # Read first: what is completed meanwhile is in the index before it is completed.
    completed = await storage.searchable_entries(store_id)
    there = await chunks.entries(store_id)
    if there is None:
        log.warning("index_made_anew", store_id=store_id)
        await chunks.drop_store(store_id)
        await storage.write(IngestAgain(store_id=store_id))
        return False
    lacking = [one.entry for one in completed if one.entry not in there]
    if lacking:
        log.warning("index_completed", store_id=store_id, files=len(lacking))
        await storage.write(IngestAgain(store_id=store_id, entries=tuple(lacking)))
    return True


async def _embed(storage: Storage, chunks: ChunkIndex, embedder: Embedder, store_id: str) -> bool:
    """Have the files ingested again that lack vectors; return False if the model is not there."""
    lacking = await chunks.entries_without_vectors(store_id, embedder.model)
    if not lacking:
        return True
    if not await _answers(embedder):
        return False
    log.warning("vectors_made_anew", store_id=store_id, model=embedder.model, files=len(lacking))
    await storage.write(IngestAgain(store_id=store_id, entries=tuple(lacking)))
    return True


async def _answers(embedder: Embedder) -> bool:
    """Return whether the model does; if not, files had better go on being found by their words."""
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            await embedder.embed(["Is anybody there?"])
    except (UpstreamError, TimeoutError) as error:
        cause = str(error) or "timeout"
        log.warning("vectors_not_made_anew", model=embedder.model, cause=cause)
        return False
    return True
