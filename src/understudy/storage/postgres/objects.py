"""Reads and writes the objects that clients see."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import partial

from understudy.errors import AlreadyAnswered
from understudy.storage.changes import Answer, Delete, Insert, Replace
from understudy.storage.columns import TABLES, columns_of, pack, unpack
from understudy.storage.paging import Place
from understudy.storage.postgres import labels, vector_stores
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.paging import read_page
from understudy.storage.postgres.reader import Reader, changed_rows
from understudy.storage.postgres.statements import Values, arrays, unnest
from understudy.storage.postgres.threads import hold
from understudy.storage.records import Conflict, Kind, Row, Rows, Scope, Slice, UnknownCursor

_TYPES = {"body": "bytea", "created_at": "bigint", "expires_at": "bigint"}


async def fetch(reader: Reader, kind: Kind, scope: Scope, object_id: str) -> Row | None:
    """Return the object if the scope holds it."""
    values = Values(object_id)
    found = await reader.row(
        f"SELECT id, body, file_ids FROM {TABLES[kind]} "
        f"WHERE id = $1 AND deleted_at IS NULL AND {_where(scope, values)}",
        *values.all,
    )
    return Row(found[0], found[1], unpack(found[2])) if found else None


async def page(reader: Reader, kind: Kind, scope: Scope, part: Slice) -> Rows:
    """Return a part of the list."""
    values = Values()
    found, has_more = await read_page(
        reader,
        f"SELECT id, body, file_ids FROM {TABLES[kind]} "
        f"WHERE deleted_at IS NULL AND {_where(scope, values)}",
        values,
        part,
        partial(_place, reader, kind, scope),
    )
    rows = [Row(row_id, body, unpack(ids)) for row_id, body, ids in found]
    return Rows(rows, has_more=has_more)


def _where(scope: Scope, values: Values) -> str:
    """Return the narrowest condition that an index serves, and the others after it."""
    conditions = [f"project_id = {values.place(scope.project_id)}"]
    for column in ("thread_id", "run_id", "purpose"):
        value = getattr(scope, column)
        if value is not None:
            conditions.append(f"{column} = {values.place(value)}")
    conditions += [
        "EXISTS (SELECT 1 FROM thread_labels WHERE thread_id = threads.id "
        f"AND label = {values.place(labels.label(*pair))})"
        for pair in scope.metadata.items()
    ]
    return " AND ".join(conditions)


async def _place(reader: Reader, kind: Kind, scope: Scope, object_id: str) -> Place:
    """Return where the object stands, or stood before it was deleted (LIST-08)."""
    # What a list is filtered by does not matter: a message of another run is a place, too.
    run_id = scope.run_id if kind == "run_step" else None
    around = Scope(project_id=scope.project_id, thread_id=scope.thread_id, run_id=run_id)
    values = Values(object_id)
    found = await reader.row(
        f"SELECT created_at, sequence FROM {TABLES[kind]} "
        f"WHERE id = $1 AND {_where(around, values)}",
        *values.all,
    )
    if found is None:
        raise UnknownCursor(object_id)
    return found[0], found[1]


async def missing_files(reader: Reader, project_id: str, file_ids: Sequence[str]) -> list[str]:
    """Return those of the ids that name no file of the project."""
    scope = Scope(project_id=project_id)
    return [one for one in file_ids if await fetch(reader, "file", scope, one) is None]


async def expired_files(reader: Reader, now: int, limit: int) -> list[tuple[str, str]]:
    """Return (project id, file id) of files whose time is over."""
    found = await reader.rows(
        "SELECT project_id, id FROM files WHERE expires_at <= $1 AND deleted_at IS NULL LIMIT $2",
        now,
        limit,
    )
    return [(project_id, file_id) for project_id, file_id in found]


async def users_of_file(reader: Reader, file_id: str) -> list[tuple[Kind, str]]:
    """Return (kind, id) of the objects that name the file, or once did."""
    found = await reader.rows("SELECT kind, object_id FROM file_uses WHERE file_id = $1", file_id)
    return [(kind, object_id) for kind, object_id in found]


async def unfinished_runs(reader: Reader, thread_id: str) -> list[str]:
    """Return the run that holds the thread and those that wait behind it."""
    found = await reader.rows(
        "SELECT id FROM runs WHERE thread_id = $1 AND turn = 'holding' "
        "UNION ALL SELECT id FROM runs WHERE thread_id = $1 AND turn = 'waiting'",
        thread_id,
    )
    return [run_id for (run_id,) in found]


async def answered(reader: Reader, project_id: str, key: str) -> Answer | None:
    """Return what the key was answered."""
    found = await reader.row(
        "SELECT fingerprint, kind, body, file_ids, after, created_at FROM answers "
        "WHERE project_id = $1 AND key = $2",
        project_id,
        key,
    )
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


async def add(database: Database, row: Insert) -> None:
    """Add an object. Raises ThreadGone or ThreadBusy if it needs a free thread."""
    if row.needs_free_thread and row.thread_id is not None:
        held = await hold(database, row.thread_id)
        held.check_free(row.project_id)
    await insert(database, [row])


async def insert(database: Database, rows: Iterable[Insert]) -> None:
    """Add objects, with one statement for each kind. Their threads have been looked at."""
    by_kind: dict[Kind, list[Insert]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    for kind, those in by_kind.items():
        columns = [columns_of(row) for row in those]
        names = [*columns[0]]
        rows_of = unnest(*(_TYPES.get(name, "text") for name in names))
        await database.execute(
            f"INSERT INTO {TABLES[kind]} ({', '.join(names)}) SELECT * FROM {rows_of}",
            *arrays([*each.values()] for each in columns),
        )
        await _note_uses(database, [(one, kind, row.id) for row in those for one in row.uses])
    await labels.add(database, [(row.id, row.body) for row in by_kind.get("thread", ())])


async def _note_uses(database: Database, uses: Collection[tuple[str, Kind, str]]) -> None:
    if uses:
        await database.execute(
            "INSERT INTO file_uses (file_id, kind, object_id) "
            f"SELECT * FROM {unnest('text', 'text', 'text')} ON CONFLICT DO NOTHING",
            *arrays(sorted(uses)),
        )


async def replace(database: Database, change: Replace) -> None:
    """Write another body over the one that was read. Raises Conflict when that is not there."""
    values = Values(
        change.body,
        pack(change.file_ids),
        change.id,
        change.project_id,
        change.read.body,
        pack(change.read.file_ids),
    )
    also = ""
    if change.metadata is not None:
        also += f", changed_metadata = {values.place(change.metadata)}"
    if change.kind == "vector_store":
        also += f", expires_at = {values.place(change.expires_at)}"
    done = await database.execute(
        f"UPDATE {TABLES[change.kind]} SET body = $1, file_ids = $2{also} "
        "WHERE id = $3 AND project_id = $4 AND body = $5 AND file_ids IS NOT DISTINCT FROM $6 "
        "AND deleted_at IS NULL",
        *values.all,
    )
    if not changed_rows(done):
        raise Conflict
    await _note_uses(database, [(one, change.kind, change.id) for one in change.uses])
    if change.kind == "thread":
        await labels.remove(database, change.id)
        await labels.add(database, [(change.id, change.body)])


async def delete(database: Database, change: Delete) -> None:
    """Blank the object and what belongs to it. Raises Conflict when it is gone already."""
    done = await database.execute(
        f"UPDATE {TABLES[change.kind]} SET deleted_at = $1, body = '', file_ids = NULL "
        "WHERE id = $2 AND project_id = $3 AND deleted_at IS NULL",
        change.now,
        change.id,
        change.project_id,
    )
    if not changed_rows(done):
        raise Conflict
    if change.kind == "thread":
        await _delete_contents(database, change)
    elif change.kind == "vector_store":
        await vector_stores.empty(database, change.id, change.now)
    elif change.kind == "file":
        await vector_stores.remove_everywhere(database, change.id, change.now)


async def _delete_contents(database: Database, change: Delete) -> None:
    """A thread takes its steps, runs and messages with it (THR-05); an active run just ends."""
    await database.execute(
        "UPDATE run_steps SET deleted_at = $1, body = '' WHERE deleted_at IS NULL "
        "AND run_id IN (SELECT id FROM runs WHERE thread_id = $2 AND deleted_at IS NULL)",
        change.now,
        change.id,
    )
    await database.execute(
        "UPDATE runs SET deleted_at = $1, body = '', journal = '', waiting_messages = NULL, "
        "status = CASE WHEN turn = 'over' THEN status ELSE 'cancelled' END, turn = 'over' "
        "WHERE thread_id = $2 AND deleted_at IS NULL",
        change.now,
        change.id,
    )
    await database.execute(
        "UPDATE messages SET deleted_at = $1, body = '', file_ids = NULL "
        "WHERE thread_id = $2 AND deleted_at IS NULL",
        change.now,
        change.id,
    )
    await labels.remove(database, change.id)


async def remember(database: Database, answer: Answer) -> None:
    """Keep what an Idempotency-Key was answered. Raises AlreadyAnswered when it is taken."""
    done = await database.execute(
        "INSERT INTO answers (project_id, key, fingerprint, kind, body, file_ids, after, "
        "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        answer.project_id,
        answer.key,
        answer.fingerprint,
        answer.kind,
        answer.body,
        pack(answer.file_ids),
        answer.after,
        answer.created_at,
    )
    if not changed_rows(done):
        raise AlreadyAnswered


async def forget_answers(reader: Reader, before: int) -> None:
    """Remove what older keys were answered."""
    await reader.write("DELETE FROM answers WHERE created_at < $1", before)
