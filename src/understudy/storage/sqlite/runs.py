"""Reads and writes runs: the lock of a thread, expected states, turns and leases."""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice

from understudy.runs import journal
from understudy.runs.state import RunChange
from understudy.storage.changes import CommitRun, StartRun, Written
from understudy.storage.columns import pack
from understudy.storage.records import Claimable, RunHistory, RunRecord, Scope, ThreadBusy
from understudy.storage.run_rows import (
    LONG_THREAD_MESSAGES,
    RECORD_COLUMNS,
    as_record,
    moved_behind,
    waiting_messages,
    with_metadata,
)
from understudy.storage.sqlite.objects import (
    active_run,
    check_thread_exists,
    insert,
)
from understudy.storage.turns import in_turn
from understudy.wire.encoding import (
    decode_message,
    decode_step,
    decode_thread,
    encode,
)
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep

_CLAIMABLE = (
    "status IN ('queued', 'in_progress', 'cancelling') "
    "AND (turn = 'holding' OR status = 'cancelling')"
)


def start(connection: sqlite3.Connection, order: StartRun) -> Written:
    """Insert the run; the unique index on its thread is the check (RUN-22)."""
    run = order.change.run
    check_thread_exists(connection, order.project_id, run.thread_id)
    holder = active_run(connection, run.thread_id)
    if holder is not None and not order.queue:
        raise ThreadBusy(holder)
    connection.execute(
        "INSERT INTO runs (id, project_id, thread_id, created_at, status, turn, attempt, position, "
        "deadline, lease_until, journal, waiting_messages, body, file_ids) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?)",
        (
            run.id,
            order.project_id,
            run.thread_id,
            run.created_at,
            run.status,
            "waiting" if holder else "holding",
            order.change.attempt,
            order.change.events[-1].position,
            order.change.deadline,
            journal.write(order.change.events).decode(),
            encode(order.messages) if holder else None,
            encode(run),
            pack(order.file_ids),
        ),
    )
    if holder is None:
        for message in order.messages:
            insert(connection, message)
    return Written(active_run_id=holder)


def commit(connection: sqlite3.Connection, order: CommitRun) -> Written:
    """Apply a change if the run is as the change expects; the row count is the verdict."""
    change = order.change
    found = connection.execute(*_update(change)).fetchone()
    if found is None:
        return Written(applied=False)
    if found[0] is not None:
        _keep_changed_metadata(connection, "runs", change.run, found[0])
    for step in change.steps:
        _put_step(connection, order.project_id, step)
    for message in change.messages:
        _put_message(connection, order.project_id, message)
    promoted = _promote(connection, change.run.thread_id) if change.ends_run else None
    return Written(promoted_run_id=promoted)


def _update(change: RunChange) -> tuple[str, tuple[object, ...]]:
    keeps_lease = change.lease_until == 0.0
    lease = "" if keeps_lease else "lease_until = ?, "
    sql = (
        "UPDATE runs SET status = ?, turn = CASE WHEN ? THEN 'over' ELSE turn END, attempt = ?, "
        f"position = max(position, ?), {lease}pending_usage = ?, body = ?, journal = journal || ? "
        "WHERE id = ? AND status = ? AND attempt = ? AND deleted_at IS NULL "
        "RETURNING changed_metadata"
    )
    return (
        sql,
        (
            change.run.status,
            change.ends_run,
            change.attempt,
            change.position,
            *(() if keeps_lease else (change.lease_until,)),
            encode(change.pending_usage) if change.pending_usage else None,
            encode(change.run),
            journal.write(change.events).decode(),
            change.run.id,
            change.expected_status,
            change.expected_attempt,
        ),
    )


def _keep_changed_metadata(
    connection: sqlite3.Connection, table: str, written: Run | Message, metadata: bytes
) -> None:
    """A client changed the metadata while a worker held an older copy: the client's stays."""
    kept = with_metadata(written, metadata)
    connection.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (encode(kept), kept.id))


def _put_step(connection: sqlite3.Connection, project_id: str, step: RunStep) -> None:
    connection.execute(
        "INSERT INTO run_steps (id, project_id, thread_id, run_id, created_at, body) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        (step.id, project_id, step.thread_id, step.run_id, step.created_at, encode(step)),
    )


def _put_message(connection: sqlite3.Connection, project_id: str, message: Message) -> None:
    """Write the message unless a client deleted it in the meantime."""
    found = connection.execute(
        "INSERT INTO messages (id, project_id, thread_id, run_id, created_at, body) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body "
        "WHERE deleted_at IS NULL RETURNING changed_metadata",
        (
            message.id,
            project_id,
            message.thread_id,
            message.run_id,
            message.created_at,
            encode(message),
        ),
    ).fetchone()
    if found is not None and found[0] is not None:
        _keep_changed_metadata(connection, "messages", message, found[0])


def _promote(connection: sqlite3.Connection, thread_id: str) -> str | None:
    """Give the thread to the run that has waited longest, and add the messages it brought."""
    found = connection.execute(
        "SELECT id, waiting_messages FROM runs WHERE thread_id = ? AND turn = 'waiting' "
        "AND status = 'queued' ORDER BY sequence LIMIT 1",
        (thread_id,),
    ).fetchone()
    if found is None or active_run(connection, thread_id) is not None:
        return None
    run_id, brought = found
    connection.execute(
        "UPDATE runs SET turn = 'holding', waiting_messages = NULL WHERE id = ?", (run_id,)
    )
    for message in waiting_messages(brought):
        insert(connection, moved_behind(message, _last_spoken_at(connection, thread_id)))
    promoted: str = run_id
    return promoted


def _last_spoken_at(connection: sqlite3.Connection, thread_id: str) -> int:
    found = connection.execute(
        "SELECT created_at FROM messages WHERE thread_id = ? AND deleted_at IS NULL "
        "ORDER BY created_at DESC, sequence DESC LIMIT 1",
        (thread_id,),
    ).fetchone()
    return found[0] if found else 0


def record(connection: sqlite3.Connection, run_id: str) -> RunRecord | None:
    """Return the run with its steps."""
    found = connection.execute(
        f"SELECT {RECORD_COLUMNS} FROM runs WHERE id = ? AND deleted_at IS NULL", (run_id,)
    ).fetchone()
    if found is None:
        return None
    # A run that was never claimed has no steps: the common case needs no second query.
    was_claimed = found[1] > 0
    steps = _steps(connection, run_id) if was_claimed else ()
    return as_record(found, steps, _messages_of_run(connection, run_id) if steps else ())


def _steps(connection: sqlite3.Connection, run_id: str) -> tuple[RunStep, ...]:
    found = connection.execute(
        "SELECT body FROM run_steps WHERE run_id = ? AND deleted_at IS NULL "
        "ORDER BY created_at, sequence",
        (run_id,),
    )
    return tuple(decode_step(body) for (body,) in found)


def _messages_of_run(connection: sqlite3.Connection, run_id: str) -> list[Message]:
    found = connection.execute(
        "SELECT body FROM messages WHERE run_id = ? AND deleted_at IS NULL "
        "ORDER BY created_at, sequence",
        (run_id,),
    )
    return [decode_message(body) for (body,) in found]


def is_long_thread(connection: sqlite3.Connection, thread_id: str) -> bool:
    """Return whether reading the whole thread would hold up everything else."""
    found = connection.execute(
        "SELECT 1 FROM messages WHERE thread_id = ? AND deleted_at IS NULL LIMIT 1 OFFSET ?",
        (thread_id, LONG_THREAD_MESSAGES),
    ).fetchone()
    return found is not None


def thread_messages(connection: sqlite3.Connection, thread_id: str) -> list[Message]:
    """Return the whole thread, oldest first."""
    found = connection.execute(
        "SELECT body FROM messages WHERE thread_id = ? AND deleted_at IS NULL "
        "ORDER BY created_at, sequence",
        (thread_id,),
    )
    return [decode_message(body) for (body,) in found]


def history(connection: sqlite3.Connection, scope: Scope, run_id: str) -> RunHistory | None:
    """Return all that happened in a run, from one snapshot."""
    connection.execute("BEGIN")
    try:
        found = connection.execute(
            "SELECT runs.journal, threads.body FROM runs JOIN threads ON threads.id = thread_id "
            "WHERE runs.id = ? AND runs.project_id = ? AND thread_id = ? "
            "AND runs.deleted_at IS NULL",
            (run_id, scope.project_id, scope.thread_id),
        ).fetchone()
        known = record(connection, run_id) if found else None
        if known is None:
            return None
        return RunHistory(
            record=known,
            thread=decode_thread(found[1]),
            journal=journal.read(found[0].encode()),
            steps={step.id: step for step in known.state.steps},
            messages={one.id: one for one in _messages_of_run(connection, run_id)},
        )
    finally:
        connection.execute("COMMIT")


def claimable(
    connection: sqlite3.Connection, now: float, limit: int, project_id: str | None
) -> list[Claimable]:
    """Return runs with something to do and no worker alive on them, projects taking turns."""
    projects = _projects_with_work(connection) if project_id is None else [project_id]
    queues = (_claimable_of(connection, now, limit, project) for project in projects)
    return [*islice(in_turn(queues), limit)]


def _projects_with_work(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield each project that has runs with something to do, by one look into the index each."""
    behind = ""
    while found := connection.execute(
        f"SELECT project_id FROM runs WHERE {_CLAIMABLE} AND project_id > ? "
        "ORDER BY project_id LIMIT 1",
        (behind,),
    ).fetchone():
        (behind,) = found
        yield behind


def _claimable_of(
    connection: sqlite3.Connection, now: float, limit: int, project_id: str
) -> Iterator[Claimable]:
    """Yield the oldest such runs of the project."""
    found = connection.execute(
        f"SELECT id, lease_until IS NOT NULL FROM runs WHERE {_CLAIMABLE} AND project_id = ? "
        "AND (lease_until IS NULL OR lease_until < ?) ORDER BY sequence LIMIT ?",
        (project_id, now, limit),
    ).fetchall()
    for run_id, leased in found:
        yield Claimable(project_id, run_id, abandoned=bool(leased))


def overdue(connection: sqlite3.Connection, now: float, limit: int) -> list[str]:
    """Return runs past their deadline that nobody holds."""
    found = connection.execute(
        "SELECT id FROM runs WHERE turn IN ('holding', 'waiting') AND deadline <= ? "
        "AND (lease_until IS NULL OR lease_until < ?) ORDER BY deadline LIMIT ?",
        (int(now), now, limit),
    )
    return [run_id for (run_id,) in found]


def renew_leases(
    connection: sqlite3.Connection, attempts: Mapping[str, int], until: float
) -> set[str]:
    """Prolong the leases of runs that still are at the given attempt; return who is to go on."""
    connection.executemany(
        "UPDATE runs SET lease_until = ? WHERE id = ? AND attempt = ? AND lease_until IS NOT NULL",
        [(until, run_id, attempt) for run_id, attempt in attempts.items()],
    )
    found = connection.execute(
        "SELECT id, attempt FROM runs WHERE id IN (SELECT value FROM json_each(?)) "
        "AND status = 'in_progress' AND deleted_at IS NULL",
        (encode([*attempts]).decode(),),
    )
    return {run_id for run_id, attempt in found if attempts[run_id] == attempt}


def release_leases(connection: sqlite3.Connection, attempts: Mapping[str, int]) -> None:
    """Free runs whose worker has let go of them."""
    connection.executemany(
        "UPDATE runs SET lease_until = NULL WHERE id = ? AND attempt = ?", [*attempts.items()]
    )


def drop_all_leases(connection: sqlite3.Connection) -> None:
    """Free every run of workers that are known to be dead."""
    connection.execute(f"UPDATE runs SET lease_until = NULL WHERE {_CLAIMABLE}")
