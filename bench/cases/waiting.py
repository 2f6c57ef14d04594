"""Runs that wait for tool outputs: what they cost in memory, handles and idle CPU.

The runs are made through the API, by a model that calls a function. Memory is read after each of
several equal batches; a parked task would cost several KiB a run, so growth far below one KiB a
run says that there is none. The promise allows 0.1 KiB a run, since caches of the server and of
the database still grow: 10 MiB for 100,000 runs.
"""

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import psutil

from bench.connection import Answer, Connection
from bench.cost import cpu_seconds, memory
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.load import by_clients, close_all, connections_to, make_assistant, stream_run
from bench.loop import run
from bench.process import Running
from bench.script import Script
from bench.target import Target
from bench.transcript import events, events_named, expect_function_call, expect_order

CLIENTS = 16
BATCHES = 4
SETTLE_SECONDS = 1.5
WARM_UP_RUNS_MIN = 3_000
"""Enough to fill the caches of the database, which else look like a cost of the runs."""
IDLE_SECONDS = 5
CHECK_EVERY = 50
KIB_PER_RUN_MAX = 0.1

AFTER_SUBMIT = events_named(
    "thread.run.step.completed thread.run.queued thread.run.in_progress "
    "thread.run.step.created thread.run.step.in_progress thread.message.created "
    "thread.message.in_progress thread.message.delta thread.message.completed "
    "thread.run.step.completed thread.run.completed done"
)
"""STR-06, consecutive deltas counted once."""


@dataclass(frozen=True)
class Snapshot:
    """The server at rest."""

    anonymous_kib: float
    handles: int
    threads: int


def measure(lab: Lab) -> list[Figure]:
    """Park the runs in batches and look at the server after each."""
    with lab.fresh_server() as server:
        return run(_measure(lab, server))


async def _measure(lab: Lab, server: Running) -> list[Figure]:
    assistant_id = await make_assistant(server.target, Script(calls_tool=True))
    batch = lab.scale.waiting_runs // BATCHES
    await _park(server.target, assistant_id, max(WARM_UP_RUNS_MIN, batch // 2))
    idle_before = await _idle_percent(server.pid)
    snapshots, last = [await _snapshot(server.pid)], []
    for _ in range(BATCHES):
        last = await _park(server.target, assistant_id, batch)
        snapshots.append(await _snapshot(server.pid))
    idle_after = await _idle_percent(server.pid)
    at_rest = await _snapshot(server.pid)
    for answer in last[:20]:
        await _finish(server.target, answer)
    return _figures([*snapshots[:-1], at_rest], batch, idle_before, idle_after)


async def _park(target: Target, assistant_id: str, count: int) -> list[Answer]:
    """Make runs that stop at a function call; return some of their streams."""
    kept: list[Answer] = []

    async def once(connection: Connection) -> None:
        answer = await stream_run(connection, target, assistant_id)
        if b"event: thread.run.requires_action" not in answer.raw:
            raise RuntimeError(f"a run did not stop at its call: {answer.raw[-600:]!r}")
        if len(kept) < CHECK_EVERY:
            kept.append(answer)

    connections = await connections_to(target, CLIENTS)
    await by_clients(connections, count, once)
    close_all(connections)
    for answer in kept:
        expect_function_call(answer)
    return kept


async def _finish(target: Target, answer: Answer) -> None:
    """Submit the outputs of a parked run and expect it to complete."""
    waiting = events(answer)[-2].json()
    calls = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {"tool_outputs": [{"tool_call_id": calls[0]["id"], "output": "9 °C"}], "stream": True}
    path = f"/v1/threads/{waiting['thread_id']}/runs/{waiting['id']}/submit_tool_outputs"
    expect_order(events(await target.ask("POST", path, body)), AFTER_SUBMIT)


async def _snapshot(pid: int) -> Snapshot:
    await asyncio.sleep(SETTLE_SECONDS)
    process = psutil.Process(pid)
    return Snapshot(memory(pid).anonymous_kib, process.num_fds(), process.num_threads())


async def _idle_percent(pid: int) -> float:
    before = cpu_seconds(pid)
    await asyncio.sleep(IDLE_SECONDS)
    return 100 * (cpu_seconds(pid) - before) / IDLE_SECONDS


def _figures(
    snapshots: list[Snapshot], batch: int, idle_before: float, idle_after: float
) -> list[Figure]:
    case, total = f"{batch * BATCHES:,} waiting runs", batch * BATCHES
    steps = pairwise(snapshots)
    growth = [(after.anonymous_kib - before.anonymous_kib) / batch for before, after in steps]
    first, last = snapshots[0], snapshots[-1]
    return [
        figure(case, "memory per run, per batch", "KiB", growth, KIB_PER_RUN_MAX),
        figure(case, "at this rate, 100,000 runs", "MiB", [median(growth) * 100_000 / 1024]),
        figure(case, "file handles per run", "", [(last.handles - first.handles) / total], 0.01),
        figure(case, "threads more", "", [last.threads - first.threads], 0),
        figure(case, "idle CPU, before", "%", [idle_before]),
        figure(case, "idle CPU, with the runs waiting", "%", [idle_after]),
    ]
