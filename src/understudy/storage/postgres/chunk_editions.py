"""Editions: the writings of an entry, of which at most one is found.

An edition is written in several short transactions, so that no connection is held while a file is
read, and published in one. Whoever changes the state of editions or adds to one has locked its row
first; so nothing is added to what has been dropped. Deleting takes longer, and comes afterwards,
a portion at a time. What a killed process left behind is dropped by the next edition of the same
entry, or with the entry.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct

from understudy.errors import Unavailable
from understudy.storage.chunks import IndexSize
from understudy.storage.postgres.chunk_keys import VERSION
from understudy.storage.postgres.connecting import Database

DELETED_CHUNKS = 5_000


class StoreState(Struct, frozen=True):
    """How many chunks a store has, and the editions of it that are not found."""

    chunks: int
    hidden: Sequence[int]


async def begin(connection: Database, store_id: str, entry: int) -> int:
    """Begin an edition of an entry and return its number."""
    edition: int = await connection.fetchval(
        "INSERT INTO chunk_editions (store_id, entry, version) VALUES ($1, $2, $3) RETURNING id",
        store_id,
        entry,
        VERSION,
    )
    return edition


async def grow(connection: Database, edition: int, chunks: int, text_bytes: int) -> None:
    """Count chunks that are added in this transaction. Raises Unavailable when it was dropped."""
    grown = await connection.fetchval(
        "UPDATE chunk_editions SET chunks = chunks + $2, text_bytes = text_bytes + $3 "
        "WHERE id = $1 AND state = 'written' RETURNING id",
        edition,
        chunks,
        text_bytes,
    )
    if grown is None:
        raise _dropped()


async def publish(connection: Database, store_id: str, entry: int, edition: int) -> IndexSize:
    """Let an edition be found in place of the entry's older ones.

    Raises Unavailable when it was dropped, perhaps since a newer one has been published.
    """
    # One after another, in the same order: whoever publishes the same entry waits here.
    await connection.execute(
        "SELECT FROM chunk_editions WHERE store_id = $1 AND entry = $2 AND state <> 'dropped' "
        "ORDER BY id FOR UPDATE",
        store_id,
        entry,
    )
    await connection.execute(
        "UPDATE chunk_editions SET state = 'dropped' WHERE store_id = $1 AND entry = $2 "
        "AND id < $3 AND state <> 'dropped'",
        store_id,
        entry,
        edition,
    )
    row = await connection.fetchrow(
        "UPDATE chunk_editions SET state = 'published' WHERE id = $1 AND state = 'written' "
        "RETURNING text_bytes, chunks",
        edition,
    )
    if row is None:
        raise _dropped()
    return IndexSize(text_bytes=row[0], chunks=row[1])


async def withdraw(connection: Database, edition: int) -> None:
    """Drop an edition that did not succeed."""
    await connection.execute(
        "UPDATE chunk_editions SET state = 'dropped' WHERE id = $1 AND state = 'written'", edition
    )


async def drop(connection: Database, store_id: str, entry: int | None = None) -> None:
    """Drop all editions of an entry, or of the whole store."""
    await connection.execute(
        "UPDATE chunk_editions SET state = 'dropped' WHERE id IN (SELECT id FROM chunk_editions "
        "WHERE store_id = $1 AND ($2::bigint IS NULL OR entry = $2) AND state <> 'dropped' "
        "ORDER BY id FOR UPDATE)",
        store_id,
        entry,
    )


async def dropped(connection: Database, store_id: str) -> Sequence[int]:
    """Return the editions that wait for being deleted."""
    found = await connection.fetch(
        "SELECT id FROM chunk_editions WHERE store_id = $1 AND state = 'dropped'", store_id
    )
    return [row[0] for row in found]


async def delete_some(connection: Database, editions: Sequence[int]) -> bool:
    """Delete a portion of dropped editions' chunks, or else what is left of these editions.

    Return whether there is more to delete.
    """
    deleted = await connection.execute(
        "DELETE FROM chunks WHERE (edition, ordinal) IN (SELECT edition, ordinal FROM chunks "
        "WHERE edition = ANY ($1::bigint[]) LIMIT $2)",
        editions,
        DELETED_CHUNKS,
    )
    if deleted != "DELETE 0":
        return True
    # Their vectors go with them.
    await connection.execute(
        "DELETE FROM chunk_editions WHERE id = ANY ($1::bigint[]) AND state = 'dropped'", editions
    )
    return False


async def state_of(connection: Database, store_id: str) -> StoreState:
    """Return what a search has to know of a store."""
    row = await connection.fetchrow(
        "SELECT coalesce(sum(chunks) FILTER (WHERE state <> 'dropped'), 0)::bigint, "
        "coalesce(array_agg(id) FILTER (WHERE state <> 'published'), '{}') "
        "FROM chunk_editions WHERE store_id = $1",
        store_id,
    )
    assert row is not None
    return StoreState(row[0], row[1])


async def of_entries(
    connection: Database, store_id: str, entries: Collection[int]
) -> Sequence[int]:
    """Return the published editions of entries."""
    found = await connection.fetch(
        "SELECT id FROM chunk_editions WHERE store_id = $1 AND entry = ANY ($2::bigint[]) "
        "AND state = 'published'",
        store_id,
        list(entries),
    )
    return [row[0] for row in found]


async def published(connection: Database, store_id: str) -> Collection[int]:
    """Return the entries that can be found by this release's keys and terms."""
    found = await connection.fetch(
        "SELECT entry FROM chunk_editions WHERE store_id = $1 AND state = 'published' "
        "AND version = $2",
        store_id,
        VERSION,
    )
    return {row[0] for row in found}


def _dropped() -> Unavailable:
    return Unavailable("The passages were dropped while they were being stored. Try again.")
