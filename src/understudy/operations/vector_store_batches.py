"""Batches: files that were added to a vector store together (VS-09)."""

from collections.abc import Sequence

from understudy.ids import new_id
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, retried
from understudy.operations.refusals import no_such_batch
from understudy.operations.vector_store_files import additions
from understudy.storage.changes import CancelBatch
from understudy.storage.records import StoredBatch
from understudy.wire.encoding import encode
from understudy.wire.objects.vector_stores import BatchStatus, FileCounts, VectorStoreFileBatch
from understudy.wire.params.vector_store_files import NewStoreFile


async def create(
    ports: Ports, caller: Caller, store_id: str, files: Sequence[NewStoreFile]
) -> VectorStoreFileBatch:
    """Add files to a store together (VS-05)."""
    batch_id = new_id("vsfb")
    count = len({file.file_id for file in files})

    async def attempt() -> VectorStoreFileBatch:
        now = ports.now
        changes = await additions(ports, caller, store_id, files, now, batch_id)
        batch = VectorStoreFileBatch(
            id=batch_id,
            created_at=now,
            status="in_progress",
            vector_store_id=store_id,
            file_counts=FileCounts(in_progress=count, total=count),
        )
        answers = caller.answers("file_batch", encode(batch), (), now)
        await ports.storage.write(*answers, *changes)
        return batch

    batch = await retried(attempt)
    await ports.dispatch.announce_entries()
    return batch


async def get(ports: Ports, caller: Caller, store_id: str, batch_id: str) -> VectorStoreFileBatch:
    """Return a batch. Raises NotFound, for the store first (ERR-41)."""
    await find(ports, caller, "vector_store", store_id)
    batch = await ports.storage.batch(caller.project_id, store_id, batch_id)
    if batch is None:
        raise no_such_batch(store_id, batch_id)
    return _shown(batch)


async def cancel(
    ports: Ports, caller: Caller, store_id: str, batch_id: str
) -> VectorStoreFileBatch:
    """Cancel what is in progress; a batch with nothing in progress stays as it is (VS-09).

    To cancel again changes nothing, so an Idempotency-Key needs no memory.
    """
    await get(ports, caller, store_id, batch_id)
    await ports.storage.write(CancelBatch(project_id=caller.project_id, batch_id=batch_id))
    return await get(ports, caller, store_id, batch_id)


def _shown(batch: StoredBatch) -> VectorStoreFileBatch:
    return VectorStoreFileBatch(
        id=batch.id,
        created_at=batch.created_at,
        status=_status(batch),
        vector_store_id=batch.store_id,
        file_counts=batch.counts,
    )


def _status(batch: StoredBatch) -> BatchStatus:
    if batch.cancelled:
        return "cancelled"
    return "in_progress" if batch.counts.in_progress else "completed"
