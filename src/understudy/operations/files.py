"""Files: the rows that describe stored bytes."""

from collections.abc import AsyncIterator

from understudy.errors import InvalidRequest
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import decode_file, encode, find, page
from understudy.operations.refusals import no_such
from understudy.storage.base import Conflict, Delete, Insert, Row, Rows, Scope, Slice
from understudy.wire.objects.files import File
from understudy.wire.params.files import NewFile

# Inputs could not be downloaded again from the hosted API (FILE-05).
INPUT_PURPOSES = frozenset({"assistants", "user_data"})


async def create(
    ports: Ports, caller: Caller, file_id: str, filename: str, size: int, new: NewFile
) -> Row:
    """Describe bytes that have been stored under the file's id (FILE-01)."""
    now = ports.now
    lifetime = new.expires_after_seconds
    file = File(
        id=file_id,
        purpose=new.purpose,
        filename=filename,
        bytes=size,
        created_at=now,
        expires_at=now + lifetime if lifetime else None,
    )
    body = encode(file)
    await ports.storage.write(
        *caller.answers("file", body, (), now),
        Insert(
            kind="file",
            project_id=caller.project_id,
            id=file_id,
            created_at=now,
            body=body,
            purpose=file.purpose,
            expires_at=file.expires_at,
        ),
    )
    return Row(file_id, body)


async def get(ports: Ports, caller: Caller, file_id: str) -> Row:
    """Return a file's description."""
    return await find(ports, caller, "file", file_id)


async def list_page(ports: Ports, caller: Caller, part: Slice, purpose: str | None) -> Rows:
    """Return a part of the project's files (LIST-11)."""
    scope = Scope(project_id=caller.project_id, purpose=purpose)
    return await page(ports, "file", scope, part)


async def delete(ports: Ports, caller: Caller, file_id: str) -> None:
    """Delete a file and its bytes (FILE-07)."""
    order = Delete(kind="file", project_id=caller.project_id, id=file_id, now=ports.now)
    try:
        await ports.storage.write(order)
    except Conflict as conflict:
        raise no_such("file", file_id) from conflict
    await ports.files.delete(file_id)


async def content(ports: Ports, caller: Caller, file_id: str) -> tuple[File, AsyncIterator[bytes]]:
    """Return a file and its bytes, if its purpose allows that (FILE-05, ERR-61)."""
    file = decode_file((await get(ports, caller, file_id)).body)
    if file.purpose in INPUT_PURPOSES and not ports.settings.allow_download_of_inputs:
        raise InvalidRequest(f"Not allowed to download files of purpose: {file.purpose}")
    return file, ports.files.read(file_id)
