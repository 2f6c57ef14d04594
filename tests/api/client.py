"""A small client: one era, one key, real HTTP; it shows exactly what came back."""

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from yarl import URL

Era = Literal["v1", "v2"]
JSON = dict[str, Any]
NOTHING = b""
SECONDS_MAX = 30


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the decoded body; objects keep the order of their keys."""
        return json.loads(self.body)

    @property
    def error(self) -> "Error":
        """Return the error; the envelope must hold all four keys and nothing else (ERR-01)."""
        assert self.headers["Content-Type"] == "application/json"
        told = self.json
        assert list(told) == ["error"], told
        assert list(told["error"]) == ["message", "type", "param", "code"], told
        return Error(self.status, **told["error"])


@dataclass(frozen=True)
class Error:
    """What a refused request was told."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Event:
    """One server-sent event; ``data`` is decoded JSON, or the text ``[DONE]``."""

    name: str
    id: str | None
    data: Any


@dataclass
class Stream:
    """A response that is read event by event."""

    status: int
    headers: Mapping[str, str]
    response: aiohttp.ClientResponse
    comments: list[str] = field(default_factory=list)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield events as they arrive, until the server closes the stream."""
        fields: dict[str, str] = {}
        async for raw in self.response.content:
            line = raw.decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                fields[name] = value
            elif fields:
                yield _event(fields)
                fields = {}
        assert not fields, "the stream broke off inside an event"

    async def until(self, name: str) -> list[Event]:
        """Read up to the first event of that name, and return all that were read."""
        seen: list[Event] = []
        async for event in self:
            seen.append(event)
            if event.name == name:
                return seen
        raise AssertionError(f"no {name} among {[event.name for event in seen]}")


def _event(fields: dict[str, str]) -> Event:
    assert set(fields) <= {"event", "id", "data"}, fields
    text = fields["data"]
    data = text if text == "[DONE]" else json.loads(text)
    return Event(fields["event"], fields.get("id"), data)


@dataclass(frozen=True)
class Client:
    """Talks to one server in one era with one key; ``headers`` are added to every request."""

    root: str
    session: aiohttp.ClientSession
    key: str | None
    era: Era | None = "v2"
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(
        self,
        method: str,
        path: str,
        body: object = NOTHING,
        *,
        headers: Mapping[str, str] | None = None,
        prefix: str = "/v1",
    ) -> Answer:
        """Send a request and return whatever comes back; bytes go as they are, all else as JSON."""
        async with self._asked(method, prefix + path, body, headers or {}) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **options: Any) -> JSON:
        """Get an object or a list."""
        return await self._succeed("GET", path, **options)

    async def post(self, path: str, body: object = NOTHING, **options: Any) -> JSON:
        """Post a body and return the object."""
        return await self._succeed("POST", path, body, **options)

    async def delete(self, path: str, **options: Any) -> JSON:
        """Delete an object and return what the server says to it."""
        return await self._succeed("DELETE", path, **options)

    async def refused(
        self, method: str, path: str, body: object = NOTHING, **options: Any
    ) -> Error:
        """Send a request that must be refused, and return the error."""
        answer = await self.send(method, path, body, **options)
        assert answer.status >= 400, f"{method} {path}: {answer.status} {answer.body!r}"
        return answer.error

    @asynccontextmanager
    async def streamed(
        self,
        method: str,
        path: str,
        body: object = NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Stream]:
        """Open a stream; leaving the block hangs up."""
        async with self._asked(method, "/v1" + path, body, headers or {}) as response:
            yield Stream(response.status, response.headers, response)

    async def events(self, path: str, body: JSON, method: str = "POST") -> list[Event]:
        """Post a body with ``stream`` and return all events of the stream."""
        sent = {**body, "stream": True} if method == "POST" else NOTHING
        async with self.streamed(method, path, sent) as stream:
            assert stream.status == 200, await stream.response.read()
            return [event async for event in stream]

    async def assistant(self, **fields: Any) -> JSON:
        """Create an assistant of the scripted model."""
        return await self.post("/assistants", {"model": "scripted", **fields})

    async def thread(self, *texts: str, **fields: Any) -> JSON:
        """Create a thread with user messages."""
        messages = [{"role": "user", "content": text} for text in texts]
        return await self.post("/threads", {"messages": messages, **fields})

    async def say(self, thread_id: str, text: str, **fields: Any) -> JSON:
        """Add a user message to a thread."""
        message = {"role": "user", "content": text, **fields}
        return await self.post(f"/threads/{thread_id}/messages", message)

    async def run(self, thread_id: str, assistant_id: str, **fields: Any) -> JSON:
        """Create a run."""
        return await self.post(
            f"/threads/{thread_id}/runs", {"assistant_id": assistant_id, **fields}
        )

    async def settled(self, run: JSON) -> JSON:
        """Return the run when it wants tool outputs or is over."""
        path = f"/threads/{run['thread_id']}/runs/{run['id']}?wait=30"
        settled = await self.get(path)
        assert settled["status"] not in {"queued", "in_progress", "cancelling"}, settled
        return settled

    async def turn(self, text: str, **fields: Any) -> JSON:
        """Ask a new assistant in a new thread, and return the run when it has settled."""
        assistant, thread = await self.assistant(), await self.thread(text)
        return await self.settled(await self.run(thread["id"], assistant["id"], **fields))

    async def listed(self, path: str) -> list[JSON]:
        """Return all items of a list that fits on one page."""
        page = await self.get(path)
        assert page["has_more"] is False
        return list(page["data"])

    async def upload(
        self, content: bytes = b"hello", filename: str = "notes.txt", **fields: str
    ) -> JSON:
        """Upload a file, for assistants unless told otherwise."""
        answer = await self.send_form(content, filename, **{"purpose": "assistants", **fields})
        assert answer.status == 200, answer.body
        uploaded: JSON = answer.json
        return uploaded

    async def send_form(
        self, content: bytes | None, filename: str = "notes.txt", **fields: str
    ) -> Answer:
        """Send a form with text fields and then a file, unless ``content`` is None."""
        form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        if content is not None:
            form.add_field("file", io.BytesIO(content), filename=filename)
        async with self.session.post(
            f"{self.root}/v1/files", data=form, headers=self._headers(None, {})
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def _succeed(
        self, method: str, path: str, body: object = NOTHING, **options: Any
    ) -> JSON:
        answer = await self.send(method, path, body, **options)
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.body!r}"
        decoded: JSON = answer.json
        return decoded

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, body: object, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        content_type = "application/json" if data else None
        async with self.session.request(
            method,
            URL(self.root + path, encoded=True),
            data=io.BytesIO(data) if data else None,
            headers=self._headers(content_type, headers),
            skip_auto_headers=["Content-Type"],
        ) as response:
            yield response

    def _headers(self, content_type: str | None, more: Mapping[str, str]) -> dict[str, str]:
        headers = {**self.headers, **more}
        if content_type:
            headers.setdefault("Content-Type", content_type)
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        if self.era is not None:
            headers.setdefault("OpenAI-Beta", f"assistants={self.era}")
        return headers
