"""What the index of chunks should have, and what it can drop."""

import sqlite3
from typing import Any

from understudy.storage.changes import ForgetEntryIndex, ForgetStoreIndex


def indexed_stores(connection: sqlite3.Connection, after: str, limit: int) -> list[str]:
    """Return stores that have completed files and have not expired, in the order of ids."""
    found = connection.execute(
        "SELECT id FROM vector_stores WHERE id > ? AND has_index AND deleted_at IS NULL "
        "AND EXISTS (SELECT 1 FROM vector_store_files WHERE store_id = vector_stores.id "
        "AND status = 'completed' AND removed_at IS NULL) ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [store_id for (store_id,) in found]


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
