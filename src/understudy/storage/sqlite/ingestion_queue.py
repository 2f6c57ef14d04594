"""The files that wait to be ingested: whose turn it is, and who works on them."""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from understudy.storage.changes import (
    ClaimEntry,
    EndEntry,
    IngestAgain,
    ReleaseEntry,
    Written,
)
from understudy.storage.entry_rows import COLUMNS, as_entry
from understudy.storage.records import StoredEntry, Turns
from understudy.storage.sqlite.vector_stores import places
from understudy.storage.turns import in_turn

_BEHIND_ALL_IDS = "~"  # ids are ASCII letters, digits and _
_WAITING = (
    "FROM vector_store_files AS files "
    "JOIN vector_stores AS stores ON stores.id = files.store_id "
    "WHERE files.status = 'in_progress' AND files.removed_at IS NULL "
    "AND (lease_until IS NULL OR lease_until <= :now) "
    "AND (stores.expires_at IS NULL OR stores.expires_at > :now)"
)


def ingestible(
    connection: sqlite3.Connection, now: float, limit: int, turns: Turns
) -> list[StoredEntry]:
    """Return entries in progress that no worker holds, in the order in which they are due.

    Only what has its turn is looked at, however much is waiting.
    """
    projects = (
        _of_project(connection, now, limit, project_id, turns.stores.get(project_id, ""))
        for project_id in _projects(connection, now, turns.project_id)
    )
    return [*islice(in_turn(projects), limit)]


def _of_project(
    connection: sqlite3.Connection, now: float, limit: int, project_id: str, after: str
) -> Iterator[StoredEntry]:
    """Yield what a project waits for, the stores behind the given one first."""
    return in_turn(
        _entries(connection, now, limit, project_id, store_id)
        for store_id in _stores(connection, now, project_id, after)
    )


def _projects(connection: sqlite3.Connection, now: float, after: str) -> Iterator[str]:
    """Yield the projects that have something to ingest, those behind the given one first."""
    sql = (
        f"SELECT files.project_id {_WAITING} AND files.project_id > :behind "
        "AND files.project_id <= :up_to ORDER BY files.project_id LIMIT 1"
    )
    return _circle(connection, sql, {"now": now}, after)


def _stores(
    connection: sqlite3.Connection, now: float, project_id: str, after: str
) -> Iterator[str]:
    """Yield the stores of the project that have something to ingest, likewise."""
    sql = (
        f"SELECT files.store_id {_WAITING} AND files.project_id = :project_id "
        "AND files.store_id > :behind AND files.store_id <= :up_to ORDER BY files.store_id LIMIT 1"
    )
    return _circle(connection, sql, {"now": now, "project_id": project_id}, after)


def _circle(
    connection: sqlite3.Connection, sql: str, values: Mapping[str, object], after: str
) -> Iterator[str]:
    """Yield each id that the query finds behind the one before it, once."""
    for start, up_to in ((after, _BEHIND_ALL_IDS), ("", after)):
        behind: str = start
        while found := connection.execute(
            sql, {**values, "behind": behind, "up_to": up_to}
        ).fetchone():
            (behind,) = found
            yield behind


def _entries(
    connection: sqlite3.Connection, now: float, limit: int, project_id: str, store_id: str
) -> Iterator[StoredEntry]:
    """Yield the oldest entries of the store that wait."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM vector_store_files "
        "WHERE project_id = ? AND store_id = ? AND status = 'in_progress' AND removed_at IS NULL "
        "AND (lease_until IS NULL OR lease_until <= ?) ORDER BY sequence LIMIT ?",
        (project_id, store_id, now, limit),
    ).fetchall()
    yield from map(as_entry, found)


def claim(connection: sqlite3.Connection, order: ClaimEntry) -> Written:
    """Take an entry for an attempt; the row count is the verdict."""
    done = connection.execute(
        "UPDATE vector_store_files SET attempt = attempt + 1, lease_until = ?, has_index = 1 "
        "WHERE sequence = ? AND attempt = ? AND status = 'in_progress' AND removed_at IS NULL",
        (order.lease_until, order.entry, order.attempt),
    )
    return Written(applied=done.rowcount == 1)


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
        f"SELECT sequence, attempt FROM vector_store_files WHERE sequence IN ({places(attempts)}) "
        "AND status = 'in_progress' AND removed_at IS NULL",
        (*attempts,),
    )
    return {number for number, attempt in found if attempts[number] == attempt}


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


def drop_all_leases(connection: sqlite3.Connection) -> None:
    """Free every entry of workers that are known to be dead."""
    connection.execute(
        "UPDATE vector_store_files SET lease_until = NULL WHERE lease_until IS NOT NULL"
    )


def ingest_again(connection: sqlite3.Connection, order: IngestAgain) -> None:
    """Put completed files of a store back to work."""
    entries = None if order.entries is None else msgspec.json.encode(order.entries).decode()
    connection.execute(
        "UPDATE vector_store_files SET status = 'in_progress', attempt = 0, lease_until = NULL "
        "WHERE store_id = ? AND status = 'completed' AND removed_at IS NULL "
        "AND (? IS NULL OR sequence IN (SELECT value FROM json_each(?)))",
        (order.store_id, entries, entries),
    )
