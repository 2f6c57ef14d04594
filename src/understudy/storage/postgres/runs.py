"""Reads and writes runs: the lock of a thread, expected states, turns and leases.

A run is started or changed here in all cases that there are. Plain cases are written many at once
(``grouped_objects.py``, ``grouped_runs.py``).
"""

import asyncio
from collections.abc import Iterable, Mapping

from understudy.runs import journal
from understudy.storage.changes import CommitRun, StartRun, Written
from understudy.storage.columns import pack
from understudy.storage.postgres import objects
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.reader import Reader, Record
from understudy.storage.postgres.statements import arrays
from understudy.storage.postgres.threads import hold, lock
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
from understudy.wire.objects.steps import RunStep

# Word for word what the indexes of unfinished runs say: only so do they serve.
_UNFINISHED = "(turn <> 'over') IS TRUE"
_CLAIMABLE = (
    f"{_UNFINISHED} AND status IN ('queued', 'in_progress', 'cancelling') "
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


async def start(database: Database, order: StartRun) -> Written:
    """Insert the run with its messages; behind the run that holds the thread they wait with it.

    Raises ThreadGone, or ThreadBusy when the run is not to wait.
    """
    held = await hold(database, order.change.run.thread_id)
    if order.queue:
        held.check_exists(order.project_id)
    else:
        held.check_free(order.project_id)
    if held.run_id is None:
        await objects.insert(database, order.messages)
    await _insert(database, order, held.run_id)
    return Written(active_run_id=held.run_id)


async def _insert(database: Database, order: StartRun, holder: str | None) -> None:
    """Insert a run with its turn; the unique index on threads is the last check (RUN-22)."""
    run = order.change.run
    await database.execute(
        "INSERT INTO runs (id, project_id, thread_id, created_at, status, turn, attempt, position, "
        "deadline, journal, waiting_messages, body, file_ids) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
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


async def commit(database: Database, order: CommitRun) -> Written:
    """Apply a change to a run that is as the change expects; what is returned is the verdict."""
    change = order.change
    await lock(database, change.run.thread_id)
    found = await _update(database, order)
    if found is None:
        return Written(applied=False)
    await _keep_changed_metadata(database, "runs", change.run, found["changed_metadata"])
    for step in change.steps:
        await _put_step(database, order.project_id, step)
    for message in change.messages:
        await _put_message(database, order.project_id, message)
    if not change.ends_run:
        return Written()
    return Written(promoted_run_id=await _promote(database, change.run.thread_id))


async def _update(database: Database, order: CommitRun) -> Record | None:
    """Return the metadata that a client changed before, or None if the run is not as expected."""
    change = order.change
    return await database.fetchrow(
        "UPDATE runs SET status = $4, attempt = $5, turn = CASE WHEN $6 THEN 'over' ELSE turn END, "
        "position = greatest(position, $7), "
        "lease_until = CASE WHEN $8 THEN lease_until ELSE $9 END, "
        "pending_usage = $10, body = $11, journal = journal || $12 "
        "WHERE id = $1 AND status = $2 AND attempt = $3 AND deleted_at IS NULL "
        "RETURNING changed_metadata",
        change.run.id,
        change.expected_status,
        change.expected_attempt,
        change.run.status,
        change.attempt,
        change.ends_run,
        change.position,
        change.lease_until == 0.0,
        change.lease_until,
        encode(change.pending_usage) if change.pending_usage else None,
        encode(change.run),
        journal.write(change.events),
    )


async def _keep_changed_metadata(
    database: Database, table: str, written: Run | Message, metadata: bytes | None
) -> None:
    """A client changed the metadata while a worker held an older copy: the client's stays."""
    if metadata is not None:
        body = encode(with_metadata(written, metadata))
        await database.execute(f"UPDATE {table} SET body = $1 WHERE id = $2", body, written.id)


async def _put_step(database: Database, project_id: str, step: RunStep) -> None:
    await database.execute(
        "INSERT INTO run_steps (id, project_id, thread_id, run_id, created_at, body) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        *(step.id, project_id, step.thread_id, step.run_id, step.created_at, encode(step)),
    )


async def _put_message(database: Database, project_id: str, one: Message) -> None:
    """Write a message unless a client deleted it in the meantime."""
    metadata = await database.fetchval(
        "INSERT INTO messages (id, project_id, thread_id, run_id, created_at, body) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET body = excluded.body "
        "WHERE messages.deleted_at IS NULL RETURNING changed_metadata",
        *(one.id, project_id, one.thread_id, one.run_id, one.created_at, encode(one)),
    )
    await _keep_changed_metadata(database, "messages", one, metadata)


async def _promote(database: Database, thread_id: str) -> str | None:
    """Give the thread, if it is free, to the run that has waited longest; return its id."""
    found = await database.fetchrow(
        "SELECT id, waiting_messages FROM runs "
        "WHERE thread_id = $1 AND turn = 'waiting' AND status = 'queued' "
        "AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = $1 AND turn = 'holding') "
        "ORDER BY sequence LIMIT 1",
        thread_id,
    )
    if found is None:
        return None
    run_id: str = found["id"]
    await database.execute(
        "UPDATE runs SET turn = 'holding', waiting_messages = NULL WHERE id = $1", run_id
    )
    last_spoken_at = await _last_spoken_at(database, thread_id)
    messages = waiting_messages(found["waiting_messages"])
    await objects.insert(database, (moved_behind(one, last_spoken_at) for one in messages))
    return run_id


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
        f"SELECT project_id FROM runs WHERE {_UNFINISHED} AND project_id > {{}} "
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
        f"SELECT id FROM runs WHERE {_UNFINISHED} AND deadline <= $1 "
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
