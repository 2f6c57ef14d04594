"""A client that does not give up: what got no answer is asked again, what broke off is resumed.

It goes round the API processes, so that a request that one of them took with it is repeated at
another one under the same key, and a stream goes on there after the last id that was seen.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp

from .history import History

Json = dict[str, Any]
T = TypeVar("T")

ANSWER_SECONDS_MAX = 6.0
SILENCE_SECONDS_MAX = 3.0  # the servers say every second that they live
PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 1.0
STOPPED = ("requires_action", "completed", "incomplete", "failed", "cancelled", "expired")
_BUSY = 429
_BROKEN = (aiohttp.ClientError, TimeoutError, ConnectionError)


class Broke(Exception):
    """Nobody knows what became of the request."""


class Refused(Exception):
    """The server has answered, and the answer is no."""


class GaveUp(Exception):
    """There was no answer in all the time that this client has."""


@dataclass
class Client:
    """Speaks to the API processes in turn and writes down all that is said."""

    history: History
    session: aiohttp.ClientSession
    apis: Mapping[str, str]
    patience_seconds: float
    _turns: "itertools.cycle[str]" = field(init=False)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.apis)
        self._api = next(self._turns)

    async def get(self, path: str, job: str | None = None) -> Any:
        """Return the object."""
        return await self.persist(lambda: self._answer("GET", path, None, {}, job))

    async def post(self, path: str, body: Json, job: str | None = None, **headers: str) -> Any:
        """Return the answer to a POST, which may have been sent several times under one key."""
        headers = {"Idempotency-Key": uuid4().hex, **headers}
        return await self.persist(lambda: self._answer("POST", path, body, headers, job))

    async def upload(self, name: str, content: str, job: str | None = None) -> str:
        """Upload a file and return its id; when an answer is lost, there will be another one."""

        async def attempt() -> Any:
            form = aiohttp.FormData({"purpose": "assistants"})
            form.add_field("file", content, filename=name)
            ask = self._note_ask("POST", "/v1/files", None, {}, job)
            try:
                async with self._sent("POST", "/v1/files", form, {}) as response:
                    return await self.judge(ask, response)
            except _BROKEN as cause:
                raise self.broke(ask, cause) from cause

        return str((await self.persist(attempt))["id"])

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what an attempt returns, at the next process after each that broke."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self.patience_seconds, PAUSE_SECONDS
        while True:
            try:
                return await attempt()
            except Broke as cause:
                if loop.time() > end:
                    raise GaveUp(str(cause)) from cause
                self._api = next(self._turns)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, PAUSE_SECONDS_MAX)

    async def _answer(
        self, method: str, path: str, body: Json | None, headers: Mapping[str, str], job: str | None
    ) -> Any:
        ask = self._note_ask(method, path, body, headers, job)
        try:
            async with self._sent(method, path, body, headers) as response:
                return await self.judge(ask, response)
        except _BROKEN as cause:
            raise self.broke(ask, cause) from cause

    def _note_ask(
        self, method: str, path: str, body: Json | None, headers: Mapping[str, str], job: str | None
    ) -> int:
        ask = self.history.new_number()
        others = dict(headers)
        key = others.pop("Idempotency-Key", None)
        said = dict(job=job, api=self._api, method=method, path=path, body=body, key=key)
        said["headers"] = others
        self.history.note("asked", ask=ask, **said)
        return ask

    def _sent(
        self,
        method: str,
        path: str,
        body: Json | aiohttp.FormData | None,
        headers: Mapping[str, str],
        **limits: float,
    ) -> Any:
        timeout = aiohttp.ClientTimeout(**(limits or {"total": ANSWER_SECONDS_MAX}))
        content: Any = {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
        url = self.apis[self._api] + path
        return self.session.request(method, url, headers=headers, timeout=timeout, **content)

    async def judge(self, ask: int, response: aiohttp.ClientResponse) -> Any:
        """Return a good answer's body; raises Refused, or Broke when another try may help."""
        try:
            body = await response.json(content_type=None)
        except ValueError:
            body = None
        self.history.note("answered", ask=ask, status=response.status, body=body)
        if response.status >= _BUSY:
            raise Broke(f"status {response.status}")
        if not response.ok:
            raise Refused(str(body))
        return body

    def broke(self, ask: int, cause: BaseException) -> Broke:
        """Note that there will be no answer, and return what to raise."""
        self.history.note("unanswered", ask=ask, cause=repr(cause))
        return Broke(repr(cause))

    def streaming(
        self, method: str, path: str, body: Json | None, headers: Mapping[str, str], job: str | None
    ) -> tuple[int, Any]:
        """Send a request whose answer is a stream; return its number and the open answer."""
        ask = self._note_ask(method, path, body, headers, job)
        return ask, self._sent(method, path, body, headers, sock_read=SILENCE_SECONDS_MAX)


@dataclass(frozen=True)
class Event:
    """An event as it came."""

    id: str | None
    name: str
    data: Any


OnEvent = Callable[[Event], Awaitable[None]]


@dataclass
class Reader:
    """Follows one run through as many connections as it takes."""

    client: Client
    label: str
    job: str
    run: str = ""
    """The path of the run, once it is known."""
    status: str = ""
    on_event: OnEvent | None = None
    leaves: bool = True
    """Whether to hang up on a run that waits for its client: its events have no end yet."""
    _last: str | None = None
    _seen: int = 0

    async def post(self, path: str, body: Json, **headers: str) -> None:
        """Send a POST that streams, and read on until the run stops."""
        headers = {"Idempotency-Key": uuid4().hex, **headers}
        seen = self._seen

        async def attempt() -> None:
            if self._seen == seen:
                await self._read("POST", path, {**body, "stream": True}, headers)
            else:
                await self._resume()

        await self.client.persist(attempt)

    async def follow(self, run: str) -> None:
        """Read the events of this run until it stops, from where this reader is."""
        self.run = run
        await self.client.persist(self._resume)

    async def _resume(self) -> None:
        after = {"Last-Event-ID": self._last} if self._last else {}
        await self._read("GET", f"{self.run}/events", None, after)

    async def _read(
        self, method: str, path: str, body: Json | None, headers: Mapping[str, str]
    ) -> None:
        ask, sent = self.client.streaming(method, path, body, headers, self.job)
        how = ""
        try:
            async with sent as response:
                if not response.ok:
                    await self.client.judge(ask, response)
                self._note("opened", ask, ask=ask, after=headers.get("Last-Event-ID"))
                how = "broken"
                how = await self._take_all(ask, response, leaves=self.leaves and method == "GET")
        except _BROKEN as cause:
            if not how:
                raise self.client.broke(ask, cause) from cause
        finally:
            if how:
                self._note("closed", ask, how=how)
        if how == "broken":
            raise Broke("the stream broke off")

    async def _take_all(
        self, connection: int, response: aiohttp.ClientResponse, *, leaves: bool
    ) -> str:
        """Take the events of one connection; return how it ended."""
        async for event in _events(response):
            if event.name == "done":
                return "done"
            await self._take(connection, event)
            if event.name == "error":
                return "broken"
            if leaves and event.name == "thread.run.requires_action":
                return "left"
        return "broken"

    async def _take(self, connection: int, event: Event) -> None:
        self._note("event", connection, id=event.id, name=event.name, data=event.data)
        self._seen += event.name != "error"
        self._last = event.id or self._last
        if event.name == "thread.run.created":
            self.run = f"/v1/threads/{event.data['thread_id']}/runs/{event.data['id']}"
        if event.data.get("object") == "thread.run":
            self.status = event.data["status"]
        if self.on_event is not None:
            await self.on_event(event)

    def _note(self, what: str, connection: int, **fields: Any) -> None:
        self.client.history.note(what, reader=self.label, connection=connection, **fields)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    frame: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode()
        if not line.endswith("\n"):
            return  # cut off in the middle of a line: what is not whole was not said
        if line == "\n":
            if frame.get("data") == "[DONE]":
                yield Event(None, "done", {})
            elif frame:
                yield Event(frame.get("id"), frame["event"], json.loads(frame["data"]))
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.rstrip("\n").partition(": ")
            frame[name] = value
