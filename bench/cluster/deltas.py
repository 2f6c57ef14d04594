"""How late a delta is that goes from the model through a worker, NATS and the API to its client.

Streams of 20 deltas a second, as many as make the wanted rate. Only the seconds count in which all
of them flow. The same load goes through the embedded server, and straight from the model,
so that the parts of the cluster, of the product and of the harness can be told apart. Then the
rate is raised, for the cluster and for the embedded server, until a delta in a hundred is late.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.cluster.cluster import HARNESS, Costs, fresh_cluster
from bench.connection import Answer
from bench.cost import cpu_seconds
from bench.figure import Figure, figure, percentile
from bench.lab import Lab
from bench.load import (
    QUESTION,
    close_all,
    connections_to,
    make_assistant,
    run_request,
    start_all,
    stream_run,
)
from bench.loop import run
from bench.script import Script
from bench.stamps import deltas, is_whole
from bench.target import Target
from bench.transcript import expect_plain

CASE = "cluster-deltas"
STREAM_RATE = 20
RATE = 3_000
STEP = 1.25
STEPS_MAX = 9
STARTS_PER_SECOND = 75
SETTLE_SECONDS = 1.0
WARM_UP = Script(deltas=20)
WARM_UP_RUNS = 100
P50_MS_MAX = 1.0
P99_MS_MAX = 5.0
HELD_P99_MS = 100.0
HELD_SHARE = 0.95
"""Of the wanted rate: less, and it was the model or the clients that could not follow."""
NOTE = (
    "from the model's write to the arrival at the client, in streams of 20 deltas a second; held ="
    " p99 below 100 ms and nothing lost"
)


@dataclass(frozen=True)
class Load:
    """Streams that start one after the other and then all flow for some seconds."""

    streams: int
    ramp_seconds: float
    seconds: float

    @property
    def rate(self) -> float:
        """Return the deltas a second of all together."""
        return self.streams * STREAM_RATE

    @property
    def script(self) -> Script:
        """Return what the model does in each of the streams."""
        seconds = self.ramp_seconds + SETTLE_SECONDS + self.seconds
        return Script(round(seconds * STREAM_RATE), rate_per_second=STREAM_RATE, stamped=True)


@dataclass(frozen=True)
class Flow:
    """What happened at one rate."""

    wanted: float
    per_second: float
    delays_ms: list[float]
    broken: int
    cpu_us: Mapping[str, float]
    """Of each part, per delta."""

    def late_ms(self, percent: float) -> float:
        """Return how late the delta was that this share of all was not later than."""
        return percentile(self.delays_ms, percent)

    @property
    def is_held(self) -> bool:
        """Return whether this rate can be lived with."""
        keeps_up = self.per_second >= HELD_SHARE * self.wanted
        return keeps_up and not self.broken and self.late_ms(99) < HELD_P99_MS


def measure(lab: Lab) -> list[Figure]:
    """Measure direct, embedded and cluster."""
    direct = run(_direct(lab))
    with lab.fresh_server() as server:
        embedded = run(_raised(lab, server.target, lambda: {"server": cpu_seconds(server.pid)}))
    with fresh_cluster(lab) as cluster, cluster.watched():
        through = run(_raised(lab, cluster.target, cluster.cpu_seconds))
    return _figures(direct, embedded, through)


async def _raised(lab: Lab, target: Target, costs: Costs) -> list[Flow]:
    """Raise the rate until it is not held any more; return all flows."""
    await _warm_up(target)
    return [flow async for flow in _rising(lab, target, costs)]


async def _rising(lab: Lab, target: Target, costs: Costs) -> AsyncIterator[Flow]:
    for step in range(STEPS_MAX):
        flow = await _through(lab, target, RATE * STEP**step, costs)
        yield flow
        if not flow.is_held:
            return


async def _warm_up(target: Target) -> None:
    assistant_id = await make_assistant(target, WARM_UP)
    connection = await target.connect()
    for _ in range(WARM_UP_RUNS):
        expect_plain(await stream_run(connection, target, assistant_id), WARM_UP.text)
    connection.close()


async def _through(lab: Lab, target: Target, rate: float, costs: Costs) -> Flow:
    load = _load(lab, rate)
    request = run_request(target, await make_assistant(target, load.script), stream=True)
    flow, answers = await _measured(target, request, load, costs)
    broken = sum(not is_whole(answer, load.script.deltas) for answer in answers)
    return replace(flow, broken=broken)


async def _direct(lab: Lab) -> Flow:
    """Measure the model and the clients alone."""
    load, target = _load(lab, RATE), lab.model.target
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": load.script.name, "stream": True, "messages": messages}
    request = target.request("POST", "/v1/chat/completions", body)
    flow, _ = await _measured(target, request, load, dict)
    return flow


def _load(lab: Lab, rate: float) -> Load:
    streams = round(rate / STREAM_RATE)
    return Load(streams, streams / STARTS_PER_SECOND, max(3.0, lab.scale.stream_seconds / 4))


async def _measured(
    target: Target, request: bytes, load: Load, costs: Costs
) -> tuple[Flow, list[Answer]]:
    """Send the request so many times, and look at the seconds in which all streams flow."""
    connections = await connections_to(target, load.streams)
    streaming = asyncio.create_task(start_all(connections, request, load.ramp_seconds))
    await asyncio.sleep(load.ramp_seconds + SETTLE_SECONDS)
    before, since_ns = costs(), time.monotonic_ns()
    await asyncio.sleep(load.seconds)
    after, until_ns = costs(), time.monotonic_ns()
    answers = await streaming
    close_all(connections)
    found = [delta for answer in answers for delta in deltas(answer)]
    delays = [delta.delay_ms for delta in found if since_ns <= delta.left_ns <= until_ns]
    if not delays:
        raise RuntimeError("no delta arrived")
    cpu_us = {part: (cpu - before[part]) * 1e6 / len(delays) for part, cpu in after.items()}
    per_second = len(delays) * 1e9 / (until_ns - since_ns)
    return Flow(load.rate, per_second, delays, 0, cpu_us), answers


def _figures(direct: Flow, embedded: Sequence[Flow], through: Sequence[Flow]) -> list[Figure]:
    first = through[0]
    broken = [sum(flow.broken for flow in through)]
    return [
        figure(CASE, "streams with anything lost", "", broken, 0, NOTE),
        figure(CASE, "at 3,000/s: p50", "ms", [first.late_ms(50)], P50_MS_MAX),
        figure(CASE, "at 3,000/s: p99", "ms", [first.late_ms(99)], P99_MS_MAX),
        figure(CASE, "at 3,000/s: embedded, p50", "ms", [embedded[0].late_ms(50)]),
        figure(CASE, "at 3,000/s: embedded, p99", "ms", [embedded[0].late_ms(99)]),
        figure(CASE, "at 3,000/s: model alone, p50", "ms", [direct.late_ms(50)]),
        figure(CASE, "at 3,000/s: model alone, p99", "ms", [direct.late_ms(99)]),
        *(
            figure(CASE, f"at 3,000/s: CPU, {part}", "µs/delta", [cpu])
            for part, cpu in first.cpu_us.items()
            if part != HARNESS
        ),
        figure(CASE, "highest rate held", "deltas/s", [_highest(through)]),
        figure(CASE, "highest rate held, embedded", "deltas/s", [_highest(embedded)]),
    ]


def _highest(flows: Sequence[Flow]) -> float:
    return max((flow.per_second for flow in flows if flow.is_held), default=0.0)
