"""A whole server without HTTP: real rows, a worker, a sweeper, and clients that follow runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from understudy.clock import Clock, SystemClock
from understudy.dispatch.base import Subscription
from understudy.dispatch.in_process import InProcessDispatch
from understudy.engine.duties import AllDuties
from understudy.engine.sweeper import Sweeper
from understudy.engine.toolbox import Tools
from understudy.engine.worker import Worker
from understudy.files.opening import files_from
from understudy.operations import assistants, messages, run_creation, run_steps, runs, threads
from understudy.operations.ports import Caller, Ports
from understudy.operations.run_creation import RunOptions
from understudy.operations.streams import follow
from understudy.retrieval.searching import Searching
from understudy.settings import Settings
from understudy.storage.records import RunRecord, Slice
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex
from understudy.storage.sqlite.store import SqliteStorage
from understudy.tools.base import HostedTool
from understudy.upstream.base import Models
from understudy.wire.deltas import TextContentDelta
from understudy.wire.events import BEGINNING, STOPPING, RunEvent
from understudy.wire.objects.messages import Message, Text, TextContent
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep
from understudy.wire.objects.tools import FunctionDefinition, FunctionTool
from understudy.wire.params.assistants import NewAssistant
from understudy.wire.params.messages import NewMessage
from understudy.wire.params.runs import NewRun, SubmittedOutputs, ToolOutput
from understudy.wire.params.threads import NewThread

from .puppet import BOUND

ME = Caller(project_id="proj_1", era="v2")
F = FunctionTool(FunctionDefinition(name="f"))
PATIENCE_SECONDS = 0.5
AS_HOSTED = RunOptions()


class Client:
    """Follows a run from its beginning to its end, like a stream that is never closed."""

    def __init__(
        self, stage: "Stage", thread_id: str, run_id: str, subscription: Subscription, *, new: bool
    ) -> None:
        self.run_id = run_id
        self.thread_id = thread_id
        self.events: list[RunEvent] = []
        self._stage = stage
        self._told = asyncio.Condition()
        self._task = asyncio.create_task(self._follow(subscription, new=new))

    async def _follow(self, subscription: Subscription, *, new: bool) -> None:
        batches = follow(
            self._stage.ports,
            ME,
            self.thread_id,
            self.run_id,
            subscription=subscription,
            after=BEGINNING,
            listening_since_after=new,
            until_over=True,
            patience_seconds=PATIENCE_SECONDS,
        )
        async for events in batches:
            async with self._told:
                self.events += events
                self._told.notify_all()

    @property
    def names(self) -> list[str]:
        """Return the names so far, repeated deltas as one, without the common prefix."""
        found: list[str] = []
        for event in self.events:
            name = event.name.removeprefix("thread.")
            if not (event.width and found and found[-1] == name):
                found.append(name)
        return found

    @property
    def text(self) -> str:
        """Return the text of all message deltas, joined."""
        deltas = (event.data for event in self.events if event.name == "thread.message.delta")
        parts = (part for one in deltas for part in one.delta.content)  # type: ignore[union-attr]
        return "".join(part.text.value for part in parts if isinstance(part, TextContentDelta))

    async def hears(self, name: str, *, times: int = 1) -> None:
        """Wait until an event of this name has come so often."""
        await self._until(lambda: self.names.count(name) >= times)

    async def reads(self, text: str) -> None:
        """Wait until the text has come."""
        await self._until(lambda: self.text == text)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._told, asyncio.timeout(BOUND):
            await self._told.wait_for(condition)

    async def stops(self, *, times: int = 1) -> Run:
        """Wait until the run waits for its client or is over, and return it."""
        await self._until(lambda: sum(e.name in STOPPING for e in self.events) >= times)
        return await self._stage.run(self)

    async def ends(self) -> None:
        """Wait until the server ends the stream."""
        await asyncio.wait_for(self._task, BOUND)

    async def leave(self) -> None:
        """Stop following."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Stage:
    """The ports and those who work on them."""

    def __init__(self, ports: Ports, tools: Tools) -> None:
        self.ports = ports
        self.tools = tools
        self.dispatch = ports.dispatch
        self.clients: list[Client] = []
        self.duties: list[asyncio.Task[None]] = []
        self.workers: list[Worker] = []
        self._assistant_id = ""
        self.sweeper = Sweeper(ports, AllDuties())

    def hire(self) -> Worker:
        """Let one more worker take offers."""
        worker = Worker(self.ports, self.tools)
        self.workers.append(worker)
        self.duties.append(asyncio.create_task(worker.take_offers()))
        return worker

    async def ask(self, text: str = "Hi", *, thread_id: str | None = None, **more: Any) -> Client:
        """Say something and ask for a run, on a new thread if none is named."""
        options = more.pop("options", AS_HOSTED)
        thread_id = thread_id or await self.thread()
        if not self._assistant_id:
            made = await assistants.create(self.ports, ME, NewAssistant(model="scripted"))
            self._assistant_id = made.id
        new = NewRun(
            assistant_id=self._assistant_id,
            additional_messages=[NewMessage(role="user", content=[TextContent(Text(text))])],
            stream=True,
            **more,
        )
        accepted = await run_creation.create(self.ports, ME, thread_id, new, options)
        assert accepted.subscription is not None
        return self._client(thread_id, accepted.row.id, accepted.subscription, new=True)

    async def watch(self, client: Client) -> Client:
        """Let somebody else follow the same run, from its beginning."""
        subscription = await self.dispatch.subscribe(client.run_id)
        return self._client(client.thread_id, client.run_id, subscription, new=False)

    def _client(
        self, thread_id: str, run_id: str, subscription: Subscription, *, new: bool
    ) -> Client:
        client = Client(self, thread_id, run_id, subscription, new=new)
        self.clients.append(client)
        return client

    async def thread(self) -> str:
        """Make an empty thread."""
        return (await threads.create(self.ports, ME, NewThread())).id

    async def run(self, client: Client) -> Run:
        """Return the run as clients see it."""
        row = await runs.get(self.ports, ME, client.thread_id, client.run_id)
        return msgspec.json.decode(row.body, type=Run)

    async def record(self, client: Client) -> RunRecord:
        """Return the run as workers see it."""
        record = await self.ports.storage.run_record(client.run_id)
        assert record is not None
        return record

    async def steps(self, client: Client) -> list[RunStep]:
        """Return the steps of the run, oldest first."""
        part = Slice(limit=100, order="asc")
        rows = await run_steps.list_page(self.ports, ME, client.thread_id, client.run_id, part)
        return [msgspec.json.decode(row.body, type=RunStep) for row in rows.rows]

    async def messages(self, client: Client) -> list[Message]:
        """Return the thread, oldest first."""
        part = Slice(limit=100, order="asc")
        rows = await messages.list_page(self.ports, ME, client.thread_id, part, None)
        return [msgspec.json.decode(row.body, type=Message) for row in rows.rows]

    async def answers(self, client: Client) -> list[str]:
        """Return the texts that runs have written in the thread."""
        written = [one for one in await self.messages(client) if one.role == "assistant"]
        return ["".join(plain(part) for part in one.content) for one in written]

    async def cancel(self, client: Client) -> Run:
        """Ask for the end."""
        row = await runs.cancel(self.ports, ME, client.thread_id, client.run_id)
        return msgspec.json.decode(row.body, type=Run)

    async def submit(self, client: Client, **outputs: str) -> None:
        """Send outputs."""
        sent = [ToolOutput(tool_call_id=call, output=text) for call, text in outputs.items()]
        new = SubmittedOutputs(tool_outputs=sent)
        await runs.submit_tool_outputs(self.ports, ME, client.thread_id, client.run_id, new)

    async def close(self) -> None:
        """Send everybody home."""
        for client in self.clients:
            await client.leave()
        for duty in self.duties:
            duty.cancel()
        await asyncio.gather(*self.duties, return_exceptions=True)
        for worker in self.workers:
            await worker.drain(0)
        await self.ports.models.close()
        await self.ports.dispatch.close()
        await self.ports.storage.close()


def plain(part: Any) -> str:
    """Return the text of a part."""
    return part.text.value if isinstance(part, TextContent) else ""


QUICK = {"sweep_seconds": 0.01, "idempotency_keep_seconds": 60}


@asynccontextmanager
async def staged(
    folder: Path,
    models: Models,
    *,
    clock: Clock | None = None,
    workers: int = 1,
    tools: Sequence[HostedTool] = (),
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Open a stage in the folder."""
    storage = SqliteStorage(folder / "understudy.db")
    chunks = SqliteChunkIndex(folder / "indexes")
    ports = Ports(
        storage=storage,
        chunks=chunks,
        searching=Searching(storage, chunks),
        embedder=None,
        dispatch=InProcessDispatch(),
        files=files_from("memory://"),
        models=models,
        clock=clock or SystemClock(),
        settings=Settings(data_dir=folder, **{**QUICK, **settings}),
    )
    stage = Stage(ports, {one.type: one for one in tools})
    for _ in range(workers):
        stage.hire()
    try:
        yield stage
    finally:
        await stage.close()
