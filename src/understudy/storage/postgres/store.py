"""The PostgreSQL storage: reads on shared connections, writes in groups on a few of their own."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from functools import partial

from understudy.storage.base import NO_TURNS
from understudy.storage.changes import Answer, Change, Written
from understudy.storage.postgres import (
    duties,
    index_upkeep,
    ingestion_queue,
    keys,
    objects,
    runs,
    uploads,
    vector_stores,
)
from understudy.storage.postgres.connecting import open_pool
from understudy.storage.postgres.migrating import check_schema
from understudy.storage.postgres.reader import Reader
from understudy.storage.postgres.remembered_keys import RememberedKeys
from understudy.storage.postgres.session import Session
from understudy.storage.postgres.writer import Writer
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
from understudy.wire.objects.messages import Message

READERS_MAX = 10
WRITERS = 2
LEASES_MAX = 2


class PostgresStorage:
    """Storage in a database that other processes use, too."""

    def __init__(self, reader: Reader, leases: Reader, writer: Writer) -> None:
        """Take what ``open`` has made.

        Leases are renewed on connections of their own: behind many reads they would run out, and
        others would do all the work again.
        """
        self._reader = reader
        self._leases = leases
        self._writer = writer
        self._keys = RememberedKeys(reader)

    @classmethod
    async def open(
        cls, url: str, *, readers_max: int = READERS_MAX, writers: int = WRITERS
    ) -> "PostgresStorage":
        """Connect. The process has at most ``readers_max + writers + 2`` connections.

        Raises Misconfigured when the server cannot be reached, or its schema is not there or
        older than this release.
        """
        pool = await open_pool(url, readers_max)
        try:
            async with pool.acquire() as connection:
                await check_schema(connection)
        except BaseException:
            pool.terminate()
            raise
        leases = Reader(await open_pool(url, LEASES_MAX))
        return cls(Reader(pool), leases, Writer([Session(url) for _ in range(writers)]))

    @property
    def reader(self) -> Reader:
        """Return the shared connections, for the index of chunks beside the rows."""
        return self._reader

    async def fetch(self, kind: Kind, scope: Scope, object_id: str) -> Row | None:
        return await objects.fetch(self._reader, kind, scope, object_id)

    async def page(self, kind: Kind, scope: Scope, part: Slice) -> Rows:
        return await objects.page(self._reader, kind, scope, part)

    async def missing_files(self, project_id: str, file_ids: Sequence[str]) -> list[str]:
        return await objects.missing_files(self._reader, project_id, file_ids)

    async def users_of_file(self, file_id: str) -> Sequence[tuple[Kind, str]]:
        return await objects.users_of_file(self._reader, file_id)

    def write(self, *changes: Change) -> Awaitable[Written]:
        return self._writer.submit(changes)

    async def answered(self, project_id: str, key: str) -> Answer | None:
        return await objects.answered(self._reader, project_id, key)

    async def unfinished_runs(self, thread_id: str) -> Sequence[str]:
        return await objects.unfinished_runs(self._reader, thread_id)

    async def run_record(self, run_id: str) -> RunRecord | None:
        return await runs.record(self._reader, run_id)

    async def run_history(self, scope: Scope, run_id: str) -> RunHistory | None:
        return await runs.history(self._reader, scope, run_id)

    async def thread_messages(self, thread_id: str) -> Sequence[Message]:
        return await runs.thread_messages(self._reader, thread_id)

    async def claimable(
        self, now: float, limit: int, project_id: str | None = None
    ) -> Sequence[Claimable]:
        return await runs.claimable(self._reader, now, limit, project_id)

    async def overdue(self, now: float, limit: int) -> Sequence[str]:
        return await runs.overdue(self._reader, now, limit)

    async def renew_leases(self, attempts: Mapping[str, int], until: float) -> set[str]:
        return await runs.renew_leases(self._leases, attempts, until)

    async def release_leases(self, attempts: Mapping[str, int]) -> None:
        await runs.release_leases(self._leases, attempts)

    async def hold_duty(self, duty: str, owner: str, now: float, until: float) -> bool:
        return await duties.hold(self._leases, duty, owner, now, until)

    async def drop_all_leases(self) -> None:
        await runs.drop_all_leases(self._reader)
        await ingestion_queue.drop_all_leases(self._reader)

    async def forget_answers(self, before: int) -> None:
        await objects.forget_answers(self._reader, before)

    async def expired_files(self, now: int, limit: int) -> Sequence[tuple[str, str]]:
        return await objects.expired_files(self._reader, now, limit)

    async def upload_record(self, project_id: str, upload_id: str) -> UploadRecord | None:
        return await uploads.record(self._reader, project_id, upload_id)

    async def expired_uploads(self, now: int, limit: int) -> Sequence[tuple[str, str]]:
        return await uploads.expired(self._reader, now, limit)

    async def unclaimed_bytes(self, now: int, limit: int) -> Sequence[str]:
        return await uploads.unclaimed(self._reader, now, limit)

    async def forget_unclaimed_bytes(self, keys: Sequence[str]) -> None:
        await uploads.forget_unclaimed(self._reader, keys)

    async def tallies(self, store_ids: Collection[str]) -> Mapping[str, Tally]:
        return await vector_stores.tallies(self._reader, store_ids)

    async def entry(self, project_id: str, store_id: str, file_id: str) -> StoredEntry | None:
        return await vector_stores.entry(self._reader, project_id, store_id, file_id)

    async def entries_page(self, scope: EntryScope, part: Slice) -> Entries:
        return await vector_stores.entries_page(self._reader, scope, part)

    async def searchable_entries(self, store_id: str) -> Sequence[StoredEntry]:
        return await vector_stores.searchable_entries(self._reader, store_id)

    async def live_entries(self, entries: Collection[int]) -> Mapping[int, StoredEntry]:
        return await vector_stores.live_entries(self._reader, entries)

    async def batch(self, project_id: str, store_id: str, batch_id: str) -> StoredBatch | None:
        return await vector_stores.batch(self._reader, project_id, store_id, batch_id)

    async def has_entries_in_progress(self, store_ids: Collection[str]) -> bool:
        return await vector_stores.has_entries_in_progress(self._reader, store_ids)

    async def ingestible(
        self, now: float, limit: int, turns: Turns = NO_TURNS
    ) -> Sequence[StoredEntry]:
        return await ingestion_queue.ingestible(self._reader, now, limit, turns)

    async def renew_entry_leases(self, attempts: Mapping[int, int], until: float) -> set[int]:
        return await ingestion_queue.renew_leases(self._leases, attempts, until)

    async def indexed_stores(self, after: str, limit: int) -> Sequence[str]:
        return await index_upkeep.indexed_stores(self._reader, after, limit)

    async def unneeded_entries(self, now: float, limit: int) -> Sequence[tuple[str, int]]:
        return await index_upkeep.unneeded_entries(self._reader, now, limit)

    async def unneeded_stores(self, now: int, limit: int) -> Sequence[str]:
        return await index_upkeep.unneeded_stores(self._reader, now, limit)

    async def find_key(self, key_hash: str) -> ApiKey | None:
        return await self._keys.find(key_hash)

    async def list_keys(self) -> Sequence[ApiKey]:
        return await keys.list_all(self._reader)

    async def add_key(self, key: ApiKey) -> None:
        await keys.add(self._reader, key)

    async def revoke_key(self, key_hash: str, now: int) -> bool:
        return await self._keys.revoke(key_hash, now)

    async def default_project(self, now: int) -> str:
        return await self._reader.transaction(partial(keys.default_project, now=now))

    async def project(self, name: str, now: int) -> str:
        return await self._reader.transaction(partial(keys.add_project, name=name, now=now))

    async def check(self) -> None:
        # A transaction with an id of its own is written down, so that a standby shows, too.
        await self._reader.transaction(lambda one: one.execute("SELECT pg_current_xact_id()"))
        await self._writer.submit(())

    async def close(self) -> None:
        await self._writer.close()
        await self._leases.close()
        await self._reader.close()
