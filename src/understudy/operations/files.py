"""Files: the rows that describe stored bytes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial

from msgspec import Struct

from understudy.errors import InvalidRequest, NotFound, Unavailable
from understudy.ids import new_file_id
from understudy.operations.file_uses import assistant_without, message_without, thread_without
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import change, find, page
from understudy.operations.refusals import no_such
from understudy.storage.arrivals import arrived, arriving
from understudy.storage.changes import Delete, ExpectBytes, Replace
from understudy.storage.records import Conflict, Kind, Row, Rows, Scope, Slice
from understudy.wire.encoding import (
    decode_assistant,
    decode_file,
    decode_message,
    decode_thread,
    encode,
)
from understudy.wire.objects.files import File
from understudy.wire.params.files import NewFile

# Inputs could not be downloaded again from the hosted API (FILE-05).
INPUT_PURPOSES = frozenset({"assistants", "user_data"})


class Received(Struct, frozen=True, kw_only=True):
    """Bytes that have been stored, and what was asked for them."""

    filename: str
    size: int
    new: NewFile


Receive = Callable[[str], Awaitable[Received]]


async def create(ports: Ports, caller: Caller, receive: Receive) -> Row:
    """Store a file; ``receive`` puts its bytes under the id that it is given (FILE-01)."""
    file_id = new_file_id()
    async with arriving(ports.storage, file_id, ports.now):
        received = await receive(file_id)
        now = ports.now
        file = _file(file_id, received, now)
        insert, claim = arrived(file, caller.project_id, now)
        answers = caller.answers("file", insert.body, (), now)
        try:
            await ports.storage.write(*answers, insert, claim)
        except Conflict as conflict:
            raise Unavailable("The file took too long to be stored. Try again.") from conflict
    return Row(file_id, insert.body)


def _file(file_id: str, received: Received, now: int) -> File:
    lifetime = received.new.expires_after_seconds
    return File(
        id=file_id,
        purpose=received.new.purpose,
        filename=received.filename,
        bytes=received.size,
        created_at=now,
        expires_at=now + lifetime if lifetime else None,
    )


async def get(ports: Ports, caller: Caller, file_id: str) -> Row:
    """Return a file's description."""
    return await find(ports, caller, "file", file_id)


async def list_page(ports: Ports, caller: Caller, part: Slice, purpose: str | None) -> Rows:
    """Return a part of the project's files (LIST-11)."""
    scope = Scope(project_id=caller.project_id, purpose=purpose)
    return await page(ports, "file", scope, part)


async def delete(ports: Ports, caller: Caller, file_id: str) -> None:
    """Delete a file and its bytes, and take it out of whatever names it (FILE-07)."""
    await get(ports, caller, file_id)
    for kind, object_id in await ports.storage.users_of_file(file_id):
        await _detach(ports, caller, kind, object_id, file_id)
    order = Delete(kind="file", project_id=caller.project_id, id=file_id, now=ports.now)
    try:
        # If the bytes cannot be removed now, or the process dies, the sweeper removes them.
        await ports.storage.write(order, ExpectBytes(key=file_id, keep_until=ports.now))
    except Conflict as conflict:
        raise no_such("file", file_id) from conflict
    with suppress(OSError):
        await ports.files.delete(file_id)


async def _detach(ports: Ports, caller: Caller, kind: Kind, object_id: str, file_id: str) -> None:
    def decide(row: Row) -> Replace:
        return Replace(
            kind=kind,
            project_id=caller.project_id,
            id=object_id,
            read=row,
            body=_WITHOUT[kind](row.body, file_id),
            file_ids=tuple(one for one in row.file_ids if one != file_id),
        )

    try:
        await change(ports, caller, partial(find, ports, caller, kind, object_id), decide)
    except NotFound:
        return  # deleted before its file


_WITHOUT: dict[Kind, Callable[[bytes, str], bytes]] = {
    "assistant": lambda body, gone: encode(assistant_without(decode_assistant(body), gone)),
    "thread": lambda body, gone: encode(thread_without(decode_thread(body), gone)),
    "message": lambda body, gone: encode(message_without(decode_message(body), gone)),
}


async def content(ports: Ports, caller: Caller, file_id: str) -> tuple[File, AsyncIterator[bytes]]:
    """Return a file and its bytes, if its purpose allows that (FILE-05, ERR-61)."""
    file = decode_file((await get(ports, caller, file_id)).body)
    if file.purpose in INPUT_PURPOSES and not ports.settings.allow_download_of_inputs:
        raise InvalidRequest(f"Not allowed to download files of purpose: {file.purpose}")
    return file, ports.files.read(file_id)
