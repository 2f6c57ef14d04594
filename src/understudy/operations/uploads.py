"""Uploads in parts: opened, filled in any order, and completed to a file (UPL-01, UPL-02)."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec

from understudy.errors import InvalidRequest, NotFound, Unavailable
from understudy.ids import new_file_id, new_id
from understudy.operations.ports import Caller, Ports
from understudy.storage.arrivals import arriving
from understudy.storage.changes import AddPart, ClaimBytes, EndUpload, Insert, OpenUpload
from understudy.storage.records import Conflict, Row, UploadRecord
from understudy.wire.encoding import encode
from understudy.wire.objects.files import File
from understudy.wire.objects.uploads import Upload, UploadPart, UploadStatus
from understudy.wire.params.uploads import Completion, NewUpload
from understudy.wire.violations import above_maximum

OPEN_SECONDS = 3_600

Receive = Callable[[str], Awaitable[int]]

_decode = msgspec.json.Decoder(Upload).decode


async def create(ports: Ports, caller: Caller, new: NewUpload, filename: str) -> Row:
    """Open an upload that takes parts for an hour, under a name that is safe to show (UPL-01)."""
    bytes_max = ports.settings.upload_bytes_max
    if new.size > bytes_max:
        raise above_maximum("bytes", bytes_max, new.size)
    now = ports.now
    upload = Upload(
        id=new_id("upload"),
        bytes=new.size,
        created_at=now,
        filename=filename,
        purpose=new.purpose,
        expires_at=now + OPEN_SECONDS,
    )
    body = encode(upload)
    await ports.storage.write(
        *caller.answers("upload", body, (), now),
        OpenUpload(
            project_id=caller.project_id,
            id=upload.id,
            created_at=now,
            open_until=upload.expires_at,
            body=body,
            file_expires_after_seconds=new.expires_after_seconds,
        ),
    )
    return Row(upload.id, body)


async def add_part(ports: Ports, caller: Caller, upload_id: str, receive: Receive) -> UploadPart:
    """Store a part; ``receive`` puts its bytes under the key that it is given (UPL-02)."""
    _, record = await _pending(ports, caller, upload_id)
    _refuse_too_many_bytes(ports, sum(record.parts.values()))
    part_id = new_id("part")
    async with arriving(ports.storage, part_id, ports.now):
        size = await receive(part_id)
        # Parts that arrive side by side do not know of each other before this.
        _, record = await _pending(ports, caller, upload_id)
        _refuse_too_many_bytes(ports, sum(record.parts.values()) + size)
        now = ports.now
        part = UploadPart(id=part_id, created_at=now, upload_id=upload_id)
        order = AddPart(
            project_id=caller.project_id, upload_id=upload_id, id=part_id, size=size, now=now
        )
        try:
            await ports.storage.write(order, ClaimBytes(key=part_id, now=now))
        except Conflict as conflict:
            raise await _reason(ports, caller, upload_id) from conflict
    return part


async def complete(ports: Ports, caller: Caller, upload_id: str, wanted: Completion) -> Row:
    """Join the parts to a file, in the order of the request, and end the upload (UPL-02)."""
    upload, record = await _pending(ports, caller, upload_id)
    _check_parts(upload, record, wanted.part_ids)
    file_id = new_file_id()
    async with arriving(ports.storage, file_id, ports.now):
        try:
            await _join(ports, file_id, upload, wanted)
            return await _publish(ports, caller, upload, record, file_id)
        except (Conflict, KeyError) as meanwhile:
            raise await _reason(ports, caller, upload_id) from meanwhile


async def cancel(ports: Ports, caller: Caller, upload_id: str) -> Row:
    """End an upload without a file; its parts are removed (UPL-02)."""
    upload, _ = await _pending(ports, caller, upload_id)
    try:
        return await _end(ports, caller, upload, "cancelled")
    except Conflict as conflict:
        raise await _reason(ports, caller, upload_id) from conflict


async def expire(ports: Ports, project_id: str, upload_id: str) -> None:
    """End an upload that nobody completed in time (UPL-01)."""
    caller = Caller(project_id=project_id, era="v2")
    upload, _ = await _find(ports, caller, upload_id)
    try:
        await _end(ports, caller, upload, "expired")
    except Conflict:
        return  # its owner was faster


async def _find(ports: Ports, caller: Caller, upload_id: str) -> tuple[Upload, UploadRecord]:
    record = await ports.storage.upload_record(caller.project_id, upload_id)
    if record is None:
        raise NotFound(f"No upload found with id '{upload_id}'.")
    return _decode(record.body), record


async def _pending(ports: Ports, caller: Caller, upload_id: str) -> tuple[Upload, UploadRecord]:
    """Return the upload if it can still change; one past its time cannot, swept or not."""
    upload, record = await _find(ports, caller, upload_id)
    late = upload.status == "pending" and upload.expires_at <= ports.now
    status: UploadStatus = "expired" if late else upload.status
    if status != "pending":
        raise InvalidRequest(
            f"Upload {upload_id} has status '{status}'. Only a pending upload takes parts and can "
            "be completed or cancelled."
        )
    return upload, record


async def _reason(ports: Ports, caller: Caller, upload_id: str) -> Exception:
    """Return why a write met a conflict; raises the refusal if the upload is over by now."""
    await _pending(ports, caller, upload_id)
    return Unavailable("The upload took too long to be stored. Try again.")


def _refuse_too_many_bytes(ports: Ports, total: int) -> None:
    bytes_max = ports.settings.upload_bytes_max
    if total > bytes_max:
        raise InvalidRequest(
            f"The parts of an upload may have at most {bytes_max} bytes in total.", param="data"
        )


def _check_parts(upload: Upload, record: UploadRecord, part_ids: Sequence[str]) -> None:
    """Refuse parts that are unknown or named twice, or that do not add up (UPL-02)."""
    for part_id in part_ids:
        if part_id not in record.parts:
            raise NotFound(f"Upload {upload.id} has no part '{part_id[:100]}'.", param="part_ids")
    if len(set(part_ids)) < len(part_ids):
        raise InvalidRequest("A part can be named only once.", param="part_ids")
    total = sum(record.parts[part_id] for part_id in part_ids)
    if total != upload.bytes:
        raise InvalidRequest(
            f"The parts have {total} bytes in total, but the upload was created with "
            f"{upload.bytes} bytes.",
            param="part_ids",
        )


async def _join(ports: Ports, file_id: str, upload: Upload, wanted: Completion) -> None:
    """Store the file. Raises KeyError when a part has gone since it was looked up."""
    try:
        size = await ports.files.write(file_id, _joined(ports, wanted))
    except OSError as error:
        raise Unavailable(f"The file cannot be stored: {error}.") from error
    if size != upload.bytes:
        raise Unavailable("The stored parts are not whole. Upload them again.")


async def _joined(ports: Ports, wanted: Completion) -> AsyncGenerator[bytes]:
    """Yield the bytes of the parts; a checksum that is wrong shows before the file is there."""
    found = hashlib.md5(usedforsecurity=False)
    for part_id in wanted.part_ids:
        async for chunk in ports.files.read(part_id):
            if wanted.md5 is not None:
                found.update(chunk)
            yield chunk
    if wanted.md5 not in (None, found.hexdigest()):
        raise InvalidRequest(
            f"The parts have the md5 checksum {found.hexdigest()}, but {wanted.md5} was given.",
            param="md5",
        )


async def _publish(
    ports: Ports, caller: Caller, upload: Upload, record: UploadRecord, file_id: str
) -> Row:
    """End the upload and describe its file in one transaction."""
    now = ports.now
    lifetime = record.file_expires_after_seconds
    file = File(
        id=file_id,
        purpose=upload.purpose,
        filename=upload.filename,
        bytes=upload.bytes,
        created_at=now,
        expires_at=now + lifetime if lifetime else None,
    )
    inserted = Insert(
        kind="file",
        project_id=caller.project_id,
        id=file_id,
        created_at=now,
        body=encode(file),
        purpose=file.purpose,
        expires_at=file.expires_at,
    )
    upload.file = file
    return await _end(
        ports, caller, upload, "completed", inserted, ClaimBytes(key=file_id, now=now)
    )


async def _end(
    ports: Ports, caller: Caller, upload: Upload, status: UploadStatus, *more: Insert | ClaimBytes
) -> Row:
    """Write the upload's last body, with what goes with it. Raises Conflict when it is over."""
    upload.status = status
    body = encode(upload)
    await ports.storage.write(
        *caller.answers("upload", body, (), ports.now),
        EndUpload(project_id=caller.project_id, upload_id=upload.id, body=body),
        *more,
    )
    return Row(upload.id, body)
