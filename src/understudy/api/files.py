"""Files over HTTP: uploads and downloads are streamed, whatever their size."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from urllib.parse import quote

from understudy.api.ask import Ask, Reply, Stream
from understudy.api.multipart import read_form
from understudy.api.views import show, show_deleted, show_page
from understudy.errors import InvalidRequest, Unavailable
from understudy.operations import files
from understudy.operations.refusals import no_such
from understudy.storage.records import Slice
from understudy.wire.params.files import parse_upload
from understudy.wire.params.pages import parse_files_page


async def create(ask: Ask) -> Reply:
    """Upload a file; nothing of it is visible until all of the form is there and right."""

    async def receive(file_id: str) -> files.Received:
        return await _receive(ask, file_id)

    return show("file", await files.create(ask.ports, ask.caller, receive), ask.era)


async def _receive(ask: Ask, file_id: str) -> files.Received:
    """Store the file of the form under its id."""
    try:
        form = await read_form(
            ask.headers.get("content-type", ""),
            ask.stream(),
            lambda _, chunks: ask.ports.files.write(file_id, chunks),
            bytes_max=ask.ports.settings.file_bytes_max,
            check=_check,
        )
    except OSError as error:
        raise Unavailable(f"The file cannot be stored: {error}.") from error
    if form.file is None:
        raise InvalidRequest("'file' is a required property", param="file")
    return files.Received(
        filename=form.file.filename, size=form.file.size, new=parse_upload(form.fields)
    )


async def retrieve(ask: Ask) -> Reply:
    """Retrieve the description of a file."""
    return show("file", await files.get(ask.ports, ask.caller, ask.text("file_id")), ask.era)


async def list_(ask: Ask) -> Reply:
    """List files (LIST-11)."""
    page = parse_files_page(ask.query)
    part = Slice(limit=page.limit, order=page.order, after=page.after)
    return show_page(
        "file", await files.list_page(ask.ports, ask.caller, part, page.purpose), ask.era
    )


async def delete(ask: Ask) -> Reply:
    """Delete a file."""
    file_id = ask.text("file_id")
    await files.delete(ask.ports, ask.caller, file_id)
    return show_deleted(file_id, "file")


async def content(ask: Ask) -> Stream:
    """Download a file (FILE-06)."""
    file_id = ask.text("file_id")
    file, chunks = await files.content(ask.ports, ask.caller, file_id)
    try:
        first = await anext(chunks, b"")
    except KeyError as error:
        raise no_such("file", file_id) from error
    return Stream(
        pieces=_from(first, chunks),
        content_type=b"application/octet-stream",
        headers=(
            (b"content-disposition", _disposition(file.filename).encode()),
            (b"content-length", b"%d" % file.bytes),
        ),
    )


def _disposition(name: str) -> str:
    """Return the header for clients that know RFC 6266, and for those that do not."""
    plain = name.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{exact}'


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _check(fields: Mapping[str, str]) -> None:
    """Refuse an upload while its bytes can still be thrown away."""
    parse_upload(fields)
