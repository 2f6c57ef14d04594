"""New threads, messages and runs of many callers, as one call of a function."""

from collections.abc import Iterable, Iterator, Sequence

from understudy.runs import journal
from understudy.storage.changes import Insert, StartRun
from understudy.storage.columns import pack
from understudy.storage.postgres import labels
from understudy.storage.postgres.statements import Call
from understudy.wire.encoding import encode

KINDS = ("thread", "message")
_SQL = "SELECT add_objects_1($1, $2, $3, $4, $5, $6)"


def thread_ids(inserts: Iterable[Insert], start: StartRun | None) -> frozenset[str]:
    """Return all threads that a write makes, or adds to."""
    made = {one.id for one in inserts if one.kind == "thread"}
    named = {one.thread_id for one in inserts if one.thread_id}
    return frozenset(made | named | ({start.change.run.thread_id} if start else set()))


def adding(group: Sequence[tuple[Sequence[Insert], StartRun | None]]) -> Call:
    """Return the call that adds the members' objects and starts their runs."""
    inserts = [
        (member, row)
        for member, (rows, start) in enumerate(group)
        for row in (*rows, *(start.messages if start else ()))
    ]
    threads = [(member, row) for member, row in inserts if row.kind == "thread"]
    return Call(
        _SQL,
        [need for member, one in enumerate(group) for need in _needs(member, *one)],
        [(member, *_columns(row)) for member, row in threads],
        [(member, *pair) for member, row in threads for pair in labels.of(row.id, row.body)],
        [
            (member, *_columns(row), row.thread_id, row.run_id)
            for member, row in inserts
            if row.kind == "message"
        ],
        [(member, *_run(start)) for member, (_, start) in enumerate(group) if start],
        [(member, one, row.kind, row.id) for member, row in inserts for one in row.uses],
    )


def _needs(
    member: int, rows: Sequence[Insert], start: StartRun | None
) -> Iterator[tuple[int, str, str]]:
    """Yield the threads that have to be there and free, which are not those that it makes."""
    needed = {(row.thread_id, row.project_id) for row in rows if row.needs_free_thread}
    if start:
        needed.add((start.change.run.thread_id, start.project_id))
    made = {row.id for row in rows if row.kind == "thread"}
    for thread_id, project_id in needed:
        if thread_id and thread_id not in made:
            yield member, thread_id, project_id


def _columns(row: Insert) -> tuple[object, ...]:
    return (row.id, row.project_id, row.created_at, row.body, pack(row.file_ids))


def _run(order: StartRun) -> tuple[object, ...]:
    run = order.change.run
    return (
        run.id,
        order.project_id,
        run.thread_id,
        run.created_at,
        run.status,
        order.change.attempt,
        order.change.events[-1].position,
        order.change.deadline,
        journal.write(order.change.events),
        encode(run),
        pack(order.file_ids),
    )
