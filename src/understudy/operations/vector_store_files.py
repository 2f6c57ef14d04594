"""The files in a vector store."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, retried
from understudy.operations.refusals import no_such_entry, store_is_full
from understudy.operations.vector_stores import filenames, new_entry, usable
from understudy.retrieval.store_use import touching
from understudy.storage.changes import AddEntries, Change, ChangeAttributes, NewEntry, RemoveEntry
from understudy.storage.records import (
    Conflict,
    EntryScope,
    Slice,
    StoredEntry,
    Tally,
    UnknownCursor,
)
from understudy.wire.encoding import encode
from understudy.wire.objects.vector_stores import (
    Attributes,
    StaticChunking,
    StaticStrategy,
    VectorStoreFile,
)
from understudy.wire.params.vector_store_files import NewStoreFile

FILES_MAX = 10_000


class StoreFiles(Struct, frozen=True):
    """A page of the files of a vector store."""

    files: Sequence[VectorStoreFile]
    has_more: bool


async def create(ports: Ports, caller: Caller, store_id: str, new: NewStoreFile) -> VectorStoreFile:
    """Add a file to a store, in place of an earlier adding of it (VS-06)."""

    async def attempt() -> VectorStoreFile:
        now = ports.now
        changes = await additions(ports, caller, store_id, [new], now)
        file = VectorStoreFile(
            id=new.file_id,
            created_at=now,
            vector_store_id=store_id,
            chunking_strategy=StaticStrategy(static=new.chunking),
            attributes=new.attributes,
        )
        answers = caller.answers("vector_store_file", encode(file), (), now)
        await ports.storage.write(*answers, *changes)
        return file

    file = await retried(attempt)
    await ports.dispatch.announce_entries()
    return file


async def additions(
    ports: Ports,
    caller: Caller,
    store_id: str,
    files: Sequence[NewStoreFile],
    now: int,
    batch_id: str | None = None,
) -> tuple[Change, ...]:
    """Return what has to be written so that files join a store; the write may meet a Conflict.

    Raises NotFound without the store or a file, InvalidRequest when the store has expired or is
    full. Call ``dispatch.announce_entries`` after the write.
    """
    row = await usable(ports, caller, store_id)
    names = await filenames(ports, caller, [file.file_id for file in files])
    # Of a file that is named twice the last mention counts.
    wanted = {file.file_id: file for file in files}
    entries = tuple(
        new_entry(file_id, names[file_id], file.chunking, file.attributes)
        for file_id, file in wanted.items()
    )
    used = touching(caller.project_id, row, now)
    if not entries:
        return used
    await _refuse_too_many(ports, caller, store_id, entries)
    added = AddEntries(
        project_id=caller.project_id,
        store_id=store_id,
        created_at=now,
        entries=entries,
        batch_id=batch_id,
    )
    return (*used, added)


async def _refuse_too_many(
    ports: Ports, caller: Caller, store_id: str, entries: Sequence[NewEntry]
) -> None:
    """Refuse more files than a store can have (VS-14); those that it has already do not count."""
    tallies = await ports.storage.tallies([store_id])
    room = FILES_MAX - tallies.get(store_id, Tally()).counts.total
    if len(entries) <= room:
        return
    known = [await ports.storage.entry(caller.project_id, store_id, one.file_id) for one in entries]
    if known.count(None) > room:
        raise store_is_full(store_id, FILES_MAX)


async def get(ports: Ports, caller: Caller, store_id: str, file_id: str) -> VectorStoreFile:
    """Return a file of a store."""
    return shown(await find_entry(ports, caller, store_id, file_id))


async def find_entry(ports: Ports, caller: Caller, store_id: str, file_id: str) -> StoredEntry:
    """Return the file in the store. Raises NotFound, for the store first (ERR-41)."""
    entry = await ports.storage.entry(caller.project_id, store_id, file_id)
    if entry is not None:
        return entry
    await find(ports, caller, "vector_store", store_id)
    raise no_such_entry(store_id, file_id)


async def list_page(ports: Ports, caller: Caller, scope: EntryScope, part: Slice) -> StoreFiles:
    """Return a part of the files of a store, or of a batch (LIST-09). Raises NotFound."""
    await find(ports, caller, "vector_store", scope.store_id)
    try:
        found = await ports.storage.entries_page(scope, part)
    except UnknownCursor as unknown:
        raise no_such_entry(scope.store_id, unknown.object_id) from unknown
    return StoreFiles([shown(entry) for entry in found.entries], found.has_more)


async def change_attributes(
    ports: Ports, caller: Caller, store_id: str, file_id: str, attributes: Attributes
) -> VectorStoreFile:
    """Replace the attributes of a file (VS-11)."""
    entry = await find_entry(ports, caller, store_id, file_id)
    file = shown(replace(entry, attributes=attributes))
    order = ChangeAttributes(
        project_id=caller.project_id, store_id=store_id, file_id=file_id, attributes=attributes
    )
    answers = caller.answers("vector_store_file", encode(file), (), ports.now)
    try:
        await ports.storage.write(*answers, order)
    except Conflict as conflict:
        raise no_such_entry(store_id, file_id) from conflict
    return file


async def delete(ports: Ports, caller: Caller, store_id: str, file_id: str) -> None:
    """Take a file out of a store; the file itself stays (VS-10)."""
    order = RemoveEntry(
        project_id=caller.project_id, store_id=store_id, file_id=file_id, now=ports.now
    )
    try:
        await ports.storage.write(order)
    except Conflict as conflict:
        await find(ports, caller, "vector_store", store_id)
        raise no_such_entry(store_id, file_id) from conflict


def shown(entry: StoredEntry) -> VectorStoreFile:
    """Return the file as clients see it (VS-06)."""
    chunking = StaticChunking(
        max_chunk_size_tokens=entry.size_tokens, chunk_overlap_tokens=entry.overlap_tokens
    )
    return VectorStoreFile(
        id=entry.file_id,
        usage_bytes=entry.usage_bytes,
        created_at=entry.created_at,
        vector_store_id=entry.store_id,
        status=entry.status,
        last_error=entry.error,
        chunking_strategy=StaticStrategy(static=chunking),
        attributes=entry.attributes,
    )
