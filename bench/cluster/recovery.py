"""A worker is killed while it streams: how long until its clients are told something new.

The model says the same again when it is asked again, and a client is told only what it has not
heard; the worker is therefore killed soon after its streams have begun, since what the model
repeats is time too. Which streams were the killed worker's is seen by their pause.
"""

import asyncio
import re
from collections.abc import Sequence
from itertools import pairwise

from bench.cluster.cluster import Cluster, fresh_cluster
from bench.connection import Answer
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.load import (
    close_all,
    connections_to,
    make_assistant,
    run_request,
    start_all,
    until_open,
)
from bench.loop import run
from bench.script import Script
from bench.transcript import expect_plain

CASE = "cluster-recovery"
LEASE_SECONDS = 8
"""About half of what it is by default, but longer than it takes to take over the sweeping."""
SETTINGS = {"UNDERSTUDY_LEASE_SECONDS": str(LEASE_SECONDS)}
ROUNDS_MAX = 5
STREAMS = 16
SCRIPT = Script(deltas=100, rate_per_second=50)
START_SECONDS = 0.1
KILLED_AFTER_SECONDS = 0.1
PAUSE_NS = 1_000_000_000
"""A longer time without an event is no coincidence: an event comes every 20 ms."""
NOTE = (
    f"from SIGKILL to the run's next event at its client; leases of {LEASE_SECONDS} s, and the"
    " allowed second is the sweeper's"
)

_EVENT = re.compile(rb"event: ")


def measure(lab: Lab) -> list[Figure]:
    """Kill one of two workers in each round, and start another in its place."""
    with fresh_cluster(lab, settings=SETTINGS) as cluster:
        rounds = [run(_round(lab, cluster)) for _ in range(min(ROUNDS_MAX, lab.scale.rounds))]
    seconds = [second for one in rounds for second in one]
    worst, limit = max(seconds), LEASE_SECONDS + 1
    return [
        figure(CASE, "until the next event, median", "s", seconds, limit, NOTE),
        figure(CASE, "until the next event, worst", "s", [worst], limit),
        figure(CASE, "beyond the lease, worst", "s", [max(0.0, worst - LEASE_SECONDS)], 1),
        figure(CASE, "runs recovered", "", [len(seconds)]),
    ]


async def _round(lab: Lab, cluster: Cluster) -> list[float]:
    """Return how long the streams of the killed worker paused after its death."""
    assistant_id = await make_assistant(cluster.target, SCRIPT)
    request = run_request(cluster.target, assistant_id, stream=True)
    connections = await connections_to(cluster.target, STREAMS)
    streams = asyncio.create_task(start_all(connections, request, START_SECONDS))
    await until_open(lab.model.target, STREAMS, streams)
    await asyncio.sleep(KILLED_AFTER_SECONDS)
    killed_ns = cluster.kill_worker()
    answers = await streams
    close_all(connections)
    for answer in answers:
        expect_plain(answer, SCRIPT.text)
    await asyncio.to_thread(cluster.add_worker)
    return _pauses(answers, killed_ns)


def _pauses(answers: Sequence[Answer], killed_ns: int) -> list[float]:
    found = [pause for answer in answers if (pause := _pause(answer, killed_ns)) is not None]
    if not found:
        raise RuntimeError("the worker that was killed had no streams")
    return found


def _pause(answer: Answer, killed_ns: int) -> float | None:
    """Return the seconds from the kill to the end of the stream's pause, if it had one."""
    arrivals = [answer.arrived_ns(event.start()) for event in _EVENT.finditer(answer.raw)]
    ends = [after for before, after in pairwise(arrivals) if after - before > PAUSE_NS]
    return (ends[0] - killed_ns) / 1e9 if ends else None
