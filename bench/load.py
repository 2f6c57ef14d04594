"""Clients that create runs and follow them to their end, by stream or by polling."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Literal, TypeVar

from bench.connection import Answer, Connection
from bench.script import TOOL_NAME, Script
from bench.target import Target

Follow = Literal["streaming", "polling"]
T = TypeVar("T")

POLLS_MAX = 2000
ACTIVE = ("queued", "in_progress", "cancelling")
REACHED_SECONDS_MAX = 30
QUESTION = "What is the weather in Bern, and what should I wear?"

_FUNCTION = {
    "name": TOOL_NAME,
    "description": "Look the weather of a city up.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@dataclass(frozen=True)
class Polled:
    """A run as the last poll saw it, and when that was."""

    run: dict[str, Any]
    polls: int
    took_ns: int


async def make_assistant(target: Target, script: Script) -> str:
    """Create an assistant on the bench's model and return its id."""
    tools = [{"type": "function", "function": _FUNCTION}] if script.calls_tool else []
    body = {"model": script.name, "instructions": "Be brief.", "tools": tools}
    answer = await target.ask("POST", "/v1/assistants", body)
    assistant_id: str = answer.json()["id"]
    return assistant_id


def run_request(target: Target, assistant_id: str, *, stream: bool) -> bytes:
    """Return the request that creates a thread with one message and runs it."""
    messages = [{"role": "user", "content": QUESTION}]
    body = {"assistant_id": assistant_id, "thread": {"messages": messages}, "stream": stream}
    return target.request("POST", "/v1/threads/runs", body)


async def stream_run(connection: Connection, target: Target, assistant_id: str) -> Answer:
    """Create a run and return its whole event stream."""
    return await connection.request(run_request(target, assistant_id, stream=True))


async def poll_run(connection: Connection, target: Target, assistant_id: str) -> Polled:
    """Create a run and poll it until it stops being active, as the SDKs' polling helpers do.

    They ask once at once, and then sleep as long as the last answer suggested.
    """
    started_ns = time.monotonic_ns()
    created = await connection.request(run_request(target, assistant_id, stream=False))
    run = created.json()
    request = target.request("GET", f"/v1/threads/{run['thread_id']}/runs/{run['id']}")
    for polls in range(1, POLLS_MAX + 1):
        answer = await connection.request(request)
        run = answer.json()
        if run["status"] not in ACTIVE:
            return Polled(run, polls, time.monotonic_ns() - started_ns)
        await asyncio.sleep(float(answer.header("openai-poll-after-ms") or 1000) / 1000)
    raise RuntimeError(f"run {run['id']} is still {run['status']}")


async def by_clients(
    connections: Sequence[Connection], count: int, once: Callable[[Connection], Awaitable[T]]
) -> list[T]:
    """Do the same ``count`` times, each connection taking the next when it is free."""
    remaining = iter(range(count))
    results: list[T] = []

    async def client(connection: Connection) -> None:
        for _ in remaining:
            results.append(await once(connection))  # noqa: PERF401 -- order of arrival

    await asyncio.gather(*(client(connection) for connection in connections))
    return results


async def at_rate(
    connections: Sequence[Connection],
    per_second: float,
    count: int,
    once: Callable[[Connection], Awaitable[T]],
) -> list[T]:
    """Do the same ``count`` times at random moments, so many a second, however long each takes.

    Whoever comes while all connections are taken has to wait, so there should be many of them.
    """
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)

    async def arrival(after_seconds: float) -> T:
        await asyncio.sleep(after_seconds)
        connection = await free.get()
        try:
            return await once(connection)
        finally:
            free.put_nowait(connection)

    gaps = Random(7)
    moments = accumulate(gaps.expovariate(per_second) for _ in range(count))
    return await asyncio.gather(*map(arrival, moments))


async def start_all(
    connections: Sequence[Connection], request: bytes, ramp_seconds: float
) -> list[Answer]:
    """Send the request on every connection, spread over the ramp; return all answers."""
    gap = ramp_seconds / len(connections)

    async def one(index: int, connection: Connection) -> Answer:
        await asyncio.sleep(index * gap)
        return await connection.request(request)

    return await asyncio.gather(*(one(*numbered) for numbered in enumerate(connections)))


async def until_open(model: Target, count: int, streams: "asyncio.Task[list[Answer]]") -> None:
    """Wait until the model has so many streams open, or they have ended already."""
    for _ in range(REACHED_SECONDS_MAX * 10):
        stats = (await model.ask("GET", "/stats")).json()
        if stats["open"] >= count or streams.done():
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"only {stats['open']} of {count} streams reached the model")


async def connections_to(target: Target, count: int) -> list[Connection]:
    """Open connections, a few at a time, so that no backlog overflows."""
    opened: list[Connection] = []
    while len(opened) < count:
        batch = min(50, count - len(opened))
        opened += await asyncio.gather(*(target.connect() for _ in range(batch)))
    return opened


def close_all(connections: Sequence[Connection]) -> None:
    """Close connections."""
    for connection in connections:
        connection.close()
