"""The SQLite storage: reads inline, writes in groups.

A read takes some tens of microseconds, less than handing it to another thread would cost, so
reads run where they are asked for, on a connection of their own; WAL mode lets them go on while
the writer commits.
"""

import sqlite3
from collections.abc import Awaitable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from understudy.storage.base import NO_TURNS
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
from understudy.storage.records import (
    ApiKey,
    Claimable,
    Entries,
    EntryScope,
    Kind,
    Row,
    Rows,
    RunHistory,
    RunRecord,
    Scope,
    Slice,
    StoredBatch,
    StoredEntry,
    Tally,
    Turns,
    UploadRecord,
)
from understudy.storage.sqlite import (
    duties,
    index_upkeep,
    ingestion_queue,
    keys,
    objects,
    runs,
    uploads,
    vector_stores,
)
from understudy.storage.sqlite.database import BUSY_SECONDS, connect, migrate
from understudy.storage.sqlite.groups import Writer
from understudy.storage.sqlite.loop_writer import LoopWriter
from understudy.storage.sqlite.reader import Reader
from understudy.storage.sqlite.thread_writer import ThreadWriter
from understudy.wire.objects.messages import Message


class SqliteStorage:
    """Storage in one file."""

    def __init__(self, path: Path, synchronous: str = "NORMAL") -> None:
        """Open or make the file. Raises Misconfigured when that is impossible."""
        writing = connect(path, synchronous)
        try:
            migrate(writing)
            self._reader = Reader(path, synchronous)
        except BaseException:
            writing.close()
            raise
        self._writer = _writer(writing, path, synchronous)

    async def fetch(self, kind: Kind, scope: Scope, object_id: str) -> Row | None:
        return self._reader.here(objects.fetch, kind, scope, object_id)

    async def page(self, kind: Kind, scope: Scope, part: Slice) -> Rows:
        if scope.metadata:  # may have to look at every row
            return await self._reader.apart(objects.page, kind, scope, part)
        return self._reader.here(objects.page, kind, scope, part)

    async def missing_files(self, project_id: str, file_ids: Sequence[str]) -> list[str]:
        return self._reader.here(objects.missing_files, project_id, file_ids)

    async def users_of_file(self, file_id: str) -> Sequence[tuple[Kind, str]]:
        return self._reader.here(objects.users_of_file, file_id)

    def write(self, *changes: Change) -> Awaitable[Written]:
        return self._writer.submit(partial(_apply, changes))

    async def answered(self, project_id: str, key: str) -> Answer | None:
        return self._reader.here(objects.answered, project_id, key)

    async def unfinished_runs(self, thread_id: str) -> Sequence[str]:
        return self._reader.here(objects.unfinished_runs, thread_id)

    async def run_record(self, run_id: str) -> RunRecord | None:
        return self._reader.here(runs.record, run_id)

    async def run_history(self, scope: Scope, run_id: str) -> RunHistory | None:
        return self._reader.here(runs.history, scope, run_id)

    async def thread_messages(self, thread_id: str) -> Sequence[Message]:
        if self._reader.here(runs.is_long_thread, thread_id):
            return await self._reader.apart(runs.thread_messages, thread_id)
        return self._reader.here(runs.thread_messages, thread_id)

    async def claimable(
        self, now: float, limit: int, project_id: str | None = None
    ) -> Sequence[Claimable]:
        return self._reader.here(runs.claimable, now, limit, project_id)

    async def overdue(self, now: float, limit: int) -> Sequence[str]:
        return self._reader.here(runs.overdue, now, limit)

    async def renew_leases(self, attempts: Mapping[str, int], until: float) -> set[str]:
        return await self._writer.submit(partial(runs.renew_leases, attempts=attempts, until=until))

    async def release_leases(self, attempts: Mapping[str, int]) -> None:
        await self._writer.submit(partial(runs.release_leases, attempts=attempts))

    async def hold_duty(self, duty: str, owner: str, now: float, until: float) -> bool:
        return await self._writer.submit(
            partial(duties.hold, duty=duty, owner=owner, now=now, until=until)
        )

    async def drop_all_leases(self) -> None:
        await self._writer.submit(runs.drop_all_leases)
        await self._writer.submit(ingestion_queue.drop_all_leases)

    async def forget_answers(self, before: int) -> None:
        await self._writer.submit(partial(_forget_answers, before=before))

    async def expired_files(self, now: int, limit: int) -> Sequence[tuple[str, str]]:
        return self._reader.here(objects.expired_files, now, limit)

    async def upload_record(self, project_id: str, upload_id: str) -> UploadRecord | None:
        return self._reader.here(uploads.record, project_id, upload_id)

    async def expired_uploads(self, now: int, limit: int) -> Sequence[tuple[str, str]]:
        return self._reader.here(uploads.expired, now, limit)

    async def unclaimed_bytes(self, now: int, limit: int) -> Sequence[str]:
        return self._reader.here(uploads.unclaimed, now, limit)

    async def forget_unclaimed_bytes(self, keys: Sequence[str]) -> None:
        await self._writer.submit(partial(uploads.forget_unclaimed, keys=keys))

    async def tallies(self, store_ids: Collection[str]) -> Mapping[str, Tally]:
        return self._reader.here(vector_stores.tallies, store_ids)

    async def entry(self, project_id: str, store_id: str, file_id: str) -> StoredEntry | None:
        return self._reader.here(vector_stores.entry, project_id, store_id, file_id)

    async def entries_page(self, scope: EntryScope, part: Slice) -> Entries:
        return self._reader.here(vector_stores.entries_page, scope, part)

    async def searchable_entries(self, store_id: str) -> Sequence[StoredEntry]:
        return await self._reader.apart(vector_stores.searchable_entries, store_id)

    async def live_entries(self, entries: Collection[int]) -> Mapping[int, StoredEntry]:
        return self._reader.here(vector_stores.live_entries, entries)

    async def batch(self, project_id: str, store_id: str, batch_id: str) -> StoredBatch | None:
        return self._reader.here(vector_stores.batch, project_id, store_id, batch_id)

    async def has_entries_in_progress(self, store_ids: Collection[str]) -> bool:
        return self._reader.here(vector_stores.has_entries_in_progress, store_ids)

    async def ingestible(
        self, now: float, limit: int, turns: Turns = NO_TURNS
    ) -> Sequence[StoredEntry]:
        return self._reader.here(ingestion_queue.ingestible, now, limit, turns)

    async def renew_entry_leases(self, attempts: Mapping[int, int], until: float) -> set[int]:
        return await self._writer.submit(
            partial(ingestion_queue.renew_leases, attempts=attempts, until=until)
        )

    async def indexed_stores(self, after: str, limit: int) -> Sequence[str]:
        return await self._reader.apart(index_upkeep.indexed_stores, after, limit)

    async def unneeded_entries(self, now: float, limit: int) -> Sequence[tuple[str, int]]:
        return self._reader.here(index_upkeep.unneeded_entries, now, limit)

    async def unneeded_stores(self, now: int, limit: int) -> Sequence[str]:
        return self._reader.here(index_upkeep.unneeded_stores, now, limit)

    async def find_key(self, key_hash: str) -> ApiKey | None:
        return self._reader.here(keys.find, key_hash)

    async def list_keys(self) -> Sequence[ApiKey]:
        return self._reader.here(keys.list_all)

    async def add_key(self, key: ApiKey) -> None:
        await self._writer.submit(partial(keys.add, key=key))

    async def revoke_key(self, key_hash: str, now: int) -> bool:
        return await self._writer.submit(partial(keys.revoke, key_hash=key_hash, now=now))

    async def default_project(self, now: int) -> str:
        return await self._writer.submit(partial(keys.default_project, now=now))

    async def project(self, name: str, now: int) -> str:
        return await self._writer.submit(partial(keys.add_project, name=name, now=now))

    async def check(self) -> None:
        self._reader.here(keys.list_all)
        await self._writer.submit(_touch)

    async def close(self) -> None:
        await self._writer.close()
        self._reader.close()


def _writer(connection: sqlite3.Connection, path: Path, synchronous: str) -> Writer:
    """Return the writer for commits that wait for the disk, or for those that do not."""
    if synchronous == "FULL":
        return ThreadWriter(connection)
    return LoopWriter(connection, path, busy_seconds=BUSY_SECONDS)


def _touch(connection: sqlite3.Connection) -> None:
    """Write without a change: enough for a full disk or a read-only file to show."""
    connection.execute("UPDATE projects SET name = name WHERE sequence = 1")


def _forget_answers(connection: sqlite3.Connection, before: int) -> None:
    connection.execute("DELETE FROM answers WHERE created_at < ?", (before,))


def _apply(changes: Sequence[Change], connection: sqlite3.Connection) -> Written:
    """Apply the changes of one caller; several of them need a savepoint to be all or none."""
    if len(changes) == 1:
        return _apply_one(connection, changes[0])
    connection.execute("SAVEPOINT several")
    try:
        written = Written()
        for change in changes:
            written = both(written, _apply_one(connection, change))
    except BaseException:
        if connection.in_transaction:  # a full disk makes SQLite roll back everything by itself
            connection.execute("ROLLBACK TO several")
            connection.execute("RELEASE several")
        raise
    if not written.applied:
        connection.execute("ROLLBACK TO several")
    connection.execute("RELEASE several")
    return written


def _apply_one(connection: sqlite3.Connection, change: Change) -> Written:
    if isinstance(change, StartRun):
        return runs.start(connection, change)
    if isinstance(change, CommitRun):
        return runs.commit(connection, change)
    if isinstance(change, ClaimEntry):
        return ingestion_queue.claim(connection, change)
    if isinstance(change, EndEntry):
        return ingestion_queue.end(connection, change)
    _WRITERS[type(change)](connection, change)
    return Written()


_WRITERS: dict[type[Change], Any] = {
    Insert: objects.insert,
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
    ReleaseEntry: ingestion_queue.release,
    IngestAgain: ingestion_queue.ingest_again,
    ForgetEntryIndex: index_upkeep.forget_entry_index,
    ForgetStoreIndex: index_upkeep.forget_store_index,
}
