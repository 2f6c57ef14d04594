"""A write by itself: its changes one after the other, in one transaction, whatever they are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from understudy.storage.changes import (
    AbandonBytes,
    AddEntries,
    AddPart,
    Answer,
    CancelBatch,
    Change,
    ChangeAttributes,
    ClaimBytes,
    ClaimEntry,
    CommitRun,
    Delete,
    EndEntry,
    EndUpload,
    ExpectBytes,
    ForgetEntryIndex,
    ForgetStoreIndex,
    IngestAgain,
    Insert,
    OpenUpload,
    ReleaseEntry,
    RemoveEntry,
    Replace,
    StartRun,
    Written,
)
from understudy.storage.outcomes import both
from understudy.storage.postgres import (
    index_upkeep,
    ingestion_queue,
    objects,
    runs,
    uploads,
    vector_stores,
)
from understudy.storage.postgres.connecting import Database


async def apply_alone(database: Database, changes: Sequence[Change]) -> Written:
    """Apply the changes of one write in their order, up to the first that does not apply.

    What was done by then is to be rolled back. Raises what a change is refused with.
    """
    written = Written()
    for change in changes:
        one = await _WRITERS[type(change)](database, change)
        written = both(written, one or Written())
        if not written.applied:
            break
    return written


_WRITERS: Mapping[type[Change], Callable[[Database, Any], Awaitable[Written | None]]] = {
    Insert: objects.add,
    StartRun: runs.start,
    CommitRun: runs.commit,
    Replace: objects.replace,
    Delete: objects.delete,
    Answer: objects.remember,
    OpenUpload: uploads.open_upload,
    AddPart: uploads.add_part,
    EndUpload: uploads.end,
    ExpectBytes: uploads.expect_bytes,
    ClaimBytes: uploads.claim_bytes,
    AbandonBytes: uploads.abandon_bytes,
    AddEntries: vector_stores.add_entries,
    RemoveEntry: vector_stores.remove_entry,
    ChangeAttributes: vector_stores.change_attributes,
    CancelBatch: vector_stores.cancel_batch,
    ClaimEntry: ingestion_queue.claim,
    EndEntry: ingestion_queue.end,
    ReleaseEntry: ingestion_queue.release,
    IngestAgain: ingestion_queue.ingest_again,
    ForgetEntryIndex: index_upkeep.forget_entry_index,
    ForgetStoreIndex: index_upkeep.forget_store_index,
}
