"""Messages, and the files that v1 showed for them."""

from functools import partial

from understudy.errors import NotFound
from understudy.ids import new_id
from understudy.operations.file_uses import message_files
from understudy.operations.metadata import change_metadata
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, page, retried
from understudy.operations.refusals import no_such, thread_is_locked
from understudy.operations.thread_files import check_files, share_files
from understudy.operations.tool_stores import write
from understudy.storage.changes import Delete, Insert
from understudy.storage.records import Conflict, Row, Rows, Scope, Slice, ThreadBusy, ThreadGone
from understudy.wire.encoding import decode_message, encode
from understudy.wire.objects.messages import Attachment, AttachmentTool, Message
from understudy.wire.params.messages import NewMessage
from understudy.wire.params.metadata import MetadataChange


async def create(ports: Ports, caller: Caller, thread_id: str, new: NewMessage) -> Row:
    """Add a message to a thread that no run is working on (THR-08)."""
    await find(ports, caller, "thread", thread_id)
    await check_files(ports, caller, [new])
    message, insert = message_insert(ports, caller, thread_id, new, needs_free_thread=True)
    answers = caller.answers("message", insert.body, insert.file_ids, ports.now)

    async def attempt() -> Row:
        shared = await share_files(ports, caller, thread_id, [new])
        await write(ports, *answers, insert, *shared)
        return Row(message.id, insert.body, insert.file_ids)

    try:
        return await retried(attempt)
    except ThreadBusy as busy:
        raise thread_is_locked(thread_id, busy.run_id) from busy
    except ThreadGone as gone:
        raise no_such("thread", thread_id) from gone


def message_insert(
    ports: Ports,
    caller: Caller,
    thread_id: str,
    new: NewMessage,
    *,
    needs_free_thread: bool = False,
) -> tuple[Message, Insert]:
    """Return a new message, and what has to be written for it."""
    message = Message(
        id=new_id("msg"),
        created_at=ports.now,
        thread_id=thread_id,
        completed_at=ports.now,
        role=new.role,
        content=new.content,
        attachments=[*new.attachments, *map(_shown_in_v2, new.file_ids)],
        metadata=new.metadata,
    )
    insert = Insert(
        kind="message",
        project_id=caller.project_id,
        id=message.id,
        created_at=message.created_at,
        body=encode(message),
        file_ids=tuple(new.file_ids),
        uses=message_files(message),
        thread_id=thread_id,
        needs_free_thread=needs_free_thread,
    )
    return message, insert


def _shown_in_v2(file_id: str) -> Attachment:
    """Return how v2 shows a file of a v1 message: any of its tools may have used it (V1V2-02)."""
    return Attachment(file_id, [AttachmentTool("code_interpreter"), AttachmentTool("file_search")])


async def get(ports: Ports, caller: Caller, thread_id: str, message_id: str) -> Row:
    """Return a message of the thread."""
    return await find(ports, caller, "message", message_id, thread_id)


async def list_page(
    ports: Ports, caller: Caller, thread_id: str, part: Slice, run_id: str | None
) -> Rows:
    """Return a part of the thread, perhaps only what one run wrote (LIST-09)."""
    await find(ports, caller, "thread", thread_id)
    scope = Scope(project_id=caller.project_id, thread_id=thread_id, run_id=run_id)
    return await page(ports, "message", scope, part)


async def modify(
    ports: Ports, caller: Caller, thread_id: str, message_id: str, changes: MetadataChange
) -> Row:
    """Change the metadata of a message, also while a run is active (THR-08)."""
    read = partial(get, ports, caller, thread_id, message_id)
    return await change_metadata(ports, caller, "message", read, decode_message, changes)


async def delete(ports: Ports, caller: Caller, thread_id: str, message_id: str) -> None:
    """Delete a message (MSG-09)."""
    await get(ports, caller, thread_id, message_id)
    order = Delete(kind="message", project_id=caller.project_id, id=message_id, now=ports.now)
    try:
        await ports.storage.write(order)
    except Conflict as conflict:
        raise no_such("message", message_id) from conflict


async def file_of(
    ports: Ports, caller: Caller, thread_id: str, message_id: str, file_id: str
) -> Row:
    """Return the message that has this v1 file. Raises NotFound if it has not (MSG-10)."""
    row = await get(ports, caller, thread_id, message_id)
    if file_id not in row.file_ids:
        raise NotFound(f"No message file found with id '{file_id}'.")
    return row
