"""Uploads as multipart/form-data: read as they arrive, in any order, cut anywhere."""

import os
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.api.multipart import (
    FIELD_BYTES_MAX,
    FIELDS_MAX,
    Form,
    UploadedFile,
    filename_of,
    header_parameters,
    read_form,
)
from understudy.errors import InvalidRequest
from understudy.files.opening import files_from

pytestmark = pytest.mark.timeout(60)

MEBIBYTE = 1024 * 1024
CONTENT_TYPE = 'multipart/form-data; boundary="b-42"'
CONTENT = b"first line\r\n--b-4\r\n--b-4 not the boundary\r\n\r\n\x00\xff last"


def text(name: str, value: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file(content: bytes, filename: str = "notes.txt", name: str = "file") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    return head.encode() + b"Content-Type: text/plain\r\n\r\n" + content


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b-42\r\n" + part + b"\r\n" for part in parts) + b"--b-42--\r\n"


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


class Shelf:
    """A store that shows a file only when all of its chunks have come, as the Files port does."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def store(self, filename: str, chunks: AsyncIterator[bytes]) -> int:
        """Keep the file and return its size."""
        content = b"".join([chunk async for chunk in chunks])
        self.files[filename] = content
        return len(content)


async def read(body: bytes, shelf: Shelf | None = None, bytes_max: int = MEBIBYTE) -> Form:
    store = (shelf or Shelf()).store
    return await read_form(CONTENT_TYPE, pieces(body), store, bytes_max=bytes_max)


GOOD = form(
    text("purpose", "assistants"), file(CONTENT), text("expires_after[anchor]", "created_at")
)


async def test_a_form_has_fields_and_a_file() -> None:
    """FILE-03, FILE-08: purpose and bracketed fields are text, the file goes to the store."""
    shelf = Shelf()
    got = await read(GOOD, shelf)
    assert got.fields == {"purpose": "assistants", "expires_after[anchor]": "created_at"}
    assert got.file == UploadedFile("notes.txt", len(CONTENT), "text/plain")
    assert shelf.files == {"notes.txt": CONTENT}


@pytest.mark.parametrize("file_first", [True, False])
async def test_the_order_of_the_parts_does_not_matter(*, file_first: bool) -> None:
    """The official SDKs differ in whether purpose stands before the file or after it."""
    parts = [file(b"abc"), text("purpose", "vision")]
    got = await read(form(*(parts if file_first else reversed(parts))))
    assert (got.fields, got.file) == (
        {"purpose": "vision"},
        UploadedFile("notes.txt", 3, "text/plain"),
    )


async def test_a_form_without_a_file_is_a_form() -> None:
    """The caller decides what a missing file means."""
    assert await read(form(text("purpose", "assistants"))) == Form({"purpose": "assistants"}, None)
    assert await read(form()) == Form({}, None)


async def test_the_file_may_have_another_name_in_the_form() -> None:
    """UPL-02: the part of an upload is called data."""
    shelf = Shelf()
    body = pieces(form(file(b"abc", name="data")))
    got = await read_form(CONTENT_TYPE, body, shelf.store, bytes_max=MEBIBYTE, file_field="data")
    assert got.file is not None
    assert shelf.files == {"notes.txt": b"abc"}


async def test_an_empty_file_is_a_file() -> None:
    """Nothing is lost between a file without bytes and no file."""
    got = await read(form(file(b"")))
    assert got.file == UploadedFile("notes.txt", 0, "text/plain")


async def test_what_official_clients_send_is_read() -> None:
    """Bodies as the python (httpx) and node (undici) SDKs write them."""
    httpx = (
        b'--b-42\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
        b'--b-42\r\nContent-Disposition: form-data; name="file"; filename="a%22b \xc3\xa9.md"\r\n'
        b"Content-Type: text/markdown\r\n\r\n# a\r\n--b-42--\r\n"
    )
    undici = (
        b'--b-42\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\x00\x01\r\n"
        b'--b-42\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n--b-42--'
    )
    assert (await read(httpx)).file == UploadedFile('a"b é.md', 3, "text/markdown")
    assert (await read(undici)).file == UploadedFile("x.bin", 2, "application/octet-stream")


@given(cuts=st.lists(st.integers(0, len(GOOD)), max_size=30))
@settings(max_examples=150, deadline=None)
async def test_cuts_do_not_matter(cuts: list[int]) -> None:
    """The same form comes out wherever the network cut the body."""
    ends = [*sorted(cuts), len(GOOD)]
    cut = [GOOD[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    shelf = Shelf()
    got = await read_form(CONTENT_TYPE, pieces(*cut), shelf.store, bytes_max=MEBIBYTE)
    assert got == await read(GOOD)
    assert shelf.files == {"notes.txt": CONTENT}


async def test_single_bytes_do_not_matter() -> None:
    """The worst cutting of all."""
    shelf = Shelf()
    body = pieces(*(bytes([b]) for b in GOOD))
    assert await read_form(CONTENT_TYPE, body, shelf.store, bytes_max=MEBIBYTE) == await read(GOOD)
    assert shelf.files == {"notes.txt": CONTENT}


@given(content=st.binary(max_size=300).filter(lambda content: b"\r\n--b-42" not in content))
@settings(max_examples=150, deadline=None)
async def test_every_content_survives(content: bytes) -> None:
    """Any bytes but the boundary itself come out as they went in."""
    shelf = Shelf()
    await read(form(file(content)), shelf)
    assert shelf.files == {"notes.txt": content}


async def test_a_truncated_form_stores_nothing() -> None:
    """A form that ends anywhere before its closing boundary is refused and leaves no file."""
    for end in range(len(GOOD) - len(b"\r\n")):
        shelf = Shelf()
        with pytest.raises(InvalidRequest):
            await read(GOOD[:end], shelf)
        assert shelf.files == {}, end


@given(data=st.data())
@settings(max_examples=300, deadline=None)
async def test_a_damaged_form_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever bytes arrive, the only exception is InvalidRequest, and then nothing is stored."""
    body = bytearray(GOOD)
    for at in data.draw(st.lists(st.integers(0, len(GOOD) - 1), min_size=1, max_size=5)):
        body[at] = data.draw(st.sampled_from(b'\r\n-:;"= \x00\xffab\\%'))
    shelf = Shelf()
    try:
        got = await read(bytes(body), shelf)
    except InvalidRequest:
        assert shelf.files == {}
    else:
        assert len(shelf.files) == (got.file is not None)


@given(body=st.binary(max_size=200), content_type=st.text(max_size=60))
@settings(max_examples=150, deadline=None)
async def test_noise_is_refused(body: bytes, content_type: str) -> None:
    """A body or a Content-Type that is no form at all is refused too."""
    for declared in (CONTENT_TYPE, content_type, f"multipart/form-data; {content_type}"):
        with pytest.raises(InvalidRequest):
            await read_form(declared, pieces(body), Shelf().store, bytes_max=MEBIBYTE)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("application/json", "Invalid Content-Type 'application/json'"),
        ("", "Invalid Content-Type ''"),
        ("multipart/form-data", "no valid boundary"),
        ('multipart/form-data; boundary=""', "no valid boundary"),
        ("multipart/form-data; boundary=é", "no valid boundary"),
        (f"multipart/form-data; boundary={'b' * 300}", "Boundary length"),
        ("multipart/form-data; boundary=other", "could not parse"),
    ],
)
async def test_a_bad_content_type_is_refused(content_type: str, message: str) -> None:
    """The message says what was wrong with it."""
    with pytest.raises(InvalidRequest, match=message):
        await read_form(content_type, pieces(GOOD), Shelf().store, bytes_max=MEBIBYTE)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (b"\r\nno headers", "a part has no name"),
        (b"Content-Disposition: form-data\r\n\r\nx", "a part has no name"),
        (b'Content-Disposition: form-data; filename="a"\r\n\r\nx', "a part has no name"),
        (b"bad header\r\n\r\nx", "invalid character"),
        (b"".join(b"X-%d: y\r\n" % n for n in range(20)) + b"\r\nx", "header count"),
        (b"X: " + b"y" * 10_000 + b"\r\n\r\nx", "header size"),
        (b'Content-Disposition: form-data; name="purpose"\r\n\r\n\xff', "Invalid 'purpose'"),
        (b"Content-Transfer-Encoding: base64\r\n" + file(b"YQ=="), "'base64' is not supported"),
    ],
)
async def test_a_malformed_part_is_refused(part: bytes, message: str) -> None:
    """Refused with a reason, and nothing is stored."""
    shelf = Shelf()
    with pytest.raises(InvalidRequest, match=message):
        await read(form(file(b"abc"), part) if b"base64" not in part else form(part), shelf)
    assert shelf.files == {}


async def test_a_file_that_is_too_large_is_refused_early() -> None:
    """FILE-04: the rest of the body is not read, and the limit is told."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        yield b"--b-42\r\n" + file(b"")
        while True:
            asked += 1
            yield bytes(MEBIBYTE)

    shelf = Shelf()
    with pytest.raises(InvalidRequest) as caught:
        await read_form(CONTENT_TYPE, endless(), shelf.store, bytes_max=4 * MEBIBYTE)
    assert caught.value.message == "File is too large. Maximum size is 4 MB."
    assert (caught.value.param, caught.value.code) == ("file", None)
    assert (asked, shelf.files) == (5, {})


async def test_a_file_of_exactly_the_limit_is_stored() -> None:
    """FILE-04: the maximum itself is allowed, one byte more is not."""
    assert (await read(form(file(bytes(100))), bytes_max=100)).file is not None
    with pytest.raises(InvalidRequest, match=r"Maximum size is 100 bytes\.$"):
        await read(form(file(bytes(101))), bytes_max=100)


async def test_fields_are_bounded() -> None:
    """A text field may not fill the memory, nor may many of them."""
    await read(form(text("a", "x" * FIELD_BYTES_MAX)))
    with pytest.raises(InvalidRequest, match="Invalid 'a'") as caught:
        await read(form(text("a", "x" * (FIELD_BYTES_MAX + 1))))
    assert caught.value.param == "a"
    many = [text(f"f{n}", "x") for n in range(FIELDS_MAX)]
    await read(form(*many))
    with pytest.raises(InvalidRequest, match="Too many form fields"):
        await read(form(*many, text("f", "x")))


async def test_a_second_file_is_refused() -> None:
    """One request uploads one file; neither is stored."""
    shelf = Shelf()
    with pytest.raises(InvalidRequest, match="Only one file") as caught:
        await read(form(file(b"abc"), file(b"def")), shelf)
    assert (caught.value.param, shelf.files) == ("file", {})


@pytest.mark.parametrize("file_first", [True, False])
async def test_a_bad_field_refuses_the_file(*, file_first: bool) -> None:
    """ERR-31: a bad purpose, before the file or after it, means that nothing is ever stored."""

    def check(fields: Mapping[str, str]) -> None:
        raise InvalidRequest(f"bad {fields['purpose']}", param="purpose")

    parts = [file(b"abc"), text("purpose", "x")]
    body = pieces(form(*(parts if file_first else reversed(parts))))
    shelf = Shelf()
    with pytest.raises(InvalidRequest, match="bad x"):
        await read_form(CONTENT_TYPE, body, shelf.store, bytes_max=MEBIBYTE, check=check)
    assert shelf.files == {}


async def test_a_slow_store_slows_the_client_down() -> None:
    """The body is asked for a piece only when the store wants one."""
    asked = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal asked
        for piece in [b"--b-42\r\n" + file(b""), *[b"x" * 1000] * 50, b"\r\n--b-42--"]:
            asked += 1
            yield piece

    ahead: list[int] = []

    async def slow(_: str, chunks: AsyncIterator[bytes]) -> int:
        taken = 0
        async for chunk in chunks:
            taken += len(chunk)
            ahead.append(asked * 1000 - taken)
        return taken

    got = await read_form(CONTENT_TYPE, counted(), slow, bytes_max=MEBIBYTE)
    assert got.file == UploadedFile("notes.txt", 50_000, "text/plain")
    assert max(ahead) <= 3000


async def test_a_store_may_stop_early() -> None:
    """The fields after the file are read all the same."""

    async def glance(_: str, chunks: AsyncIterator[bytes]) -> int:
        return len(await anext(chunks))

    body = pieces(form(file(b"abc"), text("purpose", "vision")))
    got = await read_form(CONTENT_TYPE, body, glance, bytes_max=MEBIBYTE)
    assert got.fields == {"purpose": "vision"}


async def test_other_failures_go_on_unchanged() -> None:
    """A full disk or a client that hangs up is not the form's fault."""

    async def full(_: str, chunks: AsyncIterator[bytes]) -> int:
        await anext(chunks)
        raise OSError("disk full")

    async def hung_up() -> AsyncIterator[bytes]:
        yield GOOD[:-40]
        raise ConnectionResetError("client is gone")

    with pytest.raises(OSError, match="disk full"):
        await read_form(CONTENT_TYPE, pieces(GOOD), full, bytes_max=MEBIBYTE)
    shelf = Shelf()
    with pytest.raises(ConnectionResetError):
        await read_form(CONTENT_TYPE, hung_up(), shelf.store, bytes_max=MEBIBYTE)
    assert shelf.files == {}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ('filename="notes.txt"', "notes.txt"),
        ("filename=notes.txt", "notes.txt"),
        ("filename=notes.txt ; x=y", "notes.txt"),
        ('FileName = "notes.txt"', "notes.txt"),
        ('filename="naïve 日本.txt"', "naïve 日本.txt"),
        ("filename=\"x\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt", "naïve €.txt"),
        ("filename*=iso-8859-1'en'%A3.txt", "£.txt"),
        ("filename=\"x.txt\"; filename*=utf-9''y", "x.txt"),
        ('filename="x.txt"; filename*=broken', "x.txt"),
        ("filename*=utf-8''%FF.txt", "\ufffd.txt"),
        ("filename*=utf-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ('filename="say %22hi%22.txt"', 'say "hi".txt'),
        (r'filename="say \"hi\"; ok.txt"', 'say "hi"; ok.txt'),
        ('filename="a;b=c.txt"', "a;b=c.txt"),
        ('filename="../../etc/passwd"', "passwd"),
        (r'filename="C:\dir\new.txt"', "new.txt"),
        (r'filename="C:\\dir\\new.txt"', "new.txt"),
        ('filename="a\x00b\tc\x7f\u2028.txt"', "abc.txt"),
        ('filename=""', "upload"),
        ('filename=".."', "upload"),
        ('filename="dir/"', "upload"),
        ('filename="\x01"', "upload"),
        ('filename=" .env "', ".env"),
        (f'filename="{"x" * 300}.pdf"', "x" * 251 + ".pdf"),
        (f'filename="{"x" * 300}"', "x" * 255),
        (f'filename="a.{"x" * 300}"', "a." + "x" * 253),
    ],
)
async def test_filenames_are_read_and_made_safe(parameters: str, expected: str) -> None:
    """Quotes, RFC 5987, paths, control characters and length."""
    assert filename_of(header_parameters(f'form-data; name="file"; {parameters}')) == expected
    head = f'Content-Disposition: form-data; name="file"; {parameters}\r\n\r\n'
    got = await read(form(head.encode() + b"abc"))
    assert got.file is not None
    assert got.file.filename == expected


@given(parameters=st.text(alphabet=st.sampled_from("fn=*;\"\\/'% .éx\u202e\x00"), max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_header_makes_an_unsafe_filename(parameters: str) -> None:
    """Whatever is in the header, the name is short, printable and in no folder."""
    disposition = {"filename": parameters} | header_parameters(f"form-data; {parameters}")
    name = filename_of(disposition)
    assert 0 < len(name) <= 255
    assert name not in {".", ".."}
    assert not set(name) & set("/\\\x00\n\r")


async def test_memory_stays_flat_from_socket_to_folder_and_back(tmp_path: Path) -> None:
    """200 MB go through in 64 KiB pieces; neither Python nor obstore holds them."""
    process = psutil.Process(os.getpid())
    files = files_from(str(tmp_path))
    piece = os.urandom(64 * 1024)
    count = 200 * MEBIBYTE // len(piece)
    resident: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        yield b"--b-42\r\n" + file(b"")
        for n in range(count):
            if n % 100 == 0:
                resident.append(process.memory_info().rss)
            yield piece
        yield b"\r\n" + form(text("purpose", "assistants"))

    async def store(_: str, chunks: AsyncIterator[bytes]) -> int:
        return await files.write("file-a", chunks)

    tracemalloc.start()
    try:
        got = await read_form(CONTENT_TYPE, body(), store, bytes_max=512 * MEBIBYTE)
        received = 0
        async for part in files.read("file-a"):
            received += len(part)
            resident.append(process.memory_info().rss)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await files.delete("file-a")
    assert got.file is not None
    assert got.file.size == received == 200 * MEBIBYTE
    assert peak < 8 * MEBIBYTE
    assert max(resident) - resident[0] < 64 * MEBIBYTE
