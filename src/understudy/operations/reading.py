"""Reading objects, and changing one that others may change at the same time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from understudy.errors import Unavailable
from understudy.operations.ports import Caller, Ports
from understudy.operations.refusals import files_not_found, no_such
from understudy.storage.changes import Answer, Replace
from understudy.storage.records import Conflict, Kind, Row, Rows, Scope, Slice, UnknownCursor

T = TypeVar("T")

_TRIES_MAX = 20


async def find(
    ports: Ports, caller: Caller, kind: Kind, object_id: str, thread_id: str | None = None
) -> Row:
    """Return the object. Raises NotFound, for the thread first if that is missing (AUTH-08)."""
    scope = Scope(project_id=caller.project_id, thread_id=thread_id)
    row = await ports.storage.fetch(kind, scope, object_id)
    if row is not None:
        return row
    if thread_id is not None:
        await find(ports, caller, "thread", thread_id)
    raise no_such(kind, object_id)


async def page(ports: Ports, kind: Kind, scope: Scope, part: Slice) -> Rows:
    """Return a part of a list. Raises NotFound for a cursor that never existed (LIST-08)."""
    try:
        return await ports.storage.page(kind, scope, part)
    except UnknownCursor as unknown:
        raise no_such(kind, unknown.object_id) from unknown


async def retried(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what the attempt returns once nobody else has written in between.

    Raises what the attempt raises, and Unavailable when others never stop writing.
    """
    for _ in range(_TRIES_MAX):
        try:
            return await attempt()
        except Conflict:
            continue
    raise Unavailable("The object is being changed by too many requests at once. Try again.")


async def change(
    ports: Ports,
    caller: Caller,
    read: Callable[[], Awaitable[Row]],
    decide: Callable[[Row], Replace],
    answers: Callable[[Replace], tuple[Answer, ...]] | None = None,
) -> Row:
    """Read, decide and write until nobody else has written in between.

    ``answers`` says what an Idempotency-Key is answered if not the changed object.
    Raises what ``read`` and ``decide`` raise, and Unavailable when others never stop writing.
    """

    async def attempt() -> Row:
        new = decide(await read())
        if answers is None:
            remembered = caller.answers(new.kind, new.body, new.file_ids, ports.now)
        else:
            remembered = answers(new)
        await ports.storage.write(*remembered, new)
        return Row(new.id, new.body, new.file_ids)

    return await retried(attempt)


async def missing_files_refused(ports: Ports, caller: Caller, file_ids: list[str]) -> None:
    """Raise NotFound for files that the project does not have (ERR-43)."""
    if not file_ids:
        return
    missing = await ports.storage.missing_files(caller.project_id, file_ids)
    if missing:
        raise files_not_found(missing)
