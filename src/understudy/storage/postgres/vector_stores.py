"""Reads and writes what clients see in vector stores: their files, and batches of them."""

from collections.abc import Collection, Mapping
from functools import partial

from understudy.storage.changes import (
    AddEntries,
    CancelBatch,
    ChangeAttributes,
    RemoveEntry,
)
from understudy.storage.entry_rows import COLUMNS, as_entry, counts_of, tallies_of
from understudy.storage.paging import Place
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.paging import read_page
from understudy.storage.postgres.reader import Reader, changed_rows
from understudy.storage.postgres.statements import Values, arrays
from understudy.storage.records import (
    Conflict,
    Entries,
    EntryScope,
    Slice,
    StoredBatch,
    StoredEntry,
    Tally,
    UnknownCursor,
)
from understudy.wire.encoding import encode

# A file that is not ingested yet when it leaves counts as cancelled from then on.
_LEAVES = (
    "removed_at = $1, status = CASE status WHEN 'in_progress' THEN 'cancelled' ELSE status END"
)


async def tallies(reader: Reader, store_ids: Collection[str]) -> Mapping[str, Tally]:
    """Return counts and usage of each store that has files."""
    found = await reader.rows(
        "SELECT store_id, status, count(*), sum(usage_bytes)::bigint FROM vector_store_files "
        "WHERE store_id = ANY($1) AND removed_at IS NULL GROUP BY store_id, status",
        [*store_ids],
    )
    return tallies_of(found)


async def has_entries_in_progress(reader: Reader, store_ids: Collection[str]) -> bool:
    """Return whether a file of these stores is still to be ingested."""
    found = await reader.row(
        "SELECT 1 FROM vector_store_files WHERE store_id = ANY($1) "
        "AND status = 'in_progress' AND removed_at IS NULL LIMIT 1",
        [*store_ids],
    )
    return found is not None


async def entry(reader: Reader, project_id: str, store_id: str, file_id: str) -> StoredEntry | None:
    """Return the file in the store."""
    found = await reader.row(
        f"SELECT {COLUMNS} FROM vector_store_files "
        "WHERE store_id = $1 AND id = $2 AND project_id = $3 AND removed_at IS NULL",
        store_id,
        file_id,
        project_id,
    )
    return as_entry(found) if found else None


async def entries_page(reader: Reader, scope: EntryScope, part: Slice) -> Entries:
    """Return a part of the files of a store."""
    values = Values()
    found, has_more = await read_page(
        reader,
        f"SELECT {COLUMNS} FROM vector_store_files "
        f"WHERE removed_at IS NULL AND {_where(scope, values)}",
        values,
        part,
        partial(_place, reader, scope),
    )
    return Entries([as_entry(row) for row in found], has_more=has_more)


def _where(scope: EntryScope, values: Values) -> str:
    conditions = [
        f"store_id = {values.place(scope.store_id)}",
        f"project_id = {values.place(scope.project_id)}",
    ]
    for column in ("batch_id", "status"):
        value = getattr(scope, column)
        if value is not None:
            conditions.append(f"{column} = {values.place(value)}")
    return " AND ".join(conditions)


async def _place(reader: Reader, scope: EntryScope, file_id: str) -> Place:
    """Return where the file stands in its store, or stood before it left (LIST-08)."""
    found = await reader.row(
        "SELECT created_at, sequence FROM vector_store_files "
        "WHERE id = $1 AND store_id = $2 AND project_id = $3 ORDER BY sequence DESC LIMIT 1",
        file_id,
        scope.store_id,
        scope.project_id,
    )
    if found is None:
        raise UnknownCursor(file_id)
    return found[0], found[1]


async def searchable_entries(reader: Reader, store_id: str) -> list[StoredEntry]:
    """Return the completed files of a store."""
    found = await reader.rows(
        f"SELECT {COLUMNS} FROM vector_store_files "
        "WHERE store_id = $1 AND status = 'completed' AND removed_at IS NULL",
        store_id,
    )
    return [as_entry(row) for row in found]


async def live_entries(reader: Reader, entries: Collection[int]) -> dict[int, StoredEntry]:
    """Return those of the entries that are completed and in their store."""
    found = await reader.rows(
        f"SELECT {COLUMNS} FROM vector_store_files "
        "WHERE sequence = ANY($1) AND status = 'completed' AND removed_at IS NULL",
        [*entries],
    )
    return {row[0]: as_entry(row) for row in found}


async def batch(
    reader: Reader, project_id: str, store_id: str, batch_id: str
) -> StoredBatch | None:
    """Return the batch with its counts; files that left the store later still count."""
    found = await reader.row(
        "SELECT created_at, cancelled FROM vector_store_batches "
        "WHERE id = $1 AND store_id = $2 AND project_id = $3",
        batch_id,
        store_id,
        project_id,
    )
    if found is None:
        return None
    counted = await reader.rows(
        "SELECT status, count(*) FROM vector_store_files WHERE batch_id = $1 GROUP BY status",
        batch_id,
    )
    return StoredBatch(
        id=batch_id,
        store_id=store_id,
        created_at=found[0],
        cancelled=found[1],
        counts=counts_of(dict(counted)),
    )


async def add_entries(database: Database, order: AddEntries) -> None:
    """Add files to a store. Raises Conflict when the project has no such store or file."""
    if not (await _holds_store(database, order) and await _holds_files(database, order)):
        raise Conflict
    if order.batch_id is not None:
        await database.execute(
            "INSERT INTO vector_store_batches (id, project_id, store_id, created_at) "
            "VALUES ($1, $2, $3, $4)",
            order.batch_id,
            order.project_id,
            order.store_id,
            order.created_at,
        )
    await _remove(database, order.store_id, _file_ids(order), order.created_at)
    await _insert(database, order)


async def _holds_store(database: Database, order: AddEntries) -> bool:
    """Return whether the store is there, and keep it; who adds to it at once comes after."""
    found = await database.fetchval(
        "SELECT 1 FROM vector_stores WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL "
        "FOR NO KEY UPDATE",
        order.store_id,
        order.project_id,
    )
    return found is not None


async def _holds_files(database: Database, order: AddEntries) -> bool:
    """Return whether all files are there, and keep them: one may just be being deleted."""
    file_ids = _file_ids(order)
    found = await database.fetch(
        "SELECT 1 FROM files WHERE id = ANY($1) AND project_id = $2 AND deleted_at IS NULL "
        "ORDER BY id FOR SHARE",
        file_ids,
        order.project_id,
    )
    return len(found) == len(file_ids)


def _file_ids(order: AddEntries) -> list[str]:
    return sorted({new.file_id for new in order.entries})


async def _insert(database: Database, order: AddEntries) -> None:
    """Add the files; of one that is named twice, the last."""
    latest = {new.file_id: new for new in order.entries}
    if not latest:
        return
    columns = arrays(
        (
            new.file_id,
            new.filename.encode(errors="replace"),
            new.size_tokens,
            new.overlap_tokens,
            encode(new.attributes),
        )
        for new in latest.values()
    )
    await database.execute(
        "INSERT INTO vector_store_files (project_id, store_id, batch_id, created_at, status, id, "
        "filename, size_tokens, overlap_tokens, attributes) "
        "SELECT $1, $2, $3, $4, 'in_progress', * "
        "FROM unnest($5::text[], $6::bytea[], $7::bigint[], $8::bigint[], $9::bytea[])",
        order.project_id,
        order.store_id,
        order.batch_id,
        order.created_at,
        *columns,
    )


async def _remove(database: Database, store_id: str, file_ids: Collection[str], now: int) -> None:
    """Take files out of a store."""
    await database.execute(
        f"UPDATE vector_store_files SET {_LEAVES} "
        "WHERE store_id = $2 AND id = ANY($3) AND removed_at IS NULL",
        now,
        store_id,
        [*file_ids],
    )


async def remove_entry(database: Database, order: RemoveEntry) -> None:
    """Take a file out of a store. Raises Conflict when it is not in it."""
    done = await database.execute(
        f"UPDATE vector_store_files SET {_LEAVES} "
        "WHERE store_id = $2 AND id = $3 AND project_id = $4 AND removed_at IS NULL",
        order.now,
        order.store_id,
        order.file_id,
        order.project_id,
    )
    if not changed_rows(done):
        raise Conflict


async def remove_everywhere(database: Database, file_id: str, now: int) -> None:
    """Take a deleted file out of all stores (FILE-07)."""
    await database.execute(
        f"UPDATE vector_store_files SET {_LEAVES} WHERE id = $2 AND removed_at IS NULL",
        now,
        file_id,
    )


async def empty(database: Database, store_id: str, now: int) -> None:
    """Take all files out of a deleted store; its index is dropped as a whole."""
    await database.execute(
        f"UPDATE vector_store_files SET {_LEAVES}, has_index = false "
        "WHERE store_id = $2 AND removed_at IS NULL",
        now,
        store_id,
    )


async def change_attributes(database: Database, order: ChangeAttributes) -> None:
    """Write other attributes. Raises Conflict when the file is not in the store."""
    done = await database.execute(
        "UPDATE vector_store_files SET attributes = $1 "
        "WHERE store_id = $2 AND id = $3 AND project_id = $4 AND removed_at IS NULL",
        encode(order.attributes),
        order.store_id,
        order.file_id,
        order.project_id,
    )
    if not changed_rows(done):
        raise Conflict


async def cancel_batch(database: Database, order: CancelBatch) -> None:
    """Cancel what is in progress; a batch with nothing in progress stays as it is (VS-09)."""
    done = await database.execute(
        "UPDATE vector_store_files SET status = 'cancelled' "
        "WHERE batch_id = $1 AND project_id = $2 AND status = 'in_progress'",
        order.batch_id,
        order.project_id,
    )
    if changed_rows(done):
        await database.execute(
            "UPDATE vector_store_batches SET cancelled = true WHERE id = $1 AND project_id = $2",
            order.batch_id,
            order.project_id,
        )
