"""Assistants over HTTP."""

from understudy.api.ask import Ask, Reply
from understudy.api.attached_files import file_page
from understudy.api.paging import asked_part
from understudy.api.views import show, show_deleted, show_page, show_struct
from understudy.operations import assistants
from understudy.storage.records import Row
from understudy.wire import v1
from understudy.wire.encoding import decode_assistant
from understudy.wire.params import assistants as params


async def create(ask: Ask) -> Reply:
    """Create an assistant."""
    new = params.parse_create(ask.body, ask.era)
    return show("assistant", await assistants.create(ask.ports, ask.caller, new), ask.era)


async def retrieve(ask: Ask) -> Reply:
    """Retrieve an assistant."""
    row = await assistants.get(ask.ports, ask.caller, ask.id("assistant_id"))
    return show("assistant", row, ask.era)


async def list_(ask: Ask) -> Reply:
    """List assistants."""
    rows = await assistants.list_page(ask.ports, ask.caller, asked_part(ask))
    return show_page("assistant", rows, ask.era)


async def modify(ask: Ask) -> Reply:
    """Modify an assistant."""
    assistant_id = ask.id("assistant_id")
    changes = params.parse_modify(ask.body, ask.era)
    row = await assistants.modify(ask.ports, ask.caller, assistant_id, changes)
    return show("assistant", row, ask.era)


async def delete(ask: Ask) -> Reply:
    """Delete an assistant."""
    assistant_id = ask.id("assistant_id")
    await assistants.delete(ask.ports, ask.caller, assistant_id)
    return show_deleted(assistant_id, "assistant.deleted")


async def create_file(ask: Ask) -> Reply:
    """Attach a file to a v1 assistant (ASST-10)."""
    assistant_id = ask.id("assistant_id")
    file_id = params.parse_create_file(ask.body)
    row = await assistants.attach_file(ask.ports, ask.caller, assistant_id, file_id)
    return show("assistant_file", row, ask.era)


async def retrieve_file(ask: Ask) -> Reply:
    """Retrieve a file of a v1 assistant."""
    assistant_id, file_id = ask.id("assistant_id"), ask.text("file_id")
    row = await assistants.attached_file(ask.ports, ask.caller, assistant_id, file_id)
    return show_struct(_file(row, file_id))


async def list_files(ask: Ask) -> Reply:
    """List the files of a v1 assistant."""
    row = await assistants.get(ask.ports, ask.caller, ask.id("assistant_id"))
    files = [_file(row, file_id) for file_id in row.file_ids]
    return file_page(files, asked_part(ask), "assistant file")


async def delete_file(ask: Ask) -> Reply:
    """Detach a file from a v1 assistant."""
    assistant_id, file_id = ask.id("assistant_id"), ask.text("file_id")
    await assistants.detach_file(ask.ports, ask.caller, assistant_id, file_id)
    return show_deleted(file_id, "assistant.file.deleted")


def _file(row: Row, file_id: str) -> v1.AssistantFile:
    assistant = decode_assistant(row.body)
    return v1.assistant_file(file_id, assistant.created_at, assistant.id)
