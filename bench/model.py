"""A language model that thinks nothing: a loopback Chat Completions server in its own process.

It shares two cores with the server under test, so it does as little as it can: hand-written
HTTP/1.1, answers built once per model name, one write for everything that is due at once. Each
chunk is an HTTP chunk of its own, as real model servers send them. ``GET /stats`` tells how many
answers are open, so that a case can wait until all its streams have reached the model.

Run as ``python -m bench.model``; the first line on standard output is the port.
"""

import asyncio
import re
import time
from functools import cache
from typing import cast

from bench.loop import run
from bench.script import TOOL_ARGUMENTS, TOOL_NAME, Script, parse, word

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model" ?: ?"([^"]+)"')
_STREAM = re.compile(rb'"stream" ?: ?true')
_TOOL_OUTPUT = re.compile(rb'"role" ?: ?"tool"')

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_START = (
    b'{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"m",'
)
_USAGE = b'"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}'
_MODELS = b'{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"bench"}]}'


def http_chunk(data: bytes) -> bytes:
    """Frame bytes for chunked transfer encoding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta_event(delta: bytes, finish_reason: bytes = b"null") -> bytes:
    """Return one framed chunk event whose delta is the given JSON."""
    choice = b'"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}' % (delta, finish_reason)
    return http_chunk(b"data: " + _START + choice + b"\n\n")


def text_event(text: str) -> bytes:
    """Return the framed event of one text delta; the text needs no JSON escapes."""
    return delta_event(b'{"content":"%b"}' % text.encode())


def closing(reason: bytes) -> bytes:
    """Return everything after the last delta: finish reason, usage, DONE, end of the body."""
    usage = http_chunk(b"data: " + _START + b'"choices":[],' + _USAGE + b"\n\n")
    return delta_event(b"{}", reason) + usage + http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


_CLOSING_TEXT = closing(b'"stop"')
_ROLE = delta_event(b'{"role":"assistant","content":""}')


@cache
def plain_events(script: Script) -> tuple[bytes, ...]:
    """Return the framed events of every plain delta, built once."""
    return tuple(text_event(word(index)) for index in range(script.deltas))


@cache
def whole_answer(script: Script) -> bytes:
    """Return the body of an answer that leaves in one write."""
    return _ROLE + b"".join(plain_events(script)) + _CLOSING_TEXT


@cache
def tool_answer() -> bytes:
    """Return the body of an answer that calls the function."""
    arguments = TOOL_ARGUMENTS.replace('"', '\\"').encode()
    call = b'{"tool_calls":[{"index":0,"id":"call_bench","type":"function","function":%b}]}'
    named = b'{"name":"%b","arguments":"%b"}' % (TOOL_NAME.encode(), arguments)
    return _ROLE + delta_event(call % named) + closing(b'"tool_calls"')


def stamped_event(index: int, arrived_ns: int) -> bytes:
    """Return the event of a delta that says when it leaves; the first also when it was asked."""
    asked = f"@a:{arrived_ns};" if index == 0 else ""
    return text_event(f"{asked}@{index}:{time.monotonic_ns()};")


def json_response(body: bytes) -> bytes:
    """Return a complete JSON answer."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    return head % (len(body), body)


def unstreamed(script: Script) -> bytes:
    """Return the answer to a request without ``stream``."""
    message = b'{"role":"assistant","content":"%b"}' % script.text.encode()
    choice = b'"choices":[{"index":0,"message":%b,"finish_reason":"stop"}],' % message
    return json_response(_START.replace(b".chunk", b"") + choice + _USAGE)


class ModelConnection(asyncio.Protocol):
    """One keep-alive connection; it answers one request at a time."""

    open_answers = 0

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop an answer that nobody reads any more."""
        del exc
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._finish()

    def data_received(self, data: bytes) -> None:
        """Collect a request and answer it when it is whole."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if found and len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            self._complete(body)
        elif b"/stats" in head.split(b"\r\n", 1)[0]:
            self._write(json_response(b'{"open":%d}' % ModelConnection.open_answers))
        else:
            self._write(json_response(_MODELS))

    def _complete(self, body: bytes) -> None:
        name = _MODEL.search(body)
        script = parse(name[1].decode() if name else "m")
        if script.calls_tool and not _TOOL_OUTPUT.search(body):
            self._write(_STREAM_HEAD + tool_answer())
        elif not _STREAM.search(body):
            self._write(unstreamed(script))
        elif script.ttft_ms or script.rate_per_second or script.stamped:
            self._begin(script)
        else:
            self._write(_STREAM_HEAD + whole_answer(script))

    def _begin(self, script: Script) -> None:
        ModelConnection.open_answers += 1
        arrived_ns = time.monotonic_ns()
        due = self._loop.time() + script.ttft_ms / 1000
        self._timer = self._loop.call_at(due, self._send, script, 0, due, arrived_ns)

    def _send(self, script: Script, index: int, due: float, arrived_ns: int) -> None:
        """Send what is due and set the timer for the next delta.

        Due times count from the start, so that a late turn of the loop is caught up.
        """
        stamped = script.stamped
        event = stamped_event(index, arrived_ns) if stamped else plain_events(script)[index]
        self._write((_STREAM_HEAD + _ROLE + event) if index == 0 else event)
        if index + 1 == script.deltas:
            self._write(_CLOSING_TEXT)
            self._finish()
            return
        due += 1 / script.rate_per_second if script.rate_per_second else 0
        self._timer = self._loop.call_at(due, self._send, script, index + 1, due, arrived_ns)

    def _finish(self) -> None:
        self._timer = None
        ModelConnection.open_answers -= 1

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def serve() -> None:
    """Listen on a free loopback port, say which, and answer until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(ModelConnection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    run(serve())
