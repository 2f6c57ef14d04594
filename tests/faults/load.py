"""The load: some conversations at once, each doing one job after the other until it is told to end.

The number of conversations bounds what is under way; a short rest between two jobs keeps the load
steady instead of as high as the machine can bear.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from random import Random
from typing import Any

from .client import STOPPED, Client, GaveUp, Json, Reader, Refused
from .jobs import Cast, Conversation, document, draw

REST_SECONDS_MAX = 0.3
JOBS_PER_THREAD = 4
INGESTION_SECONDS_MAX = 60
_PAGE = "order=asc&limit=100"
_FUNCTION = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
}


class Load:
    """Some conversations, and what is left of them at the end."""

    def __init__(self, client: Client, seed: int, size: int) -> None:
        self._client = client
        self._history = client.history
        self._seed = seed
        self._size = size
        self._conversations: list[Conversation] = []

    async def set_up(self) -> None:
        """Make the assistants and the vector store; nothing is broken yet."""
        store = await self._make_store()
        plain = await self._assistant()
        caller = await self._assistant(tools=[_FUNCTION])
        resources = {"file_search": {"vector_store_ids": [store]}}
        searcher = await self._assistant(tools=[{"type": "file_search"}], tool_resources=resources)
        coder = await self._assistant(tools=[{"type": "code_interpreter"}])
        cast = Cast(plain, caller, searcher, coder)
        self._conversations = [
            Conversation(self._client, cast, Random(f"{self._seed}/{number}"), f"c{number}")
            for number in range(self._size)
        ]

    async def _assistant(self, **given: Any) -> str:
        body = {"model": "m", "instructions": "Be brief.", **given}
        return str((await self._client.post("/v1/assistants", body))["id"])

    async def _make_store(self) -> str:
        body = {"file_ids": [await self._client.upload("pumps.txt", document("pump"))]}
        store = await self._client.post("/v1/vector_stores", body)
        async with asyncio.timeout(INGESTION_SECONDS_MAX):
            while store["status"] != "completed":
                await asyncio.sleep(REST_SECONDS_MAX)
                store = await self._client.get(f"/v1/vector_stores/{store['id']}")
        return str(store["id"])

    async def run(self, over: asyncio.Event) -> None:
        """Do jobs until it is over, and those that are under way to their end."""
        async with asyncio.TaskGroup() as group:
            for conversation in self._conversations:
                group.create_task(self._converse(conversation, over))
            group.create_task(self._look_on(over))

    async def _look_on(self, over: asyncio.Event) -> None:
        """List the runs of some thread now and then, as somebody who only looks."""
        rng = Random(self._seed)
        while not over.is_set():
            await asyncio.sleep(REST_SECONDS_MAX)
            threads = rng.choice(self._conversations).threads
            if threads:
                with contextlib.suppress(GaveUp):
                    await self._client.get(f"/v1/threads/{threads[-1]}/runs?{_PAGE}")

    async def _converse(self, here: Conversation, over: asyncio.Event) -> None:
        jobs = 0
        while not over.is_set():
            if jobs % JOBS_PER_THREAD == 0 or here.is_locked:
                await here.open_thread(here.new_job())
            await self._do(here)
            jobs += 1
            await asyncio.sleep(here.rng.uniform(0, REST_SECONDS_MAX))

    async def _do(self, here: Conversation) -> None:
        kind, job = draw(here.rng)
        label = here.new_job()
        self._history.note("job", job=label, kind=kind, thread=here.thread)
        try:
            run = await job(here, label)
        except (GaveUp, Refused, TimeoutError) as cause:
            self._history.note("gave_up", job=label, cause=repr(cause))
            here.is_locked = True  # nobody knows how it stands there
        else:
            self._history.note("job_over", job=label, run=run)

    async def read_all(self) -> None:
        """Write down what the API tells of every thread, when all is quiet again."""
        for here in self._conversations:
            for thread in here.threads:
                await self._read_thread(thread)
            for store, document_id in here.stores.items():
                await self._read_store(store, document_id)

    async def _read_thread(self, thread: str) -> None:
        path = f"/v1/threads/{thread}"
        messages = await self._list(f"{path}/messages")
        runs = await self._list(f"{path}/runs")
        steps = {run["id"]: await self._list(f"{path}/runs/{run['id']}/steps") for run in runs}
        self._history.note("final", thread=thread, messages=messages, runs=runs, steps=steps)
        for run in runs:
            if run["status"] in STOPPED:
                reader = Reader(self._client, f"final:{run['id']}", run["metadata"]["job"])
                reader.leaves = run["status"] == "requires_action"
                await reader.follow(f"{path}/runs/{run['id']}")

    async def _read_store(self, store: str, document_id: str) -> None:
        path = f"/v1/vector_stores/{store}"
        body = await self._client.get(path)
        files = await self._list(f"{path}/files")
        chunks = await self._client.get(f"{path}/files/{document_id}/chunks?limit=100")
        text = (await self._client.get(f"{path}/files/{document_id}/content"))["data"][0]["text"]
        found = dict(store=store, body=body, files=files, chunks=chunks["data"], text=text)
        self._history.note("final_store", **found)

    async def _list(self, path: str) -> Sequence[Json]:
        objects: list[Json] = []
        page = await self._client.get(f"{path}?{_PAGE}")
        objects += page["data"]
        while page["has_more"]:
            page = await self._client.get(f"{path}?{_PAGE}&after={objects[-1]['id']}")
            objects += page["data"]
        return objects
