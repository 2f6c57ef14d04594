"""A language model whose every word is spoken by the test, and the stage that it stands on."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from understudy.clock import ManualClock
from understudy.errors import UpstreamError
from understudy.upstream.base import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from understudy.upstream.catalogue import Catalogue, Entry

from .client import JSON, Client, Era, Stream
from .conftest import House

PATIENCE_SECONDS = 20
Spoken = Sequence[ModelEvent] | Exception


class ModelCall:
    """One call of the model, open until the test ends it."""

    def __init__(self, request: ModelRequest) -> None:
        self.request = request
        self.given_up = asyncio.Event()
        self.spoken: asyncio.Queue[Spoken] = asyncio.Queue()
        self._calls = 0

    def say(self, *pieces: str) -> None:
        """Write text, each piece a delta of its own."""
        for piece in pieces:
            self.spoken.put_nowait([TextDelta(piece)])

    def refuse(self, text: str) -> None:
        """Write a piece of a refusal."""
        self.spoken.put_nowait([RefusalDelta(text)])

    def call(self, call_id: str, name: str, *arguments: str) -> None:
        """Call a function, its arguments in these pieces."""
        index, self._calls = self._calls, self._calls + 1
        self.spoken.put_nowait([ToolCallDelta(index, call_id, name)])
        for piece in arguments:
            self.spoken.put_nowait([ToolCallDelta(index, arguments=piece)])

    def end(
        self, prompt_tokens: int = 10, completion_tokens: int = 5, reason: FinishReason = "stop"
    ) -> None:
        """End well, with this usage."""
        self.spoken.put_nowait([Usage(prompt_tokens, completion_tokens), Finished(reason)])

    def break_off(self, error: Exception | None = None) -> None:
        """End badly."""
        self.spoken.put_nowait(error or UpstreamError("The line is dead."))

    @property
    def read(self) -> list[tuple[str, object]]:
        """Return role and content of what the model was given to read."""
        return [(message["role"], message["content"]) for message in self.request.messages]

    async def has_been_given_up(self) -> None:
        """Wait until the engine has stopped listening."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.given_up.wait()


class Puppet:
    """An upstream that hands each of its calls to the test."""

    def __init__(self) -> None:
        self._calls: asyncio.Queue[ModelCall] = asyncio.Queue()

    async def called(self) -> ModelCall:
        """Wait for the next call of the model."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._calls.get()

    @property
    def is_idle(self) -> bool:
        """Return whether the test has taken every call there was."""
        return self._calls.empty()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Say what the test says; see the port."""
        call = ModelCall(msgspec.structs.replace(request, messages=[*request.messages]))
        self._calls.put_nowait(call)
        try:
            while True:
                spoken = await call.spoken.get()
                if isinstance(spoken, Exception):
                    raise spoken
                yield spoken
                if isinstance(spoken[-1], Finished):
                    return
        finally:
            call.given_up.set()

    async def models(self) -> Sequence[ModelInfo]:
        """Return the one name that it answers to."""
        return (ModelInfo("puppet", "test"),)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Stage:
    """A thread with one user message, and an assistant whose model is the puppet."""

    house: House
    client: Client
    puppet: Puppet
    assistant: JSON
    thread: JSON

    @property
    def path(self) -> str:
        """Return the path of the thread."""
        return f"/threads/{self.thread['id']}"

    def path_of(self, run: JSON) -> str:
        """Return the path of one of its runs."""
        return f"{self.path}/runs/{run['id']}"

    async def run(self, headers: Mapping[str, str] | None = None, **fields: Any) -> JSON:
        """Create a run."""
        body = {"assistant_id": self.assistant["id"], **fields}
        return await self.client.post(f"{self.path}/runs", body, headers=headers)

    async def begin(self, **fields: Any) -> tuple[JSON, ModelCall]:
        """Create a run and wait until the model has been called."""
        run = await self.run(**fields)
        return run, await self.puppet.called()

    async def calling(self, *names: str, **fields: Any) -> JSON:
        """Create a run and let it call these functions; return it in requires_action."""
        run, call = await self.begin(**fields)
        for name in names:
            call.call(f"call_{name}", name, "{}")
        call.end(reason="tool_calls")
        return await self.client.settled(run)

    async def see(self, run: JSON, client: Client | None = None) -> JSON:
        """Return the run as it is now."""
        return await (client or self.client).get(self.path_of(run))

    async def steps(self, run: JSON) -> list[JSON]:
        """Return the steps of a run, oldest first."""
        return await self.client.listed(f"{self.path_of(run)}/steps?order=asc&limit=100")

    async def messages(self) -> list[JSON]:
        """Return the messages of the thread, oldest first."""
        return await self.client.listed(f"{self.path}/messages?order=asc&limit=100")

    def opened(
        self, client: Client | None = None, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> AbstractAsyncContextManager[Stream]:
        """Create a run with a stream."""
        body = {"assistant_id": self.assistant["id"], "stream": True, **fields}
        return (client or self.client).streamed("POST", f"{self.path}/runs", body, headers)


def stop_clock(house: House) -> ManualClock:
    """Stop the server's clock at a full second, so that no run's time is cut by its fraction."""
    clock = ManualClock()
    vars(house.ports.clock)["now"] = clock.now
    return clock


async def on_stage(house: House, era: Era = "v2", **fields: Any) -> Stage:
    """Set up a puppet on the server, an assistant that uses it, and a thread that says Hello."""
    models = house.ports.models
    assert isinstance(models, Catalogue)
    puppet, client = Puppet(), house.client(era)
    models._listed["puppet"] = Entry(name="puppet", upstream=puppet, models=("puppet",))
    assistant = await client.assistant(model="puppet", **fields)
    return Stage(house, client, puppet, assistant, await client.thread("Hello"))


def texts(messages: list[JSON]) -> list[str]:
    """Return the first text of each message."""
    return [message["content"][0]["text"]["value"] for message in messages]
