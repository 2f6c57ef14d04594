"""Makes lost indexes anew: the passages of a store can always be read from its files again."""

import structlog

from understudy.dispatch.base import Dispatch
from understudy.storage.base import Storage
from understudy.storage.changes import IngestAgain
from understudy.storage.chunks import ChunkIndex

log = structlog.get_logger("understudy.engine")

AT_ONCE_MAX = 1_000


async def recover_indexes(storage: Storage, chunks: ChunkIndex, dispatch: Dispatch) -> None:
    """Have the files of every store ingested again whose index is missing, damaged or too old.

    Call it before anybody ingests: what is being written must not be dropped.
    """
    after = ""
    while stores := await storage.indexed_stores(after, AT_ONCE_MAX):
        for store_id in stores:
            if not await chunks.is_readable(store_id):
                log.warning("index_made_anew", store_id=store_id)
                await chunks.drop_store(store_id)
                await storage.write(IngestAgain(store_id=store_id))
        after = stores[-1]
    await dispatch.announce_entries()
