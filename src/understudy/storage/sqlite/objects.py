"""Reads and writes the objects that clients see."""

import sqlite3
from collections.abc import Sequence
from functools import partial

from understudy.errors import AlreadyAnswered
from understudy.storage.changes import Answer, Delete, Insert, Replace
from understudy.storage.columns import TABLES, columns_of, pack, unpack
from understudy.storage.records import (
    Conflict,
    Kind,
    Row,
    Rows,
    Scope,
    Slice,
    ThreadBusy,
    ThreadGone,
    UnknownCursor,
)
from understudy.storage.sqlite import vector_stores
from understudy.storage.sqlite.paging import read_page


def fetch(connection: sqlite3.Connection, kind: Kind, scope: Scope, object_id: str) -> Row | None:
    """Return the object if the scope holds it."""
    where, values = _where(scope)
    found = connection.execute(
        f"SELECT id, body, file_ids FROM {TABLES[kind]} "
        f"WHERE id = ? AND deleted_at IS NULL AND {where}",
        (object_id, *values),
    ).fetchone()
    return Row(found[0], found[1], unpack(found[2])) if found else None


def page(connection: sqlite3.Connection, kind: Kind, scope: Scope, part: Slice) -> Rows:
    """Return a part of the list."""
    where, values = _where(scope)
    found, has_more = read_page(
        connection,
        f"SELECT id, body, file_ids FROM {TABLES[kind]} WHERE deleted_at IS NULL AND {where}",
        values,
        part,
        partial(_place, connection, kind, scope),
    )
    rows = [Row(row_id, body, unpack(ids)) for row_id, body, ids in found]
    return Rows(rows, has_more=has_more)


def _where(scope: Scope) -> tuple[str, list[str | int]]:
    """Return the narrowest condition that an index serves, and the others after it."""
    conditions, values = ["project_id = ?"], [scope.project_id]
    for column in ("thread_id", "run_id", "purpose"):
        value = getattr(scope, column)
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    for key, value in scope.metadata.items():
        conditions.append(
            "EXISTS (SELECT 1 FROM json_each(CAST(body AS TEXT), '$.metadata') AS pair "
            "WHERE pair.key = ? AND pair.value = ?)"
        )
        values += [key, value]
    return " AND ".join(conditions), [*values]


def _place(
    connection: sqlite3.Connection, kind: Kind, scope: Scope, object_id: str
) -> tuple[int, int]:
    """Return where the object stands, or stood before it was deleted (LIST-08)."""
    # What a list is filtered by does not matter: a message of another run is a place, too.
    run_id = scope.run_id if kind == "run_step" else None
    where, values = _where(
        Scope(project_id=scope.project_id, thread_id=scope.thread_id, run_id=run_id)
    )
    found = connection.execute(
        f"SELECT created_at, sequence FROM {TABLES[kind]} WHERE id = ? AND {where}",
        (object_id, *values),
    ).fetchone()
    if found is None:
        raise UnknownCursor(object_id)
    place: tuple[int, int] = found
    return place


def missing_files(
    connection: sqlite3.Connection, project_id: str, file_ids: Sequence[str]
) -> list[str]:
    """Return those of the ids that name no file of the project."""
    scope = Scope(project_id=project_id)
    return [one for one in file_ids if fetch(connection, "file", scope, one) is None]


def expired_files(connection: sqlite3.Connection, now: int, limit: int) -> list[tuple[str, str]]:
    """Return (project id, file id) of files whose time is over."""
    return connection.execute(
        "SELECT project_id, id FROM files WHERE expires_at <= ? AND deleted_at IS NULL LIMIT ?",
        (now, limit),
    ).fetchall()


def insert(connection: sqlite3.Connection, row: Insert) -> None:
    """Add an object. Raises ThreadBusy or ThreadGone when its thread does not admit it."""
    if row.needs_free_thread and row.thread_id is not None:
        _check_thread(connection, row.project_id, row.thread_id)
    columns = columns_of(row)
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    connection.execute(
        f"INSERT INTO {TABLES[row.kind]} ({names}) VALUES ({places})", tuple(columns.values())
    )
    _note_uses(connection, row.kind, row.id, row.uses)


def _note_uses(
    connection: sqlite3.Connection, kind: Kind, object_id: str, file_ids: Sequence[str]
) -> None:
    for file_id in file_ids:
        connection.execute(
            "INSERT OR IGNORE INTO file_uses (file_id, kind, object_id) VALUES (?, ?, ?)",
            (file_id, kind, object_id),
        )


def users_of_file(connection: sqlite3.Connection, file_id: str) -> list[tuple[Kind, str]]:
    """Return (kind, id) of the objects that name the file, or once did."""
    return connection.execute(
        "SELECT kind, object_id FROM file_uses WHERE file_id = ?", (file_id,)
    ).fetchall()


def _check_thread(connection: sqlite3.Connection, project_id: str, thread_id: str) -> None:
    check_thread_exists(connection, project_id, thread_id)
    run_id = active_run(connection, thread_id)
    if run_id is not None:
        raise ThreadBusy(run_id)


def check_thread_exists(connection: sqlite3.Connection, project_id: str, thread_id: str) -> None:
    """Raise ThreadGone when the project has no such thread (any more)."""
    found = connection.execute(
        "SELECT 1 FROM threads WHERE id = ? AND project_id = ? AND deleted_at IS NULL",
        (thread_id, project_id),
    ).fetchone()
    if found is None:
        raise ThreadGone


def active_run(connection: sqlite3.Connection, thread_id: str) -> str | None:
    """Return the run that holds the thread."""
    found = connection.execute(
        "SELECT id FROM runs WHERE thread_id = ? AND turn = 'holding'", (thread_id,)
    ).fetchone()
    return found[0] if found else None


def unfinished_runs(connection: sqlite3.Connection, thread_id: str) -> list[str]:
    """Return the run that holds the thread and those that wait behind it."""
    found = connection.execute(
        "SELECT id FROM runs WHERE thread_id = ? AND turn = 'holding' "
        "UNION ALL SELECT id FROM runs WHERE thread_id = ? AND turn = 'waiting'",
        (thread_id, thread_id),
    )
    return [run_id for (run_id,) in found]


def replace(connection: sqlite3.Connection, change: Replace) -> None:
    """Write another body over the one that was read. Raises Conflict when that is not there."""
    also: dict[str, object] = {}
    if change.metadata is not None:
        also["changed_metadata"] = change.metadata
    if change.kind == "vector_store":
        also["expires_at"] = change.expires_at
    more = "".join(f", {column} = ?" for column in also)
    done = connection.execute(
        f"UPDATE {TABLES[change.kind]} SET body = ?, file_ids = ?{more} "
        "WHERE id = ? AND project_id = ? AND body = ? AND file_ids IS ? AND deleted_at IS NULL",
        (
            change.body,
            pack(change.file_ids),
            *also.values(),
            change.id,
            change.project_id,
            change.read.body,
            pack(change.read.file_ids),
        ),
    )
    if done.rowcount == 0:
        raise Conflict
    _note_uses(connection, change.kind, change.id, change.uses)


def delete(connection: sqlite3.Connection, change: Delete) -> None:
    """Blank the object and what belongs to it. Raises Conflict when it is gone already."""
    done = connection.execute(
        f"UPDATE {TABLES[change.kind]} SET deleted_at = ?, body = x'', file_ids = NULL "
        "WHERE id = ? AND project_id = ? AND deleted_at IS NULL",
        (change.now, change.id, change.project_id),
    )
    if done.rowcount == 0:
        raise Conflict
    if change.kind == "thread":
        _delete_contents(connection, change)
    elif change.kind == "vector_store":
        vector_stores.empty(connection, change.id, change.now)
    elif change.kind == "file":
        vector_stores.remove_everywhere(connection, change.id, change.now)


def _delete_contents(connection: sqlite3.Connection, change: Delete) -> None:
    """A thread takes its steps, runs and messages with it (THR-05); an active run just ends."""
    connection.execute(
        "UPDATE run_steps SET deleted_at = ?, body = x'' "
        "WHERE deleted_at IS NULL "
        "AND run_id IN (SELECT id FROM runs WHERE thread_id = ? AND deleted_at IS NULL)",
        (change.now, change.id),
    )
    connection.execute(
        "UPDATE runs SET deleted_at = ?, body = x'', journal = '', waiting_messages = NULL, "
        "status = CASE WHEN turn = 'over' THEN status ELSE 'cancelled' END, turn = 'over' "
        "WHERE thread_id = ? AND deleted_at IS NULL",
        (change.now, change.id),
    )
    connection.execute(
        "UPDATE messages SET deleted_at = ?, body = x'', file_ids = NULL "
        "WHERE thread_id = ? AND deleted_at IS NULL",
        (change.now, change.id),
    )


def remember(connection: sqlite3.Connection, answer: Answer) -> None:
    """Keep what an Idempotency-Key was answered. Raises AlreadyAnswered when it is taken."""
    try:
        connection.execute(
            "INSERT INTO answers (project_id, key, fingerprint, kind, body, file_ids, after, "
            "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                answer.project_id,
                answer.key,
                answer.fingerprint,
                answer.kind,
                answer.body,
                pack(answer.file_ids),
                answer.after,
                answer.created_at,
            ),
        )
    except sqlite3.IntegrityError as error:
        raise AlreadyAnswered from error


def answered(connection: sqlite3.Connection, project_id: str, key: str) -> Answer | None:
    """Return what the key was answered."""
    found = connection.execute(
        "SELECT fingerprint, kind, body, file_ids, after, created_at FROM answers "
        "WHERE project_id = ? AND key = ?",
        (project_id, key),
    ).fetchone()
    if found is None:
        return None
    fingerprint, kind, body, file_ids, after, created_at = found
    return Answer(
        project_id=project_id,
        key=key,
        fingerprint=fingerprint,
        kind=kind,
        body=body,
        file_ids=unpack(file_ids),
        after=after,
        created_at=created_at,
    )
