"""Reads and writes runs: the lock of a thread, expected states, turns and leases.

All writes here take any number of runs at once, of different threads, and whoever calls them
holds the threads (``threads.py``).
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from understudy.runs import journal
from understudy.storage.changes import CommitRun, StartRun, Written
from understudy.storage.columns import pack
from understudy.storage.postgres import objects
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.reader import Reader, Record
from understudy.storage.postgres.statements import arrays, unnest
from understudy.storage.records import Claimable, RunHistory, RunRecord, Scope
from understudy.storage.run_rows import (
    LONG_THREAD_MESSAGES,
    RECORD_COLUMNS,
    as_record,
    moved_behind,
    waiting_messages,
    with_metadata,
)
from understudy.wire.encoding import (
    decode_message,
    decode_step,
    decode_thread,
    encode,
)
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run

_CLAIMABLE = (
    "turn <> 'over' AND status IN ('queued', 'in_progress', 'cancelling') "
    "AND (turn = 'holding' OR status = 'cancelling')"
)
_STEPS = (
    "ARRAY(SELECT body FROM run_steps WHERE run_id = runs.id AND deleted_at IS NULL "
    "ORDER BY created_at, sequence)"
)
_MESSAGES = (
    "ARRAY(SELECT body FROM messages WHERE run_id = runs.id AND deleted_at IS NULL "
    "ORDER BY created_at, sequence)"
)


class Starting(Struct, frozen=True):
    """A run that is to be inserted, behind the run that holds the thread if there is one."""

    order: StartRun
    holder: str | None


async def insert(database: Database, starting: Collection[Starting]) -> None:
    """Insert runs, each with its turn; the unique index on threads is the last check (RUN-22)."""
    if not starting:
        return
    types = (
        *("text", "text", "text", "bigint", "text", "text", "bigint", "bigint", "bigint"),
        *("bytea", "bytea", "bytea", "text"),
    )
    await database.execute(
        "INSERT INTO runs (id, project_id, thread_id, created_at, status, turn, attempt, position, "
        f"deadline, journal, waiting_messages, body, file_ids) SELECT * FROM {unnest(*types)}",
        *arrays(_new_row(one.order, one.holder) for one in starting),
    )


def _new_row(order: StartRun, holder: str | None) -> tuple[object, ...]:
    run = order.change.run
    return (
        run.id,
        order.project_id,
        run.thread_id,
        run.created_at,
        run.status,
        "waiting" if holder else "holding",
        order.change.attempt,
        order.change.events[-1].position,
        order.change.deadline,
        journal.write(order.change.events),
        encode(order.messages) if holder else None,
        encode(run),
        pack(order.file_ids),
    )


async def commit(database: Database, orders: Sequence[CommitRun]) -> list[Written]:
    """Apply changes to runs that are as the changes expect; what is returned is the verdict."""
    if not orders:
        return []
    found = await _update(database, orders)
    applied = [order for order in orders if order.change.run.id in found]
    await _keep_changed_metadata(database, "runs", (one.change.run for one in applied), found)
    await _put_steps(database, applied)
    await _put_messages(database, applied)
    ended = [one.change.run.thread_id for one in applied if one.change.ends_run]
    promoted = await _promote(database, ended) if ended else {}
    return [
        Written(promoted_run_id=promoted.get(order.change.run.thread_id))
        if order.change.run.id in found
        else Written(applied=False)
        for order in orders
    ]


async def _update(database: Database, orders: Iterable[CommitRun]) -> Mapping[str, bytes | None]:
    """Return the runs that were changed, with the metadata that clients changed before."""
    types = (
        *("text", "text", "bigint", "text", "boolean", "bigint", "bigint"),
        *("boolean", "double precision", "bytea", "bytea", "bytea"),
    )
    found = await database.fetch(
        "UPDATE runs SET status = new.status, attempt = new.attempt, "
        "turn = CASE WHEN new.ends THEN 'over' ELSE runs.turn END, "
        "position = greatest(runs.position, new.position), "
        "lease_until = CASE WHEN new.keeps_lease THEN runs.lease_until ELSE new.lease_until END, "
        "pending_usage = new.pending_usage, body = new.body, journal = runs.journal || new.journal "
        f"FROM {unnest(*types)} AS new (id, expected_status, expected_attempt, status, ends, "
        "attempt, position, keeps_lease, lease_until, pending_usage, body, journal) "
        "WHERE runs.id = ANY($1) AND runs.id = new.id AND runs.status = new.expected_status "
        "AND runs.attempt = new.expected_attempt AND runs.deleted_at IS NULL "
        "RETURNING runs.id, runs.changed_metadata",
        *arrays(sorted(map(_changed_row, orders), key=lambda row: str(row[0]))),
    )
    return dict(found)


def _changed_row(order: CommitRun) -> tuple[object, ...]:
    change = order.change
    return (
        change.run.id,
        change.expected_status,
        change.expected_attempt,
        change.run.status,
        change.ends_run,
        change.attempt,
        change.position,
        change.lease_until == 0.0,
        change.lease_until,
        encode(change.pending_usage) if change.pending_usage else None,
        encode(change.run),
        journal.write(change.events),
    )


async def _keep_changed_metadata(
    database: Database,
    table: str,
    written: Iterable[Run | Message],
    found: Mapping[str, bytes | None],
) -> None:
    """A client changed the metadata while a worker held an older copy: the client's stays."""
    for one in written:
        metadata = found.get(one.id)
        if metadata is not None:
            body = encode(with_metadata(one, metadata))
            await database.execute(f"UPDATE {table} SET body = $1 WHERE id = $2", body, one.id)


async def _put_steps(database: Database, orders: Iterable[CommitRun]) -> None:
    rows = [
        (step.id, order.project_id, step.thread_id, step.run_id, step.created_at, encode(step))
        for order in orders
        for step in order.change.steps
    ]
    if rows:
        await database.execute(
            "INSERT INTO run_steps (id, project_id, thread_id, run_id, created_at, body) "
            f"SELECT * FROM {unnest('text', 'text', 'text', 'text', 'bigint', 'bytea')} "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            *arrays(rows),
        )


async def _put_messages(database: Database, orders: Iterable[CommitRun]) -> None:
    """Write messages unless a client deleted them in the meantime."""
    written = [(order.project_id, one) for order in orders for one in order.change.messages]
    if not written:
        return
    found = await database.fetch(
        "INSERT INTO messages (id, project_id, thread_id, run_id, created_at, body) "
        f"SELECT * FROM {unnest('text', 'text', 'text', 'text', 'bigint', 'bytea')} "
        "ON CONFLICT (id) DO UPDATE SET body = excluded.body "
        "WHERE messages.deleted_at IS NULL RETURNING id, changed_metadata",
        *arrays(
            (one.id, project_id, one.thread_id, one.run_id, one.created_at, encode(one))
            for project_id, one in written
        ),
    )
    messages = (one for _, one in written)
    await _keep_changed_metadata(database, "messages", messages, dict(found))


async def _promote(database: Database, thread_ids: Sequence[str]) -> dict[str, str]:
    """Give each free thread to the run that has waited longest; return run ids by thread."""
    found = await database.fetch(
        "SELECT DISTINCT ON (thread_id) thread_id, id, waiting_messages FROM runs AS waiting "
        "WHERE thread_id = ANY($1) AND turn = 'waiting' AND status = 'queued' "
        "AND NOT EXISTS (SELECT 1 FROM runs AS holding "
        "WHERE holding.thread_id = ANY($1) AND holding.thread_id = waiting.thread_id "
        "AND holding.turn = 'holding') "
        "ORDER BY thread_id, sequence",
        [*thread_ids],
    )
    for thread_id, run_id, brought in found:
        await database.execute(
            "UPDATE runs SET turn = 'holding', waiting_messages = NULL WHERE id = $1", run_id
        )
        last_spoken_at = await _last_spoken_at(database, thread_id)
        messages = (moved_behind(one, last_spoken_at) for one in waiting_messages(brought))
        await objects.insert(database, messages)
    return {thread_id: run_id for thread_id, run_id, _ in found}


async def _last_spoken_at(database: Database, thread_id: str) -> int:
    found: int | None = await database.fetchval(
        "SELECT max(created_at) FROM messages WHERE thread_id = $1 AND deleted_at IS NULL",
        thread_id,
    )
    return found or 0


async def record(reader: Reader, run_id: str) -> RunRecord | None:
    """Return the run with its steps."""
    # A run that was never claimed has no steps: the common case looks for none.
    found = await reader.row(
        f"SELECT {RECORD_COLUMNS}, CASE WHEN attempt > 0 THEN {_STEPS} END, "
        f"CASE WHEN attempt > 0 THEN {_MESSAGES} END "
        "FROM runs WHERE id = $1 AND deleted_at IS NULL",
        run_id,
    )
    return _as_record(found) if found else None


def _as_record(row: Record) -> RunRecord:
    *columns, steps, messages = row
    return as_record(
        columns, tuple(map(decode_step, steps or ())), map(decode_message, messages or ())
    )


async def history(reader: Reader, scope: Scope, run_id: str) -> RunHistory | None:
    """Return all that happened in a run, from one snapshot: the statement is one."""
    columns = ", ".join(f"runs.{column}" for column in RECORD_COLUMNS.split(", "))
    found = await reader.row(
        f"SELECT {columns}, {_STEPS}, {_MESSAGES}, runs.journal, threads.body "
        "FROM runs JOIN threads ON threads.id = runs.thread_id "
        "WHERE runs.id = $1 AND runs.project_id = $2 AND runs.thread_id = $3 "
        "AND runs.deleted_at IS NULL",
        run_id,
        scope.project_id,
        scope.thread_id,
    )
    if found is None:
        return None
    *columns_of_record, step_bodies, message_bodies, lines, thread = found
    steps = tuple(map(decode_step, step_bodies))
    messages = [*map(decode_message, message_bodies)]
    return RunHistory(
        record=as_record(columns_of_record, steps, messages),
        thread=decode_thread(thread),
        journal=journal.read(lines),
        steps={step.id: step for step in steps},
        messages={one.id: one for one in messages},
    )


async def thread_messages(reader: Reader, thread_id: str) -> list[Message]:
    """Return the whole thread, oldest first."""
    found = await reader.rows(
        "SELECT body FROM messages WHERE thread_id = $1 AND deleted_at IS NULL "
        "ORDER BY created_at, sequence",
        thread_id,
    )
    if len(found) > LONG_THREAD_MESSAGES:
        return await asyncio.to_thread(_decoded, found)
    return _decoded(found)


def _decoded(rows: Iterable[Record]) -> list[Message]:
    return [decode_message(body) for (body,) in rows]


async def claimable(
    reader: Reader, now: float, limit: int, project_id: str | None
) -> list[Claimable]:
    """Return runs with something to do and no worker alive on them, projects taking turns."""
    behind = (
        "SELECT project_id FROM runs WHERE turn <> 'over' AND project_id > {} "
        "ORDER BY project_id LIMIT 1"
    )
    first, following = behind.format("''"), behind.format("project.id")
    found = await reader.rows(
        "WITH RECURSIVE project (id) AS ("
        f"SELECT coalesce($3, ({first})) UNION ALL "
        f"SELECT ({following}) FROM project "
        "WHERE $3 IS NULL AND project.id IS NOT NULL"
        ") SELECT run.project_id, run.id, run.leased FROM project CROSS JOIN LATERAL ("
        "SELECT project_id, id, leased, row_number() OVER (ORDER BY sequence) AS turn FROM ("
        "SELECT project_id, id, sequence, lease_until IS NOT NULL AS leased "
        f"FROM runs WHERE {_CLAIMABLE} "
        "AND project_id = project.id AND (lease_until IS NULL OR lease_until < $1) "
        "ORDER BY sequence LIMIT $2) AS oldest"
        ") AS run ORDER BY run.turn, run.project_id LIMIT $2",
        now,
        limit,
        project_id,
    )
    return [Claimable(project, run_id, abandoned=leased) for project, run_id, leased in found]


async def overdue(reader: Reader, now: float, limit: int) -> list[str]:
    """Return runs past their deadline that nobody holds."""
    found = await reader.rows(
        "SELECT id FROM runs WHERE turn <> 'over' AND deadline <= $1 "
        "AND (lease_until IS NULL OR lease_until < $2) ORDER BY deadline LIMIT $3",
        int(now),
        now,
        limit,
    )
    return [run_id for (run_id,) in found]


async def renew_leases(reader: Reader, attempts: Mapping[str, int], until: float) -> set[str]:
    """Prolong the leases of runs that are still at the given attempt; return who is to go on."""
    await _set_leases(reader, attempts, until)
    found = await reader.rows(
        "SELECT id, attempt FROM runs WHERE id = ANY($1) "
        "AND status = 'in_progress' AND deleted_at IS NULL",
        [*attempts],
    )
    return {run_id for run_id, attempt in found if attempts[run_id] == attempt}


async def release_leases(reader: Reader, attempts: Mapping[str, int]) -> None:
    """Free runs whose worker has let go of them."""
    await _set_leases(reader, attempts, None)


async def _set_leases(reader: Reader, attempts: Mapping[str, int], until: float | None) -> None:
    """Locks come in the order of ids first, so that nobody else's order can cross it."""
    if attempts:
        await reader.write(
            "WITH mine AS (SELECT runs.id FROM runs "
            "JOIN unnest($1::text[], $2::bigint[]) AS mine (id, attempt) "
            "ON runs.id = mine.id AND runs.attempt = mine.attempt "
            "WHERE runs.lease_until IS NOT NULL ORDER BY runs.id FOR NO KEY UPDATE OF runs) "
            "UPDATE runs SET lease_until = $3 FROM mine WHERE runs.id = mine.id",
            *arrays(attempts.items()),
            until,
        )


async def drop_all_leases(reader: Reader) -> None:
    """Free every run of workers that are known to be dead."""
    await reader.write(
        f"UPDATE runs SET lease_until = NULL WHERE {_CLAIMABLE} AND lease_until IS NOT NULL"
    )
