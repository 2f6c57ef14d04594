"""The vector stores of assistants and threads: named, brought along, or made on demand.

An assistant and a thread have one store each (VS-14). A store that is deleted later stays named,
for its id says what there was; whoever brings files to it then gets a new one.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find
from understudy.operations.vector_store_files import additions
from understudy.operations.vector_stores import prepare
from understudy.retrieval.store_use import has_expired
from understudy.storage.changes import AddEntries, Change, RemoveEntry, Written
from understudy.storage.records import Scope
from understudy.wire.encoding import decode_vector_store
from understudy.wire.objects.tools import FileSearchResources, ToolResources
from understudy.wire.params.vector_store_files import NewStoreFile
from understudy.wire.params.vector_stores import NewVectorStore

# The resources as they are then, and what has to be written for the store.
Supplied = tuple[ToolResources, tuple[Change, ...]]
_INGESTIBLE_AGAIN = ("failed", "cancelled")


async def missing_stores_refused(
    ports: Ports, caller: Caller, given: ToolResources, before: ToolResources | None = None
) -> None:
    """Raise NotFound for named stores that the project does not have (ERR-41).

    A store that was named ``before`` may be gone: whoever sends back what was read may do so.
    """
    known = before.vector_store_ids if before else []
    for store_id in given.vector_store_ids:
        if store_id not in known:
            await find(ports, caller, "vector_store", store_id)


async def bring(
    ports: Ports, caller: Caller, resources: ToolResources, new: NewVectorStore
) -> Supplied:
    """Make a store and name it in the resources (ASST-07)."""
    store, changes = await prepare(ports, caller, new)
    return replace(resources, file_search=FileSearchResources([store.id])), changes


async def join(
    ports: Ports,
    caller: Caller,
    resources: ToolResources,
    file_ids: Sequence[str],
    expires_after_days: int | None = None,
) -> Supplied:
    """Put files into the store that the resources name; a new one, if that cannot be used."""
    if not file_ids:
        return resources, ()
    store_id = await _usable_store(ports, caller, resources)
    if store_id is None:
        new = NewVectorStore(file_ids=[*file_ids], expires_after_days=expires_after_days)
        return await bring(ports, caller, resources, new)
    absent = [
        NewStoreFile(file_id=file_id)
        for file_id in file_ids
        if not await _is_there(ports, caller, store_id, file_id)
    ]
    return resources, await additions(ports, caller, store_id, absent, ports.now)


async def leave(
    ports: Ports, caller: Caller, resources: ToolResources, file_ids: Sequence[str]
) -> tuple[RemoveEntry, ...]:
    """Return what takes the files out of the store that the resources name."""
    project_id, now = caller.project_id, ports.now
    orders = [
        RemoveEntry(project_id=project_id, store_id=store_id, file_id=file_id, now=now)
        for store_id in resources.vector_store_ids
        for file_id in file_ids
        if await ports.storage.entry(project_id, store_id, file_id)
    ]
    return tuple(orders)


async def write(ports: Ports, *changes: Change) -> Written:
    """Write, and say so to whoever ingests when files have joined a store."""
    written = await ports.storage.write(*changes)
    if any(isinstance(change, AddEntries) for change in changes):
        await ports.dispatch.announce_entries()
    return written


async def _usable_store(ports: Ports, caller: Caller, resources: ToolResources) -> str | None:
    scope = Scope(project_id=caller.project_id)
    for store_id in resources.vector_store_ids:
        row = await ports.storage.fetch("vector_store", scope, store_id)
        if row is not None and not has_expired(decode_vector_store(row.body), ports.now):
            return store_id
    return None


async def _is_there(ports: Ports, caller: Caller, store_id: str, file_id: str) -> bool:
    """Return whether the store has the file; one that could not be read may be tried again."""
    entry = await ports.storage.entry(caller.project_id, store_id, file_id)
    return entry is not None and entry.status not in _INGESTIBLE_AGAIN
