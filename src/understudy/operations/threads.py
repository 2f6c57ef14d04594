"""Threads."""

from functools import partial

from msgspec import UNSET
from msgspec.structs import replace

from understudy.ids import new_id
from understudy.operations.messages import message_insert
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import change, find, missing_files_refused, page, retried
from understudy.operations.refusals import no_such
from understudy.operations.thread_files import check_files, first_resources
from understudy.operations.tool_stores import missing_stores_refused, write
from understudy.storage.changes import Change, Delete, Insert, Replace
from understudy.storage.records import Conflict, Row, Rows, Scope, Slice
from understudy.wire.encoding import decode_thread, encode
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.tools import ToolResources
from understudy.wire.params.threads import NewThread, ThreadChanges


async def create(ports: Ports, caller: Caller, new: NewThread) -> Row:
    """Create a thread with its first messages (THR-03)."""

    async def attempt() -> Row:
        thread, changes = await prepare(ports, caller, new)
        body = encode(thread)
        await write(ports, *caller.answers("thread", body, (), ports.now), *changes)
        return Row(thread.id, body)

    return await retried(attempt)


async def prepare(
    ports: Ports, caller: Caller, new: NewThread
) -> tuple[Thread, tuple[Change, ...]]:
    """Return a new thread, and what has to be written for it. Raises before anything is."""
    await check_files(ports, caller, new.messages)
    await missing_files_refused(ports, caller, new.tool_resources.file_ids)
    await missing_stores_refused(ports, caller, new.tool_resources)
    resources, stores = await first_resources(
        ports, caller, new.tool_resources, new.new_vector_stores, new.messages
    )
    thread = Thread(
        id=new_id("thread"),
        created_at=ports.now,
        metadata=new.metadata,
        tool_resources=resources,
    )
    insert = Insert(
        kind="thread",
        project_id=caller.project_id,
        id=thread.id,
        created_at=thread.created_at,
        body=encode(thread),
        uses=tuple(thread.tool_resources.file_ids),
    )
    messages = (message_insert(ports, caller, thread.id, one)[1] for one in new.messages)
    return thread, (*stores, insert, *messages)


async def get(ports: Ports, caller: Caller, thread_id: str) -> Row:
    """Return a thread."""
    return await find(ports, caller, "thread", thread_id)


async def list_page(ports: Ports, caller: Caller, part: Slice, metadata: dict[str, str]) -> Rows:
    """Return a part of the project's threads, those with this metadata (an extension)."""
    scope = Scope(project_id=caller.project_id, metadata=metadata)
    return await page(ports, "thread", scope, part)


async def modify(ports: Ports, caller: Caller, thread_id: str, changes: ThreadChanges) -> Row:
    """Change metadata and tool resources (THR-04)."""
    if isinstance(changes.tool_resources, ToolResources):
        before = decode_thread((await get(ports, caller, thread_id)).body).tool_resources
        await missing_files_refused(ports, caller, changes.tool_resources.file_ids)
        await missing_stores_refused(ports, caller, changes.tool_resources, before)

    def decide(row: Row) -> Replace:
        thread = _changed(decode_thread(row.body), changes)
        return Replace(
            kind="thread",
            project_id=caller.project_id,
            id=thread_id,
            read=row,
            body=encode(thread),
            uses=tuple(thread.tool_resources.file_ids),
        )

    return await change(ports, caller, partial(get, ports, caller, thread_id), decide)


def _changed(old: Thread, changes: ThreadChanges) -> Thread:
    thread = old if changes.metadata is UNSET else replace(old, metadata=changes.metadata)
    if changes.tool_resources is UNSET:
        return thread
    given = changes.tool_resources or ToolResources()
    cleared = changes.tool_resources is None
    return replace(
        thread,
        tool_resources=ToolResources(
            code_interpreter=given.code_interpreter
            or (None if cleared else old.tool_resources.code_interpreter),
            file_search=given.file_search or (None if cleared else old.tool_resources.file_search),
        ),
    )


async def delete(ports: Ports, caller: Caller, thread_id: str) -> None:
    """Delete a thread with all that is in it; its runs just stop (THR-05)."""
    unfinished = await ports.storage.unfinished_runs(thread_id)
    order = Delete(kind="thread", project_id=caller.project_id, id=thread_id, now=ports.now)
    try:
        await ports.storage.write(order)
    except Conflict as conflict:
        raise no_such("thread", thread_id) from conflict
    for run_id in unfinished:
        await ports.dispatch.interrupt(run_id)
        ports.dispatch.forget(run_id)
