"""Runs a second with 1, 2 and 4 workers, when the model's 200 ms decide and not the CPU.

Each worker may have few runs at a time, so that its share of the work is known: as many runs as
that, every 200 ms and a little. Twice as many clients as there are places keep the queue filled.
"""

import time
from dataclasses import dataclass

from bench.cluster.cluster import Cluster, fresh_cluster
from bench.connection import Answer, Connection
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.load import by_clients, close_all, connections_to, make_assistant, stream_run
from bench.loop import run
from bench.machine import busy_seconds
from bench.script import Script
from bench.transcript import expect_plain

CASE = "cluster-scaling"
WORKERS = (1, 2, 4)
LEGS_MAX = 8
SETTINGS = {
    "UNDERSTUDY_LEGS_MAX": str(LEGS_MAX),
    "UNDERSTUDY_PROJECT_LEGS_MAX": str(LEGS_MAX),
}
SCRIPT = Script(deltas=1, ttft_ms=200)
RUNS_PER_SECOND_MAX = LEGS_MAX * 1000 / SCRIPT.ttft_ms
"""Of one worker that needs no time of its own."""
SHORTFALL_PERCENT_MAX = 15
NOTE = (
    f"a model that takes 200 ms, {LEGS_MAX} runs at a time in each worker; short of linear ="
    " against so many times the rate of one worker"
)


@dataclass(frozen=True)
class Throughput:
    """What so many workers did."""

    workers: int
    runs_per_second: float
    cores_used: float


def measure(lab: Lab) -> list[Figure]:
    """Measure the same cluster while workers join it."""
    with fresh_cluster(lab, workers=0, settings=SETTINGS) as cluster:
        measured = [_with_workers(lab, cluster, workers) for workers in WORKERS]
    return [one for throughput in measured for one in _figures(throughput, measured[0])]


def _with_workers(lab: Lab, cluster: Cluster, workers: int) -> Throughput:
    while len(cluster.workers) < workers:
        cluster.add_worker()
    return run(_measure(lab, cluster, workers))


async def _measure(lab: Lab, cluster: Cluster, workers: int) -> Throughput:
    assistant_id = await make_assistant(cluster.target, SCRIPT)
    connections = await connections_to(cluster.target, 2 * LEGS_MAX * workers)
    seconds = max(3.0, lab.scale.stream_seconds / 4)
    count = round(RUNS_PER_SECOND_MAX * workers * seconds)
    ended_at: list[float] = []

    async def once(connection: Connection) -> Answer:
        answer = await stream_run(connection, cluster.target, assistant_id)
        ended_at.append(time.monotonic())
        return answer

    busy, began = busy_seconds(), time.monotonic()
    answers = await by_clients(connections, count, once)
    cores = (busy_seconds() - busy) / (time.monotonic() - began)
    close_all(connections)
    for answer in answers:
        expect_plain(answer, SCRIPT.text)
    return Throughput(workers, _steady_rate(ended_at), cores)


def _steady_rate(ended_at: list[float]) -> float:
    """Return the runs a second of the time when all places were taken."""
    first, last = len(ended_at) // 10, len(ended_at) * 9 // 10
    return (last - first) / (ended_at[last] - ended_at[first])


def _figures(measured: Throughput, one: Throughput) -> list[Figure]:
    name = f"{measured.workers} worker{'s' * (measured.workers > 1)}"
    rate = figure(CASE, f"{name}: rate", "runs/s", [measured.runs_per_second], note=NOTE)
    cores = figure(CASE, f"{name}: cores used, by all", "", [measured.cores_used])
    if measured.workers == one.workers:
        return [rate, cores]
    linear = one.runs_per_second * measured.workers / one.workers
    short = 100 * (1 - measured.runs_per_second / linear)
    name = f"{name}: short of linear"
    return [rate, figure(CASE, name, "%", [short], SHORTFALL_PERCENT_MAX), cores]
