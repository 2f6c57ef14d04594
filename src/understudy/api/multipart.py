"""Uploads: multipart/form-data, read as it arrives.

The parser is pushed (bytes in, callbacks out) and the store pulls (it asks for the next chunk), so
the callbacks only queue what they saw, and whoever wants the next event feeds the parser one more
piece of the body when the queue is empty. No task and no buffer stands between the socket and the
store: a slow store slows down the client.

The file's chunks end only after the whole form has been read and found good. Fields that come
after the file, a missing end and the caller's own check are thus met while the store still waits,
so a refused upload is never visible in the store, not even for a moment.
"""

import re
import unicodedata
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from understudy.errors import InvalidRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD_BYTES_MAX = 64 * 1024
FIELDS_MAX = 100
FILENAME_CHARACTERS_MAX = 255
EXTENSION_CHARACTERS_MAX = 16
FILENAME_UNKNOWN = "upload"
MEBIBYTE = 1024 * 1024

Store = Callable[[str, AsyncIterator[bytes]], Awaitable[int]]
Check = Callable[[Mapping[str, str]], None]


@dataclass(frozen=True)
class UploadedFile:
    """The file of a form whose bytes have been stored."""

    filename: str
    size: int
    content_type: str


@dataclass(frozen=True)
class Form:
    """A form that was read to its end; ``file`` is None when it had none."""

    fields: dict[str, str]
    file: UploadedFile | None


def accept_all(fields: Mapping[str, str]) -> None:
    """Find no fault with the fields."""


async def read_form(
    content_type: str,
    body: AsyncIterator[bytes],
    store: Store,
    *,
    bytes_max: int,
    file_field: str = "file",
    check: Check = accept_all,
) -> Form:
    """Read a form and hand its one file, chunk by chunk, to ``store``.

    ``store`` gets the file's name and chunks and returns its size. ``check`` sees all the text
    fields, wherever they stood, before the chunks end, and raises to refuse the upload; it also
    runs when there is no file. Everything that is wrong with the form itself, from the boundary
    to a file of more than ``bytes_max`` bytes, is raised as InvalidRequest, inside ``store`` once
    that has begun: a store that keeps nothing when its iterator raises keeps nothing of a refused
    form. What ``body`` and ``store`` raise goes on unchanged.
    """
    parts = _Parts(_boundary(content_type), body)
    return await _FormReader(parts, store, bytes_max, file_field, check).read()


@dataclass
class _Part:
    """One part's headers: names in lower case, values as they were sent."""

    headers: dict[str, str] = field(default_factory=dict)

    def disposition(self) -> dict[str, str]:
        return header_parameters(self.headers.get("content-disposition", ""))

    def name(self) -> str:
        """Return the field's name; a form's part without one is malformed."""
        name = self.disposition().get("name")
        if not name:
            raise _malformed("a part has no name")
        return name


class _PartEnd:
    """A part is complete."""


class _FormEnd:
    """The closing boundary was seen."""


_Event = _Part | bytes | _PartEnd | _FormEnd


class _Parts:
    """The body as a sequence of events: for each part its headers, its data and its end."""

    def __init__(self, boundary: bytes, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._events: deque[_Event] = deque()
        self._part = _Part()
        self._header_name = b""
        self._header_value = b""
        self._parser = _parser(boundary, self._callbacks())

    async def next(self) -> _Event:
        """Return the next event; a body that stops before the form does is malformed."""
        while not self._events:
            await self._feed()
        return self._events.popleft()

    async def _feed(self) -> None:
        try:
            piece = await anext(self._body)
        except StopAsyncIteration:
            raise _malformed("it ends before its closing boundary") from None
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_begin": self._on_header_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_begin(self) -> None:
        self._header_name = b""
        self._header_value = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        name = self._header_name.decode("ascii").lower()
        self._part.headers[name] = _header_text(self._header_value)

    def _on_headers_finished(self) -> None:
        self._events.append(self._part)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(bytes(data[start:end]))

    def _on_part_end(self) -> None:
        self._events.append(_PartEnd())

    def _on_end(self) -> None:
        self._events.append(_FormEnd())


@dataclass
class _FormReader:
    """One pass over a form's parts."""

    parts: _Parts
    store: Store
    bytes_max: int
    file_field: str
    check: Check
    fields: dict[str, str] = field(default_factory=dict)
    field_count: int = 0

    async def read(self) -> Form:
        """Read the form to its end."""
        part = await self._read_fields()
        if part is None:
            self.check(self.fields)
            return Form(self.fields, None)
        return Form(self.fields, await self._read_file(part))

    async def _read_fields(self) -> _Part | None:
        """Read text fields up to the next file, which is returned, or the end of the form."""
        while isinstance(part := await self.parts.next(), _Part):
            if self._is_file(part):
                return part
            await self._read_field(part)
        return None

    def _is_file(self, part: _Part) -> bool:
        disposition = part.disposition()
        named = "filename" in disposition or "filename*" in disposition
        return named and part.name() == self.file_field

    async def _read_field(self, part: _Part) -> None:
        name = part.name()
        self.field_count += 1
        if self.field_count > FIELDS_MAX:
            raise InvalidRequest(f"Too many form fields. At most {FIELDS_MAX} are allowed.")
        self.fields[name] = await self._read_text(name)

    async def _read_text(self, name: str) -> str:
        text = bytearray()
        while isinstance(data := await self.parts.next(), bytes):
            text += data
            if len(text) > FIELD_BYTES_MAX:
                raise InvalidRequest(
                    f"Invalid '{name}': a form field may have at most {FIELD_BYTES_MAX} bytes.",
                    param=name,
                )
        return _utf8(text, name)

    async def _read_file(self, part: _Part) -> UploadedFile:
        _refuse_transfer_encoding(part)
        filename = filename_of(part.disposition())
        async with aclosing(self._file_chunks()) as chunks:
            size = await self.store(filename, chunks)
            # A store may have had enough of the file early; the form is still read to its end.
            async for _ in chunks:
                pass
        media_type = part.headers.get("content-type", "application/octet-stream")
        return UploadedFile(filename, size, media_type)

    async def _file_chunks(self) -> AsyncGenerator[bytes, None]:
        size = 0
        while isinstance(data := await self.parts.next(), bytes):
            size += len(data)
            if size > self.bytes_max:
                raise _too_large(self.bytes_max, self.file_field)
            yield data
        await self._finish_form()

    async def _finish_form(self) -> None:
        if await self._read_fields() is not None:
            raise InvalidRequest("Only one file can be uploaded at a time.", param=self.file_field)
        self.check(self.fields)


# A quoted string with its escapes; or one whose backslashes are plain (old browsers); or a token.
# The first repetition is possessive, so that no input makes the search go back over it.
_PARAMETER = re.compile(
    r';\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|"([^"]*)"|([^;]*))', re.DOTALL
)


def header_parameters(value: str) -> dict[str, str]:
    """Return the parameters of a header such as ``form-data; name="x"``, names in lower case."""
    parameters: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        name, quoted, plain, token = match.groups()
        text = _unescape(quoted) if quoted is not None else plain or (token or "").strip()
        parameters.setdefault(name.lower(), text)
    return parameters


def _unescape(quoted: str) -> str:
    # Only these two are escapes: in "C:\new.txt" the backslash is itself.
    return re.sub(r'\\(["\\])', r"\1", quoted)


def filename_of(disposition: Mapping[str, str]) -> str:
    """Return a file name that is safe to store and show: no path, no control characters.

    ``filename*`` (RFC 5987) wins over ``filename``, in which clients write a quotation mark as
    ``%22`` (WHATWG). A name of which nothing remains becomes ``upload``.
    """
    extended = _extended_value(disposition.get("filename*", ""))
    raw = extended or disposition.get("filename", "").replace("%22", '"')
    last = re.split(r"[/\\]", raw)[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in {"Cc", "Zl", "Zp"}).strip()
    return FILENAME_UNKNOWN if shown in {"", ".", ".."} else _shortened(shown)


def _extended_value(value: str) -> str:
    """Decode ``UTF-8'en'na%C3%AFve.txt``; nothing when it is not of that form."""
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote or charset.lower() not in {"utf-8", "iso-8859-1"}:
        return ""
    return unquote_to_bytes(encoded).decode(charset, errors="replace")


def _shortened(name: str) -> str:
    """Cut a long name in front of its extension, by which tools tell the kind of file."""
    stem, dot, extension = name.rpartition(".")
    if len(name) <= FILENAME_CHARACTERS_MAX:
        return name
    tail = dot + extension if stem and len(extension) <= EXTENSION_CHARACTERS_MAX else ""
    return name[: FILENAME_CHARACTERS_MAX - len(tail)] + tail


def _boundary(content_type: str) -> bytes:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise InvalidRequest(
            f"Invalid Content-Type '{media_type}'. Expected 'multipart/form-data' with a boundary."
        )
    boundary = header_parameters(content_type).get("boundary", "")
    if not boundary or not boundary.isascii():
        raise _malformed("the Content-Type has no valid boundary")
    return boundary.encode("ascii")


def _parser(boundary: bytes, callbacks: "MultipartCallbacks") -> MultipartParser:
    try:
        return MultipartParser(boundary, callbacks)
    except FormParserError as error:
        raise _malformed(str(error)) from error


def _header_text(value: bytes) -> str:
    """Decode a header as clients write it: UTF-8 today, Latin-1 in old ones."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _utf8(text: bytes | bytearray, name: str) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(f"Invalid '{name}': expected UTF-8 text.", param=name) from None


def _refuse_transfer_encoding(part: _Part) -> None:
    # RFC 7578 abolished it; storing the encoded text as if it were the file would be a quiet loss.
    encoding = part.headers.get("content-transfer-encoding", "binary").strip().lower()
    if encoding not in {"binary", "8bit", "7bit"}:
        raise _malformed(f"the Content-Transfer-Encoding '{encoding}' is not supported")


def _malformed(reason: str) -> InvalidRequest:
    return InvalidRequest(f"We could not parse the multipart form of your request: {reason}.")


def _too_large(bytes_max: int, param: str) -> InvalidRequest:
    whole = bytes_max % MEBIBYTE == 0
    limit = f"{bytes_max // MEBIBYTE} MB" if whole else f"{bytes_max} bytes"
    return InvalidRequest(f"File is too large. Maximum size is {limit}.", param=param)
