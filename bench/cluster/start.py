"""From a client's request until a worker has begun: told to the client, and at the model.

``claimed`` is when the client reads ``thread.run.in_progress``: the worker's claim is in the rows,
and the news of it has come back through the API process. ``called`` is when the model was asked,
which it notes itself on the clock that all processes of a machine share: the reading of the thread
and the call are in it, too. Half of the load is half of the rate that as many clients as
in ``cluster-plain`` reached right before; the requests come at random moments then.
"""

import time
from collections.abc import Sequence

from bench.cluster.cluster import Cluster, fresh_cluster
from bench.cluster.plain import CLIENTS
from bench.connection import Answer, Connection
from bench.figure import Figure, figure, percentile
from bench.lab import Lab
from bench.load import (
    at_rate,
    by_clients,
    close_all,
    connections_to,
    make_assistant,
    stream_run,
)
from bench.loop import run
from bench.process import Running
from bench.script import Script
from bench.stamps import first_token, is_whole
from bench.target import Target
from bench.transcript import WrongStream

CASE = "cluster-start"
SCRIPT = Script(deltas=2, stamped=True)
WARM_UP = 100
CONNECTIONS_AT_RATE = 128
P50_MS_MAX = 5.0
P99_MS_MAX = 25.0
CLAIMED = "until the client is told that a worker has claimed the run"
CALLED = "until the model is called: the reading of the thread and the call are included"
_TOLD = b"event: thread.run.in_progress"


def measure(lab: Lab) -> list[Figure]:
    """Measure the cluster idle and at half of its load, and the embedded server idle."""
    with fresh_cluster(lab) as cluster:
        figures = run(_measure(lab, cluster))
    with lab.fresh_server() as server:
        embedded = run(_measure_embedded(lab, server))
    return [*figures, *_figures("embedded, idle", embedded, None, None)]


async def _measure(lab: Lab, cluster: Cluster) -> list[Figure]:
    target, count = cluster.target, lab.scale.runs_per_round
    assistant_id = await make_assistant(target, SCRIPT)
    await _together(target, assistant_id, WARM_UP)
    idle = await _one_by_one(target, assistant_id, lab.scale.first_token_pairs)
    runs_per_second = await _together(target, assistant_id, count)
    half = runs_per_second / 2
    loaded = await _at_rate(target, assistant_id, half, 2 * count)
    return [
        *_figures("idle", idle, P50_MS_MAX, P99_MS_MAX),
        *_figures("half load", loaded, P50_MS_MAX, P99_MS_MAX),
        figure(CASE, "half load: rate", "runs/s", [half]),
    ]


async def _measure_embedded(lab: Lab, server: Running) -> list[Answer]:
    assistant_id = await make_assistant(server.target, SCRIPT)
    await _together(server.target, assistant_id, WARM_UP)
    return await _one_by_one(server.target, assistant_id, lab.scale.first_token_pairs)


async def _one_by_one(target: Target, assistant_id: str, count: int) -> list[Answer]:
    connection = await target.connect()
    answers = [await stream_run(connection, target, assistant_id) for _ in range(count)]
    connection.close()
    return answers


async def _together(target: Target, assistant_id: str, count: int) -> float:
    """Let all clients go as fast as they can; return the runs a second."""
    connections = await connections_to(target, CLIENTS)
    began = time.monotonic()
    answers = await by_clients(
        connections, count, lambda one: stream_run(one, target, assistant_id)
    )
    seconds = time.monotonic() - began
    close_all(connections)
    _check(answers)
    return count / seconds


async def _at_rate(
    target: Target, assistant_id: str, per_second: float, count: int
) -> list[Answer]:
    async def once(connection: Connection) -> Answer:
        return await stream_run(connection, target, assistant_id)

    connections = await connections_to(target, CONNECTIONS_AT_RATE)
    answers = await at_rate(connections, per_second, count, once)
    close_all(connections)
    return answers


def _check(answers: Sequence[Answer]) -> None:
    broken = [answer for answer in answers if not is_whole(answer, SCRIPT.deltas)]
    if broken:
        raise WrongStream(f"{len(broken)} of {len(answers)}, such as {broken[0].raw[-600:]!r}")


def _figures(
    name: str, answers: Sequence[Answer], p50_ms_max: float | None, p99_ms_max: float | None
) -> list[Figure]:
    _check(answers)
    claimed = [_claimed_after_ns(answer) / 1e6 for answer in answers]
    called = [first_token(answer).asked_after_ns / 1e6 for answer in answers]
    return [
        figure(CASE, f"{name}, {what}: p{percent}", "ms", [percentile(times, percent)], most, note)
        for what, times, note in (("claimed", claimed, CLAIMED), ("called", called, CALLED))
        for percent, most in ((50, p50_ms_max), (99, p99_ms_max))
    ]


def _claimed_after_ns(answer: Answer) -> int:
    return answer.arrived_ns(answer.raw.index(_TOLD)) - answer.sent_ns
