"""A model endpoint that outlives its caller and says no more than it is allowed to."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Sequence[dict[str, Any]]
HOLD_SECONDS_MAX = 10


def text(*pieces: str) -> Answer:
    """Return an answer in so many pieces of text."""
    return [{"content": piece} for piece in pieces]


def call(name: str, *pieces: str) -> Answer:
    """Return the call of one function, whose arguments come in pieces."""
    head = {"index": 0, "id": "call_1", "function": {"name": name, "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [one]} for one in (head, *rest)]


class GatedModel:
    """Gives its answers in turn, the last one again and again; ``allow`` opens the gate."""

    def __init__(self, *answers: Answer) -> None:
        self.calls = 0
        self.answers = answers
        self._allowed = 0
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Return where the endpoint is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def allow(self, pieces: int) -> None:
        """Let every call tell so many pieces of its answer; one more than all ends it."""
        with self._changed:
            self._allowed = pieces
            self._changed.notify_all()

    def allow_all(self) -> None:
        """Let every call tell all that it has."""
        self.allow(1_000_000)

    def wait_for_calls(self, calls: int) -> None:
        """Wait until the model has been called so often in all."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.calls >= calls, HOLD_SECONDS_MAX)

    def size(self, pieces: int) -> int:
        """Return how many characters the first pieces of the first answer are."""
        return sum(map(_size, self.answers[0][:pieces]))

    def answer(self) -> Iterator[dict[str, Any]]:
        """Yield the pieces of the next answer as they are allowed."""
        with self._changed:
            answer = self.answers[min(self.calls, len(self.answers) - 1)]
            self.calls += 1
            self._changed.notify_all()
        for number, piece in enumerate(answer, start=1):
            self._wait_for(number)
            yield {"delta": piece, "finish_reason": None}
        self._wait_for(len(answer) + 1)
        called = any("tool_calls" in piece for piece in answer)
        yield {"delta": {}, "finish_reason": "tool_calls" if called else "stop"}

    def _wait_for(self, number: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._allowed >= number, HOLD_SECONDS_MAX)

    @contextmanager
    def serving(self) -> Iterator["GatedModel"]:
        """Answer calls until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self.allow_all()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _size(piece: dict[str, Any]) -> int:
    if "content" in piece:
        return len(piece["content"])
    function = piece["tool_calls"][0]["function"]
    return len(function.get("name", "")) + len(function["arguments"])


def _handler(model: GatedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                for choice in model.answer():
                    self._say(json.dumps({"choices": [{"index": 0, **choice}]}))
                self._say("[DONE]")
            except OSError:
                return  # the caller has died: that is what the test is about

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": []}')

        def _say(self, data: str) -> None:
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing of requests on standard error."""

    return Handler
