"""Vector stores. What is stored says nothing of files or of the clock; ``shown`` adds it."""

import asyncio
from collections.abc import Sequence

from msgspec import UNSET, Struct
from msgspec.structs import replace

from understudy.ids import new_id
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, page, retried
from understudy.operations.refusals import files_not_found, no_such, store_expired
from understudy.retrieval.store_use import expiry, has_expired, replacing
from understudy.storage.changes import AddEntries, Change, Delete, Insert, NewEntry
from understudy.storage.records import Conflict, Row, Scope, Slice, Tally
from understudy.wire.encoding import decode_file, decode_vector_store, encode
from understudy.wire.objects.vector_stores import (
    Attributes,
    ExpiresAfter,
    FileCounts,
    StaticChunking,
    StoreStatus,
    VectorStore,
)
from understudy.wire.params.vector_stores import NewVectorStore, VectorStoreChanges

_READ_AT_ONCE = 100


class Stores(Struct, frozen=True):
    """A page of vector stores."""

    stores: Sequence[VectorStore]
    has_more: bool


async def create(ports: Ports, caller: Caller, new: NewVectorStore) -> VectorStore:
    """Create a vector store; its files are ingested from now on (VS-02, VS-05)."""
    count = len(set(new.file_ids))

    async def attempt() -> VectorStore:
        store, changes = await prepare(ports, caller, new)
        made = shown(store, Tally(counts=FileCounts(in_progress=count, total=count)), ports.now)
        answers = caller.answers("vector_store", encode(made), (), ports.now)
        await ports.storage.write(*answers, *changes)
        return made

    made = await retried(attempt)
    if count:
        await ports.dispatch.announce_entries()
    return made


async def prepare(
    ports: Ports, caller: Caller, new: NewVectorStore
) -> tuple[VectorStore, tuple[Change, ...]]:
    """Return a new store, and what has to be written for it. Raises before anything is.

    The write meets a Conflict when a file is deleted meanwhile. If there are files, call
    ``dispatch.announce_entries`` after it.
    """
    entries = await entries_for(ports, caller, new.file_ids, new.chunking)
    store = _made(new, ports.now)
    insert = Insert(
        kind="vector_store",
        project_id=caller.project_id,
        id=store.id,
        created_at=store.created_at,
        body=encode(store),
        expires_at=store.expires_at,
    )
    if not entries:
        return store, (insert,)
    added = AddEntries(
        project_id=caller.project_id,
        store_id=store.id,
        created_at=store.created_at,
        entries=entries,
    )
    return store, (insert, added)


def _made(new: NewVectorStore, now: int) -> VectorStore:
    days = new.expires_after_days
    expires_after = None if days is None else ExpiresAfter(days=days)
    return VectorStore(
        id=new_id("vs"),
        created_at=now,
        name=new.name,
        description=new.description,
        expires_after=expires_after,
        expires_at=expiry(expires_after, now),
        last_active_at=now,
        metadata=new.metadata,
    )


async def entries_for(
    ports: Ports,
    caller: Caller,
    file_ids: Sequence[str],
    chunking: StaticChunking,
    attributes: Attributes | None = None,
) -> tuple[NewEntry, ...]:
    """Return files as they join a store, each once. Raises NotFound for unknown ones (ERR-43)."""
    names = await filenames(ports, caller, file_ids)
    return tuple(
        new_entry(file_id, name, chunking, attributes or {}) for file_id, name in names.items()
    )


def new_entry(
    file_id: str, filename: str, chunking: StaticChunking, attributes: Attributes
) -> NewEntry:
    """Return a file as it joins a store."""
    return NewEntry(
        file_id=file_id,
        filename=filename,
        size_tokens=chunking.max_chunk_size_tokens,
        overlap_tokens=chunking.chunk_overlap_tokens,
        attributes=attributes,
    )


async def filenames(ports: Ports, caller: Caller, file_ids: Sequence[str]) -> dict[str, str]:
    """Return the name of each file. Raises NotFound for files that the project does not have."""
    scope = Scope(project_id=caller.project_id)
    rows: dict[str, Row | None] = {}
    for file_id in file_ids:
        rows[file_id] = await ports.storage.fetch("file", scope, file_id)
        if len(rows) % _READ_AT_ONCE == 0:
            await asyncio.sleep(0)  # a read need not let go of the loop, and others wait for it
    missing = [file_id for file_id, row in rows.items() if row is None]
    if missing:
        raise files_not_found(missing)
    return {file_id: decode_file(row.body).filename for file_id, row in rows.items() if row}


async def get(ports: Ports, caller: Caller, store_id: str) -> VectorStore:
    """Return a vector store."""
    row = await find(ports, caller, "vector_store", store_id)
    return await _shown_now(ports, decode_vector_store(row.body))


async def usable(ports: Ports, caller: Caller, store_id: str) -> Row:
    """Return a store that has not expired. Raises NotFound or InvalidRequest (VS-03)."""
    row = await find(ports, caller, "vector_store", store_id)
    if has_expired(decode_vector_store(row.body), ports.now):
        raise store_expired(store_id)
    return row


async def list_page(ports: Ports, caller: Caller, part: Slice) -> Stores:
    """Return a part of the project's vector stores."""
    found = await page(ports, "vector_store", Scope(project_id=caller.project_id), part)
    tallies = await ports.storage.tallies([row.id for row in found.rows])
    stores = [
        shown(decode_vector_store(row.body), tallies.get(row.id, Tally()), ports.now)
        for row in found.rows
    ]
    return Stores(stores, found.has_more)


async def modify(
    ports: Ports, caller: Caller, store_id: str, changes: VectorStoreChanges
) -> VectorStore:
    """Change name, metadata or expiry, which counts from the last use (VS-03).

    A store that has expired keeps its expiry: it is over for ever.
    """

    async def attempt() -> VectorStore:
        row = await find(ports, caller, "vector_store", store_id)
        old = decode_vector_store(row.body)
        if changes.expires_after_days is not UNSET and has_expired(old, ports.now):
            raise store_expired(store_id)
        store = _changed(old, changes)
        answer = await _shown_now(ports, store)
        answers = caller.answers("vector_store", encode(answer), (), ports.now)
        await ports.storage.write(*answers, replacing(caller.project_id, row, store))
        return answer

    return await retried(attempt)


def _changed(store: VectorStore, changes: VectorStoreChanges) -> VectorStore:
    if changes.name is not UNSET:
        store = replace(store, name=changes.name)
    if changes.metadata is not UNSET:
        store = replace(store, metadata=changes.metadata)
    days = changes.expires_after_days
    if days is UNSET:
        return store
    after = None if days is None else ExpiresAfter(days=days)
    return replace(store, expires_after=after, expires_at=expiry(after, store.last_active_at))


async def delete(ports: Ports, caller: Caller, store_id: str) -> None:
    """Delete a vector store; its files stay (VS-10)."""
    order = Delete(kind="vector_store", project_id=caller.project_id, id=store_id, now=ports.now)
    try:
        await ports.storage.write(order)
    except Conflict as conflict:
        raise no_such("vector_store", store_id) from conflict


async def _shown_now(ports: Ports, store: VectorStore) -> VectorStore:
    tallies = await ports.storage.tallies([store.id])
    return shown(store, tallies.get(store.id, Tally()), ports.now)


def shown(store: VectorStore, tally: Tally, now: int) -> VectorStore:
    """Return the store with what follows from its files and from the time (VS-01, VS-02)."""
    return replace(
        store,
        usage_bytes=tally.usage_bytes,
        file_counts=tally.counts,
        status=_status(store, tally.counts, now),
    )


def _status(store: VectorStore, counts: FileCounts, now: int) -> StoreStatus:
    if has_expired(store, now):
        return "expired"
    return "in_progress" if counts.in_progress else "completed"
