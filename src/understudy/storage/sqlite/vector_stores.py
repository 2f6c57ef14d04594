"""Reads and writes what clients see in vector stores: their files, and batches of them."""

import sqlite3
from collections.abc import Collection
from functools import partial

from understudy.storage.changes import (
    AddEntries,
    CancelBatch,
    ChangeAttributes,
    NewEntry,
    RemoveEntry,
)
from understudy.storage.entry_rows import COLUMNS, as_entry, counts_of, tallies_of
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
from understudy.storage.sqlite.paging import read_page
from understudy.wire.encoding import encode


def tallies(connection: sqlite3.Connection, store_ids: Collection[str]) -> dict[str, Tally]:
    """Return counts and usage of each store that has files."""
    found = connection.execute(
        "SELECT store_id, status, count(*), sum(usage_bytes) FROM vector_store_files "
        f"WHERE store_id IN ({places(store_ids)}) AND removed_at IS NULL "
        "GROUP BY store_id, status",
        (*store_ids,),
    )
    return tallies_of(found)


def has_entries_in_progress(connection: sqlite3.Connection, store_ids: Collection[str]) -> bool:
    """Return whether a file of these stores is still to be ingested."""
    found = connection.execute(
        f"SELECT 1 FROM vector_store_files WHERE store_id IN ({places(store_ids)}) "
        "AND status = 'in_progress' AND removed_at IS NULL LIMIT 1",
        (*store_ids,),
    ).fetchone()
    return found is not None


def entry(
    connection: sqlite3.Connection, project_id: str, store_id: str, file_id: str
) -> StoredEntry | None:
    """Return the file in the store."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM vector_store_files "
        "WHERE store_id = ? AND id = ? AND project_id = ? AND removed_at IS NULL",
        (store_id, file_id, project_id),
    ).fetchone()
    return as_entry(found) if found else None


def entries_page(connection: sqlite3.Connection, scope: EntryScope, part: Slice) -> Entries:
    """Return a part of the files of a store."""
    where, values = _where(scope)
    found, has_more = read_page(
        connection,
        f"SELECT {COLUMNS} FROM vector_store_files WHERE removed_at IS NULL AND {where}",
        values,
        part,
        partial(_place, connection, scope),
    )
    return Entries([as_entry(row) for row in found], has_more=has_more)


def _where(scope: EntryScope) -> tuple[str, list[str | int]]:
    sql, values = "store_id = ? AND project_id = ?", [scope.store_id, scope.project_id]
    for column in ("batch_id", "status"):
        value = getattr(scope, column)
        if value is not None:
            sql += f" AND {column} = ?"
            values.append(value)
    return sql, [*values]


def _place(connection: sqlite3.Connection, scope: EntryScope, file_id: str) -> tuple[int, int]:
    """Return where the file stands in its store, or stood before it left (LIST-08)."""
    found = connection.execute(
        "SELECT created_at, sequence FROM vector_store_files "
        "WHERE id = ? AND store_id = ? AND project_id = ? ORDER BY sequence DESC LIMIT 1",
        (file_id, scope.store_id, scope.project_id),
    ).fetchone()
    if found is None:
        raise UnknownCursor(file_id)
    place: tuple[int, int] = found
    return place


def searchable_entries(connection: sqlite3.Connection, store_id: str) -> list[StoredEntry]:
    """Return the completed files of a store."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM vector_store_files "
        "WHERE store_id = ? AND status = 'completed' AND removed_at IS NULL",
        (store_id,),
    )
    return [as_entry(row) for row in found]


def live_entries(
    connection: sqlite3.Connection, entries: Collection[int]
) -> dict[int, StoredEntry]:
    """Return those of the entries that are completed and in their store."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM vector_store_files "
        f"WHERE sequence IN ({places(entries)}) AND status = 'completed' AND removed_at IS NULL",
        (*entries,),
    )
    return {row[0]: as_entry(row) for row in found}


def batch(
    connection: sqlite3.Connection, project_id: str, store_id: str, batch_id: str
) -> StoredBatch | None:
    """Return the batch with its counts; files that left the store later still count."""
    found = connection.execute(
        "SELECT created_at, cancelled FROM vector_store_batches "
        "WHERE id = ? AND store_id = ? AND project_id = ?",
        (batch_id, store_id, project_id),
    ).fetchone()
    if found is None:
        return None
    counted = connection.execute(
        "SELECT status, count(*) FROM vector_store_files WHERE batch_id = ? GROUP BY status",
        (batch_id,),
    )
    return StoredBatch(
        id=batch_id,
        store_id=store_id,
        created_at=found[0],
        cancelled=bool(found[1]),
        counts=counts_of(dict(counted)),
    )


def add_entries(connection: sqlite3.Connection, order: AddEntries) -> None:
    """Add files to a store. Raises Conflict when the project has no such store or file."""
    if not (_has_store(connection, order) and _has_files(connection, order)):
        raise Conflict
    if order.batch_id is not None:
        connection.execute(
            "INSERT INTO vector_store_batches (id, project_id, store_id, created_at) "
            "VALUES (?, ?, ?, ?)",
            (order.batch_id, order.project_id, order.store_id, order.created_at),
        )
    for new in order.entries:
        _remove(connection, order.store_id, new.file_id, order.created_at)
        _insert(connection, order, new)


def _has_store(connection: sqlite3.Connection, order: AddEntries) -> bool:
    found = connection.execute(
        "SELECT 1 FROM vector_stores WHERE id = ? AND project_id = ? AND deleted_at IS NULL",
        (order.store_id, order.project_id),
    ).fetchone()
    return found is not None


def _has_files(connection: sqlite3.Connection, order: AddEntries) -> bool:
    """Return whether all files are there; one may have been deleted since it was looked at."""
    file_ids = {new.file_id for new in order.entries}
    (count,) = connection.execute(
        "SELECT count(*) FROM json_each(?) AS wanted CROSS JOIN files ON files.id = wanted.value "
        "WHERE files.project_id = ? AND files.deleted_at IS NULL",
        (encode([*file_ids]).decode(), order.project_id),
    ).fetchone()
    return bool(count == len(file_ids))


def _insert(connection: sqlite3.Connection, order: AddEntries, new: NewEntry) -> None:
    connection.execute(
        "INSERT INTO vector_store_files (id, project_id, store_id, batch_id, created_at, "
        "filename, status, size_tokens, overlap_tokens, attributes) "
        "VALUES (?, ?, ?, ?, ?, ?, 'in_progress', ?, ?, ?)",
        (
            new.file_id,
            order.project_id,
            order.store_id,
            order.batch_id,
            order.created_at,
            new.filename,
            new.size_tokens,
            new.overlap_tokens,
            encode(new.attributes).decode(),
        ),
    )


def _remove(connection: sqlite3.Connection, store_id: str, file_id: str, now: int) -> int:
    """Take a file out of a store; one that is not ingested yet counts as cancelled from now on."""
    return connection.execute(
        "UPDATE vector_store_files SET removed_at = ?, status = "
        "CASE status WHEN 'in_progress' THEN 'cancelled' ELSE status END "
        "WHERE store_id = ? AND id = ? AND removed_at IS NULL",
        (now, store_id, file_id),
    ).rowcount


def remove_entry(connection: sqlite3.Connection, order: RemoveEntry) -> None:
    """Take a file out of a store. Raises Conflict when it is not in it."""
    if entry(connection, order.project_id, order.store_id, order.file_id) is None:
        raise Conflict
    _remove(connection, order.store_id, order.file_id, order.now)


def remove_everywhere(connection: sqlite3.Connection, file_id: str, now: int) -> None:
    """Take a deleted file out of all stores (FILE-07)."""
    found = connection.execute(
        "SELECT store_id FROM vector_store_files WHERE id = ? AND removed_at IS NULL", (file_id,)
    ).fetchall()
    for (store_id,) in found:
        _remove(connection, store_id, file_id, now)


def empty(connection: sqlite3.Connection, store_id: str, now: int) -> None:
    """Take all files out of a deleted store; its index is dropped as a whole."""
    connection.execute(
        "UPDATE vector_store_files SET removed_at = ?, has_index = 0, status = "
        "CASE status WHEN 'in_progress' THEN 'cancelled' ELSE status END "
        "WHERE store_id = ? AND removed_at IS NULL",
        (now, store_id),
    )


def change_attributes(connection: sqlite3.Connection, order: ChangeAttributes) -> None:
    """Write other attributes. Raises Conflict when the file is not in the store."""
    done = connection.execute(
        "UPDATE vector_store_files SET attributes = ? "
        "WHERE store_id = ? AND id = ? AND project_id = ? AND removed_at IS NULL",
        (
            encode(order.attributes).decode(),
            order.store_id,
            order.file_id,
            order.project_id,
        ),
    )
    if done.rowcount == 0:
        raise Conflict


def cancel_batch(connection: sqlite3.Connection, order: CancelBatch) -> None:
    """Cancel what is in progress; a batch with nothing in progress stays as it is (VS-09)."""
    done = connection.execute(
        "UPDATE vector_store_files SET status = 'cancelled' "
        "WHERE batch_id = ? AND project_id = ? AND status = 'in_progress'",
        (order.batch_id, order.project_id),
    )
    if done.rowcount:
        connection.execute(
            "UPDATE vector_store_batches SET cancelled = 1 WHERE id = ? AND project_id = ?",
            (order.batch_id, order.project_id),
        )


def places(values: Collection[object]) -> str:
    """Return a place of a statement for each of the values."""
    return ", ".join("?" * len(values))
