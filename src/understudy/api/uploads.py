"""Uploads in parts over HTTP: each part is streamed, and so is the joining of them."""

from urllib.parse import quote

from understudy.api.ask import Ask, Reply
from understudy.api.multipart import filename_of, read_form
from understudy.api.views import show_struct
from understudy.errors import InvalidRequest, Unavailable
from understudy.operations import uploads
from understudy.storage.records import Row
from understudy.wire.params.uploads import parse_completion, parse_upload


async def create(ask: Ask) -> Reply:
    """Open an upload of a file in parts (UPL-01)."""
    new = parse_upload(ask.body)
    safe = filename_of({"filename*": f"UTF-8''{quote(new.filename, safe='')}"})
    return _show(await uploads.create(ask.ports, ask.caller, new, safe))


async def add_part(ask: Ask) -> Reply:
    """Add a part to an upload (UPL-02)."""

    async def receive(key: str) -> int:
        return await _receive(ask, key)

    upload_id = ask.text("upload_id")
    return show_struct(await uploads.add_part(ask.ports, ask.caller, upload_id, receive))


async def complete(ask: Ask) -> Reply:
    """Make a file of the parts of an upload (UPL-02)."""
    wanted = parse_completion(ask.body)
    return _show(await uploads.complete(ask.ports, ask.caller, ask.text("upload_id"), wanted))


async def cancel(ask: Ask) -> Reply:
    """Cancel an upload."""
    return _show(await uploads.cancel(ask.ports, ask.caller, ask.text("upload_id")))


def _show(row: Row) -> Reply:
    """Answer with an upload, which looks the same in both eras."""
    return Reply(body=row.body)


async def _receive(ask: Ask, key: str) -> int:
    """Store the part of the form under the key, and return its size."""
    try:
        form = await read_form(
            ask.headers.get("content-type", ""),
            ask.stream(),
            lambda _, chunks: ask.ports.files.write(key, chunks),
            bytes_max=ask.ports.settings.upload_part_bytes_max,
            file_field="data",
        )
    except OSError as error:
        raise Unavailable(f"The part cannot be stored: {error}.") from error
    if form.file is None:
        raise InvalidRequest("'data' is a required property", param="data")
    return form.file.size
