"""A thousand streams at 20 tokens a second each, the server on one core, clients and model beside.

Every stream first waits several seconds for its first token: that is when the memory of a waiting
stream is read. Each delta carries the moment at which the model wrote it. The same load without
the server between says what the harness itself adds, because it shares one core with the model.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.connection import Answer, Connection
from bench.cost import cpu_seconds, memory
from bench.figure import Figure, figure, percentile
from bench.lab import Lab
from bench.load import (
    QUESTION,
    by_clients,
    close_all,
    connections_to,
    make_assistant,
    run_request,
    start_all,
    stream_run,
    until_open,
)
from bench.loop import run
from bench.process import Running, only_on
from bench.script import Script
from bench.stamps import delays_ms, is_whole
from bench.target import Target

RATE = 20
RAMP_SECONDS = 5
WAIT_MS = 9_000
DIRECT = Script(deltas=80, ttft_ms=2_000, rate_per_second=RATE, stamped=True)
DIRECT_RAMP_SECONDS = 1
WARM_UP_RUNS = 100
SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Phases:
    """What the server cost while its streams waited and while they flowed."""

    waiting_kib: float
    waiting_anonymous_kib: float
    flowing_cpu_seconds: float


def measure(lab: Lab) -> list[Figure]:
    """Measure the server on one core and everything else on the others."""
    server_core, others = _split_cores()
    with lab.fresh_server(server_core) as server, _aside(lab.model.pid, others):
        return run(_measure(lab, server))


def _split_cores() -> tuple[set[int] | None, set[int] | None]:
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


@contextmanager
def _aside(model_pid: int, cores: set[int] | None) -> Iterator[None]:
    """Keep the model and this process off the server's core."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(model_pid)
    os.sched_setaffinity(model_pid, cores)
    try:
        with only_on(cores):
            yield
    finally:
        os.sched_setaffinity(model_pid, before)


async def _measure(lab: Lab, server: Running) -> list[Figure]:
    count, deltas = lab.scale.streams, RATE * lab.scale.stream_seconds
    direct = await _direct(lab.model.target, count)
    script = Script(deltas=deltas, ttft_ms=WAIT_MS, rate_per_second=RATE, stamped=True)
    request = run_request(server.target, await make_assistant(server.target, script), stream=True)
    connections = await connections_to(server.target, count)
    await _warm_up(server.target, connections)
    before = memory(server.pid)
    streams = asyncio.create_task(start_all(connections, request, RAMP_SECONDS))
    await until_open(lab.model.target, count, streams)
    await asyncio.sleep(SETTLE_SECONDS)
    waiting, cpu = memory(server.pid), cpu_seconds(server.pid)
    answers = await streams
    close_all(connections)
    phases = Phases(
        (waiting.unique_kib - before.unique_kib) / count,
        (waiting.anonymous_kib - before.anonymous_kib) / count,
        cpu_seconds(server.pid) - cpu,
    )
    return _figures(answers, direct, phases, deltas, lab)


async def _direct(target: Target, count: int) -> list[Answer]:
    body = {
        "model": DIRECT.name,
        "stream": True,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    request = target.request("POST", "/v1/chat/completions", body)
    connections = await connections_to(target, count)
    answers = await start_all(connections, request, DIRECT_RAMP_SECONDS)
    close_all(connections)
    return answers


async def _warm_up(target: Target, connections: list[Connection]) -> None:
    """Let the server allocate what every server allocates."""
    assistant_id = await make_assistant(target, Script(deltas=20))
    await by_clients(
        connections[:16], WARM_UP_RUNS, lambda one: stream_run(one, target, assistant_id)
    )


def _figures(
    answers: list[Answer], direct: list[Answer], phases: Phases, deltas: int, lab: Lab
) -> list[Figure]:
    case, count = f"{len(answers):,} streams", len(answers)
    broken = sum(not is_whole(answer, deltas) for answer in answers)
    delays = [delay for answer in answers for delay in delays_ms(answer)]
    floor = [delay for answer in direct for delay in delays_ms(answer)]
    added = percentile(delays, 99) - percentile(floor, 99)
    note = (
        f"20 tokens/s each for {lab.scale.stream_seconds} s, server on one core, "
        "clients and model on the other; added = through the server less direct"
    )
    cpu = phases.flowing_cpu_seconds
    return [
        figure(case, "streams with anything lost", "", [broken], 0, note),
        figure(case, "added delay per delta, p99", "ms", [added], 100),
        figure(case, "delay per delta, p50", "ms", [percentile(delays, 50)]),
        figure(case, "delay per delta, p99", "ms", [percentile(delays, 99)]),
        figure(case, "delay per delta, largest", "ms", [max(delays)]),
        figure(case, "direct, p50", "ms", [percentile(floor, 50)]),
        figure(case, "direct, p99", "ms", [percentile(floor, 99)]),
        figure(case, "memory per waiting stream", "KiB", [phases.waiting_anonymous_kib], 100),
        figure(case, "the same with file pages", "KiB", [phases.waiting_kib]),
        figure(case, "server CPU per delta", "µs", [cpu * 1e6 / (count * deltas)]),
        figure(case, "core used while flowing", "%", [100 * cpu / lab.scale.stream_seconds]),
    ]
