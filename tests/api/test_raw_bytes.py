"""Bytes that no client library would send: never a 5xx, and nothing written by what is refused."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from understudy.api.routes import TABLE, Row

from .conftest import Build, House

SECONDS_MAX = 20
TABLES = ("assistants", "threads", "messages", "runs", "run_steps", "files", "answers")
ECHO = "rules: [{say: 'You said: {last_user}', after_tools: either}]"


@dataclass(frozen=True)
class Raw:
    """What came back: status 0 when the server just hung up."""

    status: int
    headers: bytes
    body: bytes


@dataclass(frozen=True)
class Wire:
    """Sends bytes as they are to one server, and knows what is in its database."""

    house: House
    ids: dict[str, str]

    async def send(self, *pieces: bytes, hang_up: bool = False) -> Raw:
        """Send the pieces and return the last answer; with ``hang_up`` we have no more to say."""
        place = urlsplit(self.house.root)
        async with asyncio.timeout(SECONDS_MAX):
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if hang_up:
                    writer.write_eof()
                return await _answer(reader, method=pieces[0].partition(b" ")[0])
            except ConnectionError:
                return Raw(0, b"", b"")
            finally:
                writer.close()

    async def ask(
        self, method: bytes, path: bytes, body: bytes = b"", *headers: bytes, era: bytes = b"v2"
    ) -> Raw:
        """Send one request with a key and an era, and these headers besides."""
        head = [
            b"%b %b HTTP/1.1" % (method, path),
            b"Host: localhost",
            b"Authorization: Bearer %b" % self.house.key.encode(),
            b"OpenAI-Beta: assistants=%b" % era,
            b"Content-Length: %d" % len(body),
            *headers,
        ]
        return await self.send(b"\r\n".join([*head, b"", body]))

    async def check(self, answer: Raw) -> None:
        """An answer of the application is an envelope; uvicorn's own to bad HTTP is a 400."""
        assert answer.status < 500, answer
        if answer.status >= 400 and b"content-type: application/json" in answer.headers.lower():
            if answer.body:
                told = json.loads(answer.body)
                assert list(told["error"]) == ["message", "type", "param", "code"]
        elif answer.status >= 400:
            assert answer.body == b"Invalid HTTP request received.", answer

    def written(self) -> list[tuple[int, int, int]]:
        """Return what is in each table: how many rows, how many bytes, how many deleted."""
        path = self.house.ports.settings.database_path
        with closing(sqlite3.connect(path)) as connection:
            return [connection.execute(_counting(table)).fetchone() for table in TABLES]

    def path(self, row: Row) -> bytes:
        """Return the path of a route with real ids in it."""
        named = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: self.ids[match[1]], row.path)
        return b"/v1" + named.encode()


def _counting(table: str) -> str:
    deleted = "0" if table == "answers" else "count(deleted_at)"
    return f"SELECT count(*), coalesce(sum(length(body)), 0), {deleted} FROM {table}"  # noqa: S608


async def _answer(reader: asyncio.StreamReader, method: bytes) -> Raw:
    """Read one answer, whole or in chunks; keep-alive leaves the connection open behind it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 "):
            head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as nothing:
        return Raw(0, b"", nothing.partial)
    status = int(head.split(b" ", 2)[1])
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if method == b"HEAD":
        return Raw(status, head, b"")
    if length:
        return Raw(status, head, await reader.readexactly(int(length[1])))
    return Raw(status, head, await reader.readuntil(b"0\r\n\r\n"))


@pytest.fixture
async def wire(build: Build) -> Wire:
    """Return a server with one object of each kind."""
    house = await build(ECHO, expires_after_seconds=2)
    client = house.client()
    turn = await client.turn("hello")
    thread_id, run_id = turn["thread_id"], turn["id"]
    steps = await client.listed(f"/threads/{thread_id}/runs/{run_id}/steps")
    messages = await client.listed(f"/threads/{thread_id}/messages")
    file = await client.upload()
    store = await client.post("/vector_stores", {"file_ids": [file["id"]]})
    return Wire(
        house,
        {
            "assistant_id": turn["assistant_id"],
            "thread_id": thread_id,
            "run_id": run_id,
            "step_id": steps[0]["id"],
            "message_id": messages[0]["id"],
            "file_id": file["id"],
            "upload_id": "upload_abc123",
            "vector_store_id": store["id"],
            "batch_id": "vsfb_abc123",
            "model": "scripted",
        },
    )


@pytest.mark.parametrize("method", [b"HEAD", b"PUT", b"PATCH", b"OPTIONS", b"TRACE", b"PROPFIND"])
async def test_other_methods_are_refused_on_every_route(wire: Wire, method: bytes) -> None:
    """ERR-33."""
    before = wire.written()
    for row in TABLE:
        answer = await wire.ask(method, wire.path(row), b"{}")
        if method == b"HEAD":  # HTTP wants it wherever there is a GET
            assert answer.status < 500, row.path
        else:
            assert answer.status == 405, row.path
        await wire.check(answer)
    assert wire.written() == before


DEEP = 100_000
BODIES = {
    "half": b'{"model": "scr',
    "null": b"null",
    "array": b"[]",
    "number": b"1",
    "string": b'"x"',
    "not utf-8": b'{"model": "\xff\xfe"}',
    "utf-16": '{"model": "scripted"}'.encode("utf-16"),
    "surrogate in key": b'{"metadata": {"\\ud800": "x"}}',
    "raw surrogate": b'{"model": "\xed\xa0\x80"}',
    "nan": b'{"temperature": NaN}',
    "infinite": b'{"temperature": 1e999}',
    "huge integer": b'{"max_prompt_tokens": ' + b"9" * 5_000 + b"}",
    "deep arrays": b"[" * DEEP,
    "deep objects": b'{"metadata":' * DEEP,
    "deep and whole": b'{"metadata":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep parameters": b'{"model":"scripted","tools":[{"type":"function","function":{"name":"f",'
    b'"parameters":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}]}",
    "nul": b"\x00",
    "form": b"model=scripted&name=x",
    "too many keys": json.dumps({str(n): n for n in range(20_000)}).encode(),
    "long key": b'{"' + b"k" * 1_000_000 + b'": 1}',
}


@pytest.mark.parametrize("era", [b"v1", b"v2"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_bodies_that_cannot_be_meant_are_refused(wire: Wire, body: bytes, era: bytes) -> None:
    """ERR-20 to ERR-30; wherever a body is read at all."""
    before = wire.written()
    for row in TABLE:
        # A cancel takes no parameters, and hence no notice of a body.
        if row.method == "POST" and not row.path.endswith("/cancel"):
            answer = await wire.ask(b"POST", wire.path(row), body, era=era)
            assert 400 <= answer.status < 500, (row.path, answer)
            await wire.check(answer)
    assert wire.written() == before


STRANGE = {
    "lone surrogate": b'"\\ud800"',
    "surrogates the wrong way round": b'"\\udc00\\ud800"',
    "nul": b'"a\\u0000b"',
    "right to left": b'"\\u202e"',
    "beyond the bmp": '"\U0010ffff"'.encode(),
    "byte order mark": b'"\\ufeff"',
}


@pytest.mark.parametrize("era", [b"v1", b"v2"])
@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
async def test_strange_text_is_kept_or_refused_but_breaks_nothing(
    wire: Wire, text: bytes, era: bytes
) -> None:
    thread, assistant = wire.ids["thread_id"].encode(), wire.ids["assistant_id"].encode()
    message = b'{"role": "user", "content": %b, "metadata": {"k": %b}}' % (text, text)
    run = b'{"assistant_id": "%b", "stream": true, "instructions": %b, "model": "scripted"}'
    requests = [
        (
            b"/v1/assistants",
            b'{"model": "scripted", "name": %b, "instructions": %b}' % (text, text),
        ),
        (b"/v1/assistants", b'{"model": %b}' % text),
        (b"/v1/threads", b'{"metadata": {%b: %b}}' % (text, text)),
        (b"/v1/threads/%b/messages" % thread, message),
        (b"/v1/threads/%b/runs" % thread, run % (assistant, text)),
        (b"/v1/threads/%b/runs" % thread, b'{"assistant_id": %b}' % text),
    ]
    for path, body in requests:
        before = wire.written()
        answer = await wire.ask(b"POST", path, body, era=era)
        await wire.check(answer)
        if answer.status != 200:
            assert wire.written() == before
    for path in (b"/v1/assistants", b"/v1/threads", b"/v1/threads/%b/messages" % thread):
        answer = await wire.ask(b"GET", path, era=era)
        assert answer.status == 200
        json.loads(answer.body)


PATHS = [
    b"/v1/threads/%ff%fe",
    b"/v1/threads/thread_%00",
    b"/v1/threads/thread_\xff",
    b"/v1/threads/thread_%ed%a0%80",
    b"/v1/threads/thread_%2e%2e%2f",
    b"/v1/threads/../threads",
    b"/v1//threads",
    b"/v1/threads/",
    b"/v1/",
    b"/v1",
    b"//",
    b"/",
    b"*",
    b"/v1/threads/" + b"a" * 60_000,
    b"/v1/models/%ff",
    b"/v1/models/a/b/../c",
    b"/v1/files/%00",
    b"/v1/files/%ff/content",
    b"/v1/files/..%2f..%2funderstudy.sqlite3/content",
]


@pytest.mark.parametrize("era", [b"v1", b"v2"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path[:40]))
async def test_strange_paths_are_refused(wire: Wire, path: bytes, era: bytes) -> None:
    """ERR-24, ERR-25, ERR-32."""
    before = wire.written()
    for method in (b"GET", b"POST", b"DELETE"):
        answer = await wire.ask(method, path, b"{}", era=era)
        await wire.check(answer)
        assert answer.status >= 400
    assert wire.written() == before


QUERIES = [
    b"limit=%ff",
    b"limit=%00",
    b"limit=",
    b"limit=1e9",
    b"limit=" + b"9" * 5_000,
    b"limit=-1",
    "limit=\u0663".encode(),
    b"limit=%D9%A3",
    b"limit=1&limit=x",
    b"order=%ff",
    b"after=%ff",
    b"after=%00",
    b"after=%ed%a0%80",
    b"after=" + b"a" * 30_000,
    b"before=%ff%00",
    b"run_id=%ff",
    b"purpose=%00",
    b"purpose=%ff",
    b"include[]=%ff",
    b"include=%ed%a0%80",
    b"metadata[%ff]=%ff",
    b"metadata[%00]=%00",
    b"metadata[%22]=%5c",
    b"metadata[]=x",
    b"metadata[a.b]=x",
    b"metadata[a]=x&metadata[%ed%a0%80]=%ed%a0%80",
    b"wait=%D9%A3",
    b"wait=-1",
    b"wait=1e3",
    b"&&&===",
    b"%",
    b"%zz=%z",
    b"\xff=\xff",
]


@pytest.mark.parametrize("era", [b"v1", b"v2"])
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: repr(query[:30]))
async def test_strange_queries_break_no_route(wire: Wire, query: bytes, era: bytes) -> None:
    for row in TABLE:
        if row.method == "GET":
            await wire.check(await wire.ask(b"GET", wire.path(row) + b"?" + query, era=era))


HEADERS = [
    b"OpenAI-Beta: assistants=\xff",
    b"OpenAI-Beta: " + b"a" * 20_000,
    b"Idempotency-Key: \xff\xfe",
    b"Idempotency-Key: " + b"k" * 20_000,
    b"Idempotency-Key:",
    b"Last-Event-ID: \xb2-1",
    b"Last-Event-ID: 1-" + b"9" * 5_000,
    b"Last-Event-ID: --",
    b"Understudy-Busy-Thread: \xff",
    b"Understudy-Expires-After: \xb2",
    b"Understudy-Expires-After: -1",
    b"Understudy-Expires-After: 999999999999",
    b"Understudy-On-Disconnect: \xff",
    b"Content-Type: \xff",
    b"Content-Type: multipart/form-data",
    b"Content-Type: multipart/form-data; boundary=",
    b"Content-Type: multipart/form-data; boundary=" + b"b" * 5_000,
    b"Content-Type: multipart/form-data; boundary=\xff",
    b"Content-Type: application/json; charset=utf-16",
    b"Content-Encoding: gzip",
    b"Accept: \xff",
    b"Accept: application/xml",
    b"Expect: 100-continue",
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA",
    b"X-Large: " + b"x" * 60_000,
    b"\r\n".join(b"X-%d: y" % number for number in range(2_000)),
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:40]))
async def test_strange_headers_break_no_route(wire: Wire, header: bytes) -> None:
    for row in TABLE:
        if row.method != "DELETE":
            path = wire.path(row)
            answer = await wire.ask(row.method.encode(), path, b'{"stream": true}', header)
            await wire.check(answer)


CREDENTIALS = [
    b"Authorization: Bearer \xff",
    b"Authorization: Bearer",
    b"Authorization: Bearer " + b"s" * 20_000,
    b"Authorization: Basic \xff",
    b"Authorization: Basic ////",
    b"Authorization: Basic " + b"A" * 20_001,
    b"Authorization: Digest x",
    b"Authorization:",
    b"api-key: \xff",
    b"api-key:",
    b"X-Nothing: x",
]


@pytest.mark.parametrize("header", CREDENTIALS, ids=lambda header: repr(header[:40]))
async def test_strange_credentials_are_none(wire: Wire, header: bytes) -> None:
    """AUTH-01, AUTH-02: 401 in the envelope, whatever stands there."""
    before = wire.written()
    head = b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    answer = await wire.send(head + header + b"\r\n\r\n{}")
    await wire.check(answer)
    assert answer.status == 401
    assert wire.written() == before


BROKEN_HTTP = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /v1/threads\r\n\r\n",
    "negative length": b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
    "two lengths": b"POST /v1/threads HTTP/1.1\r\nContent-Length: 2\r\n"
    b"Content-Length: 3\r\n\r\n{}x",
    "length and chunks": b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "wrong chunk": b"POST /v1/threads HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "header without colon": b"GET /v1/threads HTTP/1.1\r\nHost x\r\n\r\n",
    "nul in header": b"GET /v1/threads HTTP/1.1\r\nX: \x00\r\n\r\n",
    "endless request line": b"GET /" + b"a" * 300_000,
    "nothing": b"",
    "only line breaks": b"\r\n" * 1_000,
}


@pytest.mark.parametrize("sent", BROKEN_HTTP.values(), ids=BROKEN_HTTP)
async def test_broken_http_leaves_the_server_alive(wire: Wire, sent: bytes) -> None:
    before = wire.written()
    answer = await wire.send(sent, hang_up=True)
    await wire.check(answer)
    assert wire.written() == before
    assert (await wire.ask(b"GET", b"/v1/threads")).status == 200


def routes_with_bodies() -> Iterator[Row]:
    return (row for row in TABLE if row.method == "POST")


async def test_a_body_that_stops_half_way_writes_nothing(wire: Wire) -> None:
    before = wire.written()
    for row in routes_with_bodies():
        head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n" % wire.path(row)
        head += b"Authorization: Bearer %b\r\n" % wire.house.key.encode()
        head += b"OpenAI-Beta: assistants=v2\r\n\r\n"
        await wire.check(await wire.send(head, b'{"model": "scripted"}', hang_up=True))
    assert wire.written() == before


async def test_a_body_above_the_limit_is_refused(wire: Wire) -> None:
    """At most 16 MiB and not more; the connection may be closed before the answer is read."""
    before = wire.written()
    body = b'{"metadata": {"k": "' + b"x" * (17 * 1024 * 1024) + b'"}}'
    for path in (b"/v1/threads", b"/v1/assistants", b"/v1/threads/runs"):
        answer = await wire.ask(b"POST", path, body)
        await wire.check(answer)
        assert answer.status in {0, 400, 413}
    assert wire.written() == before


FORM = b"--b\r\nContent-Disposition: form-data; name="
FORMS = {
    "no end": FORM + b'"purpose"\r\n\r\nassistants\r\n' + FORM + b'"file"; filename="x"\r\n\r\nhel',
    "no name": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    "no disposition": b"--b\r\n\r\nx\r\n--b--\r\n",
    "strange bytes": FORM + b'"\xff"; filename="\x00\xff"\r\n\r\n\x00\r\n--b--\r\n',
    "purpose not utf-8": FORM + b'"purpose"\r\n\r\n\xff\r\n--b--\r\n',
    "no purpose": FORM + b'"file"; filename="x"\r\n\r\nhello\r\n--b--\r\n',
    "no file": FORM + b'"purpose"\r\n\r\nassistants\r\n--b--\r\n',
    "another boundary": b"--c\r\n\r\n--c--\r\n",
    "empty": b"",
    "endless header": b"--b\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n--b--\r\n",
    "thousand fields": b"".join(FORM + b'"f%d"\r\n\r\nx\r\n' % number for number in range(1_000))
    + b"--b--\r\n",
    "huge field": FORM + b'"purpose"\r\n\r\n' + b"x" * 1_000_000 + b"\r\n--b--\r\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_broken_uploads_leave_no_file_behind(wire: Wire, form: bytes) -> None:
    """FILE-03, ERR-31: no row and no bytes."""
    before, folder = wire.written(), wire.house.ports.settings.data_dir / "files"
    stored = sorted(path.name for path in folder.rglob("*") if path.is_file())
    kind = b"Content-Type: multipart/form-data; boundary=b"
    answer = await wire.ask(b"POST", b"/v1/files", form, kind)
    await wire.check(answer)
    assert answer.status == 400
    assert wire.written() == before
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == stored
