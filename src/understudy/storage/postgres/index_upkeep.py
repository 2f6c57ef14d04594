"""What the index of chunks should have, and what it can drop."""

from understudy.storage.changes import ForgetEntryIndex, ForgetStoreIndex
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.reader import Reader


async def indexed_stores(reader: Reader, after: str, limit: int) -> list[str]:
    """Return stores that have completed files and have not expired, in the order of ids."""
    found = await reader.rows(
        "SELECT id FROM vector_stores WHERE id > $1 AND has_index AND deleted_at IS NULL "
        "AND EXISTS (SELECT 1 FROM vector_store_files WHERE store_id = vector_stores.id "
        "AND status = 'completed' AND removed_at IS NULL) ORDER BY id LIMIT $2",
        after,
        limit,
    )
    return [store_id for (store_id,) in found]


async def unneeded_entries(reader: Reader, now: float, limit: int) -> list[tuple[str, int]]:
    """Return (store id, entry) of what the index can drop and nobody is writing."""
    found = await reader.rows(
        "SELECT store_id, sequence FROM vector_store_files "
        "WHERE has_index AND (removed_at IS NOT NULL OR status IN ('cancelled', 'failed')) "
        "AND (lease_until IS NULL OR lease_until <= $1) LIMIT $2",
        now,
        limit,
    )
    return [(store_id, entry) for store_id, entry in found]


async def unneeded_stores(reader: Reader, now: int, limit: int) -> list[str]:
    """Return stores that are deleted or expired, that may have an index, and nobody fills."""
    unfilled = (
        "NOT EXISTS (SELECT 1 FROM vector_store_files AS files "
        "WHERE files.store_id = vector_stores.id AND files.lease_until > $1::bigint)"
    )
    found = await reader.rows(
        "SELECT id FROM vector_stores "
        f"WHERE has_index AND deleted_at IS NOT NULL AND {unfilled} "
        "UNION ALL SELECT id FROM vector_stores "
        f"WHERE has_index AND expires_at <= $1 AND deleted_at IS NULL AND {unfilled} LIMIT $2",
        now,
        limit,
    )
    return [store_id for (store_id,) in found]


async def forget_entry_index(database: Database, order: ForgetEntryIndex) -> None:
    """Note that the index keeps nothing of these entries."""
    await database.execute(
        "UPDATE vector_store_files SET has_index = false, lease_until = NULL "
        "WHERE sequence = ANY($1)",
        [*order.entries],
    )


async def forget_store_index(database: Database, order: ForgetStoreIndex) -> None:
    """Note that the index keeps nothing of a store, and that nothing more comes to it."""
    await database.execute(
        "UPDATE vector_stores SET has_index = false WHERE id = $1", order.store_id
    )
    await database.execute(
        "UPDATE vector_store_files SET has_index = false, status = "
        "CASE status WHEN 'in_progress' THEN 'cancelled' ELSE status END WHERE store_id = $1",
        order.store_id,
    )
