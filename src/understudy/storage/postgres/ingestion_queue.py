"""The files that wait to be ingested: whose turn it is, and who works on them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from understudy.storage.changes import (
    ClaimEntry,
    EndEntry,
    IngestAgain,
    ReleaseEntry,
    Written,
)
from understudy.storage.entry_rows import COLUMNS, as_entry
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.reader import Reader, changed_rows
from understudy.storage.postgres.statements import arrays
from understudy.storage.records import StoredEntry, Turns
from understudy.storage.turns import in_turn

_BEHIND_ALL_IDS = "~"  # ids are ASCII letters, digits and _
_WAITS = (
    "status = 'in_progress' AND removed_at IS NULL AND (lease_until IS NULL OR lease_until <= $1)"
)
_WAITING = (
    "FROM vector_store_files AS files JOIN vector_stores AS stores ON stores.id = files.store_id "
    f"WHERE {_WAITS} AND (stores.expires_at IS NULL OR stores.expires_at > $1)"
)


async def ingestible(reader: Reader, now: float, limit: int, turns: Turns) -> list[StoredEntry]:
    """Return entries in progress that no worker holds, in the order in which they are due.

    Only what may have its turn is looked at, however much is waiting.
    """
    [projects] = await _projects(reader, now, limit, turns.project_id)
    stores = await _stores(reader, now, limit, projects, turns)
    entries = await _entries(reader, now, limit, _with_a_turn(projects, stores, limit))
    queues = (
        in_turn(iter(entries[store_id]) for store_id in stores_of_one) for stores_of_one in stores
    )
    return [*islice(in_turn(queues), limit)]


def _with_a_turn(
    projects: Sequence[str], stores: Sequence[Sequence[str]], limit: int
) -> list[tuple[str, str]]:
    """Return (project id, store id) of the stores whose first entry can be among so many."""
    pairs = (
        [(project_id, store_id) for store_id in stores_of_one]
        for project_id, stores_of_one in zip(projects, stores, strict=True)
    )
    return [*islice(in_turn(map(iter, pairs)), limit)]


async def _projects(reader: Reader, now: float, limit: int, after: str) -> list[list[str]]:
    """Return the projects that have something to ingest, those behind the given one first."""
    return await _circles(reader, "project_id", "", now, limit, [("", after)])


async def _stores(
    reader: Reader, now: float, limit: int, projects: Sequence[str], turns: Turns
) -> list[list[str]]:
    """Return the stores of each project that have something to ingest, likewise."""
    of_project = "AND files.project_id = span.project_id"
    circles = [(project_id, turns.stores.get(project_id, "")) for project_id in projects]
    return await _circles(reader, "store_id", of_project, now, limit, circles)


async def _circles(
    reader: Reader,
    column: str,
    of_project: str,
    now: float,
    limit: int,
    circles: Iterable[tuple[str, str]],
) -> list[list[str]]:
    """Return so many ids of each (project id, after), by one look into the index for each.

    A circle is two spans: what is behind ``after``, and what is up to it.
    """
    spans = [
        (project_id, *span)
        for project_id, after in circles
        for span in ((after, _BEHIND_ALL_IDS), ("", after))
    ]
    if not spans:
        return []
    following = (
        f"SELECT files.{column} {_WAITING} {of_project} AND files.{column} > {{}} "
        f"AND files.{column} <= span.up_to ORDER BY files.{column} LIMIT 1"
    )
    found = await reader.rows(
        "SELECT span.number, ring.id FROM unnest($3::text[], $4::text[], $5::text[]) "
        "WITH ORDINALITY AS span (project_id, behind, up_to, number) CROSS JOIN LATERAL ("
        "WITH RECURSIVE ring (id, place) AS ("
        f"SELECT ({following.format('span.behind')}), 1 UNION ALL "
        f"SELECT ({following.format('ring.id')}), ring.place + 1 FROM ring "
        "WHERE ring.id IS NOT NULL AND ring.place < $2"
        ") SELECT id, place FROM ring WHERE id IS NOT NULL) AS ring "
        "ORDER BY span.number, ring.place",
        now,
        limit,
        *arrays(spans),
    )
    rings: list[list[str]] = [[] for _ in range(len(spans) // 2)]
    for number, found_id in found:
        rings[(number - 1) // 2].append(found_id)
    return rings


async def _entries(
    reader: Reader, now: float, limit: int, stores: Collection[tuple[str, str]]
) -> Mapping[str, list[StoredEntry]]:
    """Return the oldest entries of each (project id, store id) that wait."""
    entries: dict[str, list[StoredEntry]] = defaultdict(list)
    if not stores:
        return entries
    found = await reader.rows(
        f"SELECT {COLUMNS} FROM unnest($3::text[], $4::text[]) AS wanted (of_project, of_store) "
        "CROSS JOIN LATERAL (SELECT * FROM vector_store_files WHERE project_id = wanted.of_project "
        f"AND store_id = wanted.of_store AND {_WAITS} ORDER BY sequence LIMIT $2) AS entry "
        "ORDER BY sequence",
        now,
        limit,
        *arrays(stores),
    )
    for row in found:
        one = as_entry(row)
        entries[one.store_id].append(one)
    return entries


async def claim(database: Database, order: ClaimEntry) -> Written:
    """Take an entry for an attempt; the row count is the verdict."""
    done = await database.execute(
        "UPDATE vector_store_files SET attempt = attempt + 1, lease_until = $1, has_index = true "
        "WHERE sequence = $2 AND attempt = $3 AND status = 'in_progress' AND removed_at IS NULL",
        order.lease_until,
        order.entry,
        order.attempt,
    )
    return Written(applied=changed_rows(done) == 1)


async def renew_leases(reader: Reader, attempts: Mapping[int, int], until: float) -> set[int]:
    """Prolong the leases of entries that still are at the given attempt; return who needs it."""
    if not attempts:
        return set()
    mine = arrays(sorted(attempts.items()))
    await reader.write(
        "UPDATE vector_store_files AS files SET lease_until = $3 "
        "FROM unnest($1::bigint[], $2::bigint[]) AS mine (entry, attempt) "
        "WHERE files.sequence = mine.entry AND files.attempt = mine.attempt "
        "AND files.lease_until IS NOT NULL",
        *mine,
        until,
    )
    found = await reader.rows(
        "SELECT files.sequence FROM vector_store_files AS files "
        "JOIN unnest($1::bigint[], $2::bigint[]) AS mine (entry, attempt) "
        "ON files.sequence = mine.entry AND files.attempt = mine.attempt "
        "WHERE files.status = 'in_progress' AND files.removed_at IS NULL",
        *mine,
    )
    return {number for (number,) in found}


async def end(database: Database, order: EndEntry) -> Written:
    """End an ingestion; the row count is the verdict."""
    error = order.error
    done = await database.execute(
        "UPDATE vector_store_files SET status = $1, usage_bytes = $2, error_code = $3, "
        "error_message = $4, lease_until = NULL "
        "WHERE sequence = $5 AND attempt = $6 AND status = 'in_progress' AND removed_at IS NULL",
        "failed" if error else "completed",
        order.usage_bytes,
        error.code if error else None,
        error.message.replace("\0", "") if error else None,
        order.entry,
        order.attempt,
    )
    return Written(applied=changed_rows(done) == 1)


async def release(database: Database, order: ReleaseEntry) -> None:
    """Let others take an entry; see again to what was swept while it was worked on."""
    await database.execute(
        "UPDATE vector_store_files SET has_index = true, "
        "lease_until = CASE attempt WHEN $1 THEN NULL ELSE lease_until END WHERE sequence = $2",
        order.attempt,
        order.entry,
    )
    await database.execute(
        "UPDATE vector_stores SET has_index = true WHERE NOT has_index "
        "AND id = (SELECT store_id FROM vector_store_files WHERE sequence = $1)",
        order.entry,
    )


async def drop_all_leases(reader: Reader) -> None:
    """Free every entry of workers that are known to be dead."""
    await reader.write(
        "UPDATE vector_store_files SET lease_until = NULL WHERE lease_until IS NOT NULL"
    )


async def ingest_again(database: Database, order: IngestAgain) -> None:
    """Put completed files of a store back to work."""
    await database.execute(
        "UPDATE vector_store_files SET status = 'in_progress', attempt = 0, lease_until = NULL "
        "WHERE store_id = $1 AND status = 'completed' AND removed_at IS NULL "
        "AND ($2::bigint[] IS NULL OR sequence = ANY($2))",
        order.store_id,
        None if order.entries is None else [*order.entries],
    )
