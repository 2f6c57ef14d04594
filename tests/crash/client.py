"""A client that does not give up: it repeats what got no answer and resumes what broke off."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from .server import MortalServer

TRIES_MAX = 5
SILENCE_SECONDS_MAX = 10  # less than the server waits before it says that it still lives
_FIELD = 'Content-Disposition: form-data; name="{}'
_FILE = _FIELD.format('file"; filename="{}"')
_BROKEN = (http.client.HTTPException, ConnectionError)


@dataclass(frozen=True)
class Event:
    """An event as it came over the wire."""

    id: str
    name: str
    data: Any

    @property
    def place(self) -> tuple[int, int]:
        """Return what the id says, to be compared."""
        attempt, _, position = self.id.partition("-")
        return int(attempt), int(position)


OnEvent = Callable[[Event], None]


class StubbornClient:
    """Speaks to a server that dies and comes back; ``events`` are all that it was ever told."""

    def __init__(self, server: MortalServer) -> None:
        self.server = server
        self.events: list[Event] = []
        self.on_event: OnEvent = lambda _: None
        self.run = ""

    def get(self, path: str) -> Any:
        """Return the object."""
        return self._persist(lambda: self._answer("GET", path))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """Return the answer to a POST, which may have been sent twice under one key."""
        headers = {"Idempotency-Key": uuid4().hex, **headers}
        return self._persist(lambda: self._answer("POST", path, body, headers))

    def upload(self, name: str, content: str) -> str:
        """Upload a file, and return its id."""
        fields = ((_FIELD.format('purpose"'), "assistants"), (_FILE.format(name), content))
        body = "".join(f"--x\r\n{head}\r\n\r\n{value}\r\n" for head, value in fields) + "--x--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        return str(self.post("/v1/files", body.encode(), **headers)["id"])

    def stream(self, path: str, body: Any, **headers: str) -> str:
        """Send a POST that streams, follow it to its end, and return the run's id."""
        headers = {"Idempotency-Key": uuid4().hex, **headers}
        seen = len(self.events)

        def attempt() -> None:
            if len(self.events) == seen:
                self._read("POST", path, {**body, "stream": True}, headers)
            else:
                self._resume()

        self._persist(attempt)
        return self.run

    def follow(self, run: str) -> None:
        """Read the events of a run until it stops, from where this client is."""
        self.run = run
        self._persist(self._resume)

    def _resume(self) -> None:
        last = {"Last-Event-ID": self.events[-1].id} if self.events else {}
        self._read("GET", f"{self.run}/events", None, last)

    def _persist(self, attempt: Callable[[], Any]) -> Any:
        for _ in range(TRIES_MAX):
            known_deaths = self.server.died
            try:
                return attempt()
            except _BROKEN:
                self.server.revive(known_deaths)
        raise AssertionError(f"no answer in {TRIES_MAX} attempts")

    def _answer(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        with self._sent(method, path, body, headers or {}) as response:
            return json.loads(response.read())

    def _read(self, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
        """Take the events of one connection; raises one of _BROKEN without the final [DONE]."""
        with self._sent(method, path, body, headers) as response:
            for event in _events(response):
                self.events.append(event)
                if event.name == "thread.run.created":
                    self.run = f"/v1/threads/{event.data['thread_id']}/runs/{event.data['id']}"
                self.on_event(event)
                if event.name == "thread.run.requires_action" and method == "GET":
                    return  # the events of a run that waits for its client have no end yet

    @contextmanager
    def _sent(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port, timeout=SILENCE_SECONDS_MAX
        )
        known = {
            "Authorization": f"Bearer {self.server.key}",
            "OpenAI-Beta": "assistants=v2",
            "Content-Type": "application/json",
        }
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
        with closing(connection):
            connection.request(method, path, sent, {**known, **headers})
            with connection.getresponse() as response:
                if response.status != HTTPStatus.OK:
                    raise AssertionError((method, path, response.status, response.read()))
                yield response


def _events(response: http.client.HTTPResponse) -> Iterator[Event]:
    frame: dict[str, str] = {}
    while True:
        line = response.readline().decode()
        if not line:
            raise http.client.IncompleteRead(b"")
        if line == "\n":
            if frame.get("data") == "[DONE]":
                return
            if frame:
                yield Event(frame.get("id", ""), frame["event"], json.loads(frame["data"]))
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.rstrip("\n").partition(": ")
            frame[name] = value
