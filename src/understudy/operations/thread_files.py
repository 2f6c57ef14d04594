"""What messages bring to the tools of their thread (MSG-07, V1V2-02)."""

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, missing_files_refused
from understudy.operations.refusals import not_for_retrieval
from understudy.operations.searchable import unreadable
from understudy.operations.tool_stores import Supplied, bring, join
from understudy.storage.changes import Change, Replace
from understudy.wire.encoding import decode_thread, encode
from understudy.wire.objects.messages import ImageFileContent
from understudy.wire.objects.tools import CodeInterpreterResources, ToolResources
from understudy.wire.params.messages import NewMessage
from understudy.wire.params.vector_stores import NewVectorStore

# A store that is made with or by a thread expires after so many days without use (VS-04).
STORE_DAYS = 7

HostedTool = Literal["code_interpreter", "file_search"]


async def check_files(ports: Ports, caller: Caller, messages: Sequence[NewMessage]) -> None:
    """Raise NotFound for unknown files (ERR-43), InvalidRequest for unsearchable ones (ERR-62)."""
    named = [file_id for message in messages for file_id in _named_files(message)]
    await missing_files_refused(ports, caller, named)
    found = await unreadable(ports, caller, _attached(messages, "file_search"))
    if found:
        raise not_for_retrieval([*dict.fromkeys(found.values())])


async def first_resources(
    ports: Ports,
    caller: Caller,
    given: ToolResources,
    stores: Sequence[NewVectorStore],
    messages: Sequence[NewMessage],
) -> Supplied:
    """Return what a new thread has for its tools, with the files of its first messages."""
    resources = _with_code_files(given, messages)
    searched = await _searched(ports, caller, messages)
    if not stores:
        return await join(ports, caller, resources, searched, STORE_DAYS)
    (store,) = stores
    file_ids = [*store.file_ids, *searched]
    new = replace(store, file_ids=file_ids, expires_after_days=STORE_DAYS)
    return await bring(ports, caller, resources, new)


async def share_files(
    ports: Ports, caller: Caller, thread_id: str, messages: Sequence[NewMessage]
) -> tuple[Change, ...]:
    """Return the changes that let the tools of a thread see the messages' files."""
    if not any(message.attachments or message.file_ids for message in messages):
        return ()
    row = await find(ports, caller, "thread", thread_id)
    thread = decode_thread(row.body)
    searched = await _searched(ports, caller, messages)
    resources, changes = await join(
        ports, caller, _with_code_files(thread.tool_resources, messages), searched, STORE_DAYS
    )
    order = Replace(
        kind="thread",
        project_id=caller.project_id,
        id=thread_id,
        read=row,
        body=encode(replace(thread, tool_resources=resources)),
        uses=tuple(resources.file_ids),
    )
    return (*changes, order)


def _named_files(message: NewMessage) -> list[str]:
    images = [
        part.image_file.file_id for part in message.content if isinstance(part, ImageFileContent)
    ]
    return [*images, *(one.file_id for one in message.attachments), *message.file_ids]


def _attached(messages: Sequence[NewMessage], tool: HostedTool) -> list[str]:
    """Return the files that v2 attaches for the tool."""
    return [
        one.file_id
        for message in messages
        for one in message.attachments
        if any(each.type == tool for each in one.tools)
    ]


def _v1_files(messages: Sequence[NewMessage]) -> list[str]:
    return [file_id for message in messages for file_id in message.file_ids]


def _with_code_files(resources: ToolResources, messages: Sequence[NewMessage]) -> ToolResources:
    """Return the resources with the files that the code interpreter finds then."""
    added = [*_attached(messages, "code_interpreter"), *_v1_files(messages)]
    if not added:
        return resources
    file_ids = dict.fromkeys([*resources.file_ids, *added])
    return replace(resources, code_interpreter=CodeInterpreterResources([*file_ids]))


async def _searched(ports: Ports, caller: Caller, messages: Sequence[NewMessage]) -> list[str]:
    """Return the files for the thread's store; v1 does not say for which tool its files are."""
    file_ids = [*dict.fromkeys([*_attached(messages, "file_search"), *_v1_files(messages)])]
    unread = await unreadable(ports, caller, file_ids)
    return [one for one in file_ids if one not in unread]
