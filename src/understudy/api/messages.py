"""Messages over HTTP."""

from understudy.api.ask import Ask, Reply
from understudy.api.attached_files import file_page
from understudy.api.paging import asked_part, part_of
from understudy.api.views import show, show_deleted, show_page, show_struct
from understudy.operations import messages
from understudy.storage.records import Row
from understudy.wire import v1
from understudy.wire.encoding import decode_message
from understudy.wire.params import messages as params
from understudy.wire.params.pages import parse_message_page


async def create(ask: Ask) -> Reply:
    """Create a message."""
    thread_id = ask.id("thread_id")
    new = params.parse_create(ask.body, ask.era)
    row = await messages.create(ask.ports, ask.caller, thread_id, new)
    return show("message", row, ask.era)


async def retrieve(ask: Ask) -> Reply:
    """Retrieve a message."""
    return show("message", await _row(ask), ask.era)


async def list_(ask: Ask) -> Reply:
    """List the messages of a thread, perhaps only those of one run (LIST-09)."""
    thread_id = ask.id("thread_id")
    page = parse_message_page(ask.query, ask.era)
    rows = await messages.list_page(ask.ports, ask.caller, thread_id, part_of(page), page.run_id)
    return show_page("message", rows, ask.era)


async def modify(ask: Ask) -> Reply:
    """Modify the metadata of a message."""
    thread_id, message_id = ask.id("thread_id"), ask.id("message_id")
    changes = params.parse_modify(ask.body, ask.era)
    row = await messages.modify(ask.ports, ask.caller, thread_id, message_id, changes)
    return show("message", row, ask.era)


async def delete(ask: Ask) -> Reply:
    """Delete a message."""
    thread_id, message_id = ask.id("thread_id"), ask.id("message_id")
    await messages.delete(ask.ports, ask.caller, thread_id, message_id)
    return show_deleted(message_id, "thread.message.deleted")


async def retrieve_file(ask: Ask) -> Reply:
    """Retrieve a file of a v1 message (MSG-10)."""
    thread_id, message_id = ask.id("thread_id"), ask.id("message_id")
    file_id = ask.text("file_id")
    row = await messages.file_of(ask.ports, ask.caller, thread_id, message_id, file_id)
    return show_struct(_file(row, file_id))


async def list_files(ask: Ask) -> Reply:
    """List the files of a v1 message."""
    row = await _row(ask)
    files = [_file(row, file_id) for file_id in row.file_ids]
    return file_page(files, asked_part(ask), "message file")


async def _row(ask: Ask) -> Row:
    return await messages.get(ask.ports, ask.caller, ask.id("thread_id"), ask.id("message_id"))


def _file(row: Row, file_id: str) -> v1.MessageFile:
    message = decode_message(row.body)
    return v1.message_file(file_id, message.created_at, message.id)
