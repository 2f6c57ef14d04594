"""Reads and writes what is in vector stores: entries, batches, and what the index can drop."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import islice, zip_longest
from typing import Any

import msgspec

from understudy.storage.changes import (
    AddEntries,
    CancelBatch,
    ChangeAttributes,
    ClaimEntry,
    EndEntry,
    ForgetEntryIndex,
    ForgetStoreIndex,
    IngestAgain,
    NewEntry,
    ReleaseEntry,
    RemoveEntry,
    Written,
)
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
from understudy.wire.objects.vector_stores import Attributes, FileCounts, StoreFileError

_COLUMNS = (
    "sequence, project_id, store_id, id, filename, created_at, status, size_tokens, "
    "overlap_tokens, attributes, usage_bytes, error_code, error_message, attempt, "
    "removed_at IS NOT NULL"
)
_BEHIND_ALL_IDS = "~"  # ids are ASCII letters, digits and _
_decode_attributes = msgspec.json.Decoder(Attributes).decode


def _entry(row: tuple[Any, ...]) -> StoredEntry:
    return StoredEntry(
        entry=row[0],
        project_id=row[1],
        store_id=row[2],
        file_id=row[3],
        filename=row[4],
        created_at=row[5],
        status=row[6],
        size_tokens=row[7],
        overlap_tokens=row[8],
        attributes=_decode_attributes(row[9]),
        usage_bytes=row[10],
        error=StoreFileError(row[11], row[12]) if row[11] else None,
        attempt=row[13],
        removed=bool(row[14]),
    )


def tallies(connection: sqlite3.Connection, store_ids: Collection[str]) -> dict[str, Tally]:
    """Return counts and usage of each store that has files."""
    found = connection.execute(
        "SELECT store_id, status, count(*), sum(usage_bytes) FROM vector_store_files "
        f"WHERE store_id IN ({_places(store_ids)}) AND removed_at IS NULL "
        "GROUP BY store_id, status",
        (*store_ids,),
    )
    counted: dict[str, dict[str, int]] = defaultdict(dict)
    usage: dict[str, int] = defaultdict(int)
    for store_id, status, count, usage_bytes in found:
        counted[store_id][status] = count
        usage[store_id] += usage_bytes
    return {
        store_id: Tally(counts=_counts(counts), usage_bytes=usage[store_id])
        for store_id, counts in counted.items()
    }


def _counts(by_status: Mapping[str, int]) -> FileCounts:
    return FileCounts(**by_status, total=sum(by_status.values()))


def entry(
    connection: sqlite3.Connection, project_id: str, store_id: str, file_id: str
) -> StoredEntry | None:
    """Return the file in the store."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM vector_store_files "
        "WHERE store_id = ? AND id = ? AND project_id = ? AND removed_at IS NULL",
        (store_id, file_id, project_id),
    ).fetchone()
    return _entry(found) if found else None


def entries_page(connection: sqlite3.Connection, scope: EntryScope, part: Slice) -> Entries:
    """Return a part of the files of a store, paged as other objects are."""
    backwards = part.before is not None and part.after is None
    descending = (part.order == "desc") != backwards
    where, values = _where(scope)
    later, earlier = ("<", ">") if part.order == "desc" else (">", "<")
    for cursor, comparison in ((part.after, later), (part.before, earlier)):
        if cursor is not None:
            where += f" AND (created_at, sequence) {comparison} (?, ?)"
            values += _place(connection, scope, cursor)
    direction = "DESC" if descending else "ASC"
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM vector_store_files WHERE removed_at IS NULL AND {where} "
        f"ORDER BY created_at {direction}, sequence {direction} LIMIT ?",
        (*values, part.limit + 1),
    ).fetchall()
    entries = [_entry(row) for row in found[: part.limit]]
    if backwards:
        entries.reverse()
    return Entries(entries, has_more=len(found) > part.limit)


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
        f"SELECT {_COLUMNS} FROM vector_store_files "
        "WHERE store_id = ? AND status = 'completed' AND removed_at IS NULL",
        (store_id,),
    )
    return [_entry(row) for row in found]


def live_entries(
    connection: sqlite3.Connection, entries: Collection[int]
) -> dict[int, StoredEntry]:
    """Return those of the entries that are completed and in their store."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM vector_store_files "
        f"WHERE sequence IN ({_places(entries)}) AND status = 'completed' AND removed_at IS NULL",
        (*entries,),
    )
    return {row[0]: _entry(row) for row in found}


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
        counts=_counts(dict(counted)),
    )


def ingestible(
    connection: sqlite3.Connection, now: float, limit: int, after: str
) -> list[StoredEntry]:
    """Return entries in progress that no worker holds; the stores behind ``after`` are first.

    Only the stores that have their turn are looked at, however many are waiting.
    """
    waiting = [
        _waiting_in(connection, store_id, now, limit)
        for store_id in islice(_waiting_stores(connection, now, after), limit)
    ]
    in_turn = (one for each in zip_longest(*waiting) for one in each if one is not None)
    return [*islice(in_turn, limit)]


def _waiting_stores(connection: sqlite3.Connection, now: float, after: str) -> Iterator[str]:
    """Yield each store that has something to ingest once, in a circle."""
    for behind, up_to in ((after, _BEHIND_ALL_IDS), ("", after)):
        store_id: str | None = behind
        while store_id is not None:
            store_id = _next_waiting_store(connection, now, store_id, up_to)
            if store_id is not None:
                yield store_id


def _next_waiting_store(
    connection: sqlite3.Connection, now: float, behind: str, up_to: str
) -> str | None:
    found = connection.execute(
        "SELECT store_id FROM vector_store_files AS files "
        "JOIN vector_stores AS stores ON stores.id = files.store_id "
        "WHERE files.status = 'in_progress' AND files.removed_at IS NULL "
        "AND files.store_id > ? AND files.store_id <= ? "
        "AND (lease_until IS NULL OR lease_until <= ?) "
        "AND (stores.expires_at IS NULL OR stores.expires_at > ?) "
        "ORDER BY files.store_id LIMIT 1",
        (behind, up_to, now, now),
    ).fetchone()
    return found[0] if found else None


def _waiting_in(
    connection: sqlite3.Connection, store_id: str, now: float, limit: int
) -> list[StoredEntry]:
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM vector_store_files "
        "WHERE store_id = ? AND status = 'in_progress' AND removed_at IS NULL "
        "AND (lease_until IS NULL OR lease_until <= ?) ORDER BY sequence LIMIT ?",
        (store_id, now, limit),
    )
    return [_entry(row) for row in found]


def renew_leases(
    connection: sqlite3.Connection, attempts: Mapping[int, int], until: float
) -> set[int]:
    """Prolong the leases of entries that still are at the given attempt; return who needs it."""
    connection.executemany(
        "UPDATE vector_store_files SET lease_until = ? "
        "WHERE sequence = ? AND attempt = ? AND lease_until IS NOT NULL",
        [(until, number, attempt) for number, attempt in attempts.items()],
    )
    found = connection.execute(
        f"SELECT sequence, attempt FROM vector_store_files WHERE sequence IN ({_places(attempts)}) "
        "AND status = 'in_progress' AND removed_at IS NULL",
        (*attempts,),
    )
    return {number for number, attempt in found if attempts[number] == attempt}


def drop_all_leases(connection: sqlite3.Connection) -> None:
    """Free every entry of workers that are known to be dead."""
    connection.execute(
        "UPDATE vector_store_files SET lease_until = NULL WHERE lease_until IS NOT NULL"
    )


def indexed_stores(connection: sqlite3.Connection, after: str, limit: int) -> list[str]:
    """Return stores that have completed files and have not expired, in the order of ids."""
    found = connection.execute(
        "SELECT id FROM vector_stores WHERE id > ? AND has_index AND deleted_at IS NULL "
        "AND EXISTS (SELECT 1 FROM vector_store_files WHERE store_id = vector_stores.id "
        "AND status = 'completed' AND removed_at IS NULL) ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [store_id for (store_id,) in found]


def ingest_again(connection: sqlite3.Connection, order: IngestAgain) -> None:
    """Put the completed files of a store back to work."""
    connection.execute(
        "UPDATE vector_store_files SET status = 'in_progress', attempt = 0, lease_until = NULL "
        "WHERE store_id = ? AND status = 'completed' AND removed_at IS NULL",
        (order.store_id,),
    )


def unneeded_entries(connection: sqlite3.Connection, now: float, limit: int) -> list[Any]:
    """Return (store id, entry) of what the index can drop and nobody is writing."""
    return connection.execute(
        "SELECT store_id, sequence FROM vector_store_files "
        "WHERE has_index AND (removed_at IS NOT NULL OR status IN ('cancelled', 'failed')) "
        "AND (lease_until IS NULL OR lease_until <= ?) LIMIT ?",
        (now, limit),
    ).fetchall()


def unneeded_stores(connection: sqlite3.Connection, now: int, limit: int) -> list[str]:
    """Return stores that are deleted or expired, that may have an index, and nobody fills."""
    unfilled = (
        "NOT EXISTS (SELECT 1 FROM vector_store_files AS files "
        "WHERE files.store_id = vector_stores.id AND files.lease_until > ?)"
    )
    found = connection.execute(
        "SELECT id FROM vector_stores "
        f"WHERE has_index AND deleted_at IS NOT NULL AND {unfilled} "
        "UNION ALL SELECT id FROM vector_stores "
        f"WHERE has_index AND expires_at <= ? AND deleted_at IS NULL AND {unfilled} LIMIT ?",
        (now, now, now, limit),
    )
    return [store_id for (store_id,) in found]


def add_entries(connection: sqlite3.Connection, order: AddEntries) -> None:
    """Add files to a store. Raises Conflict when the project has no such store."""
    found = connection.execute(
        "SELECT 1 FROM vector_stores WHERE id = ? AND project_id = ? AND deleted_at IS NULL",
        (order.store_id, order.project_id),
    ).fetchone()
    if found is None:
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


def claim(connection: sqlite3.Connection, order: ClaimEntry) -> Written:
    """Take an entry for an attempt; the row count is the verdict."""
    done = connection.execute(
        "UPDATE vector_store_files SET attempt = attempt + 1, lease_until = ?, has_index = 1 "
        "WHERE sequence = ? AND attempt = ? AND status = 'in_progress' AND removed_at IS NULL",
        (order.lease_until, order.entry, order.attempt),
    )
    return Written(applied=done.rowcount == 1)


def end(connection: sqlite3.Connection, order: EndEntry) -> Written:
    """End an ingestion; the row count is the verdict."""
    error = order.error
    done = connection.execute(
        "UPDATE vector_store_files SET status = ?, usage_bytes = ?, error_code = ?, "
        "error_message = ?, lease_until = NULL "
        "WHERE sequence = ? AND attempt = ? AND status = 'in_progress' AND removed_at IS NULL",
        (
            "failed" if error else "completed",
            order.usage_bytes,
            error.code if error else None,
            error.message if error else None,
            order.entry,
            order.attempt,
        ),
    )
    return Written(applied=done.rowcount == 1)


def release(connection: sqlite3.Connection, order: ReleaseEntry) -> None:
    """Let others take an entry; see again to what was swept while it was worked on."""
    connection.execute(
        "UPDATE vector_store_files SET has_index = 1, "
        "lease_until = CASE attempt WHEN ? THEN NULL ELSE lease_until END WHERE sequence = ?",
        (order.attempt, order.entry),
    )
    connection.execute(
        "UPDATE vector_stores SET has_index = 1 WHERE has_index = 0 "
        "AND id = (SELECT store_id FROM vector_store_files WHERE sequence = ?)",
        (order.entry,),
    )


def forget_entry_index(connection: sqlite3.Connection, order: ForgetEntryIndex) -> None:
    """Note that the index keeps nothing of these entries."""
    connection.executemany(
        "UPDATE vector_store_files SET has_index = 0, lease_until = NULL WHERE sequence = ?",
        [(number,) for number in order.entries],
    )


def forget_store_index(connection: sqlite3.Connection, order: ForgetStoreIndex) -> None:
    """Note that the index keeps nothing of a store, and that nothing more comes to it."""
    connection.execute("UPDATE vector_stores SET has_index = 0 WHERE id = ?", (order.store_id,))
    connection.execute(
        "UPDATE vector_store_files SET has_index = 0, status = "
        "CASE status WHEN 'in_progress' THEN 'cancelled' ELSE status END WHERE store_id = ?",
        (order.store_id,),
    )


def _places(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))
