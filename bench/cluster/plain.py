"""A plain run through the cluster, by 32 streaming clients at once: runs a second, and their cost.

The model answers at once and in one piece. Everything shares the machine: the API, two workers,
PostgreSQL, NATS, and also the clients and the model, whose cost is given too, since it is what the
cluster could not use. The embedded server does the same beside it.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field

from bench.cluster import insight
from bench.cluster.cluster import HARNESS, Cluster, Costs, fresh_cluster
from bench.connection import Connection
from bench.cost import cpu_seconds
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.load import by_clients, close_all, connections_to, make_assistant, stream_run
from bench.loop import run
from bench.process import Running
from bench.script import Script
from bench.target import Target
from bench.transcript import expect_plain

CASE = "cluster-plain"
CLIENTS = 32
SCRIPTS = (Script(deltas=1), Script(deltas=50))
NOTE = "two workers, one API process, PostgreSQL (fsync), NATS, clients and model on one machine"


@dataclass
class Rounds:
    """What the rounds of one script came to."""

    runs_per_second: list[float] = field(default_factory=list)
    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def measure(lab: Lab) -> list[Figure]:
    """Measure the cluster, then the embedded server."""
    with fresh_cluster(lab) as cluster:
        through = run(_measure_cluster(lab, cluster))
    with lab.fresh_server() as server:
        beside = run(_measure_embedded(lab, server))
    return [
        one
        for script in SCRIPTS
        for one in (*_figures(script, through[script]), _rate(script, beside[script], "embedded, "))
    ]


async def _measure_cluster(lab: Lab, cluster: Cluster) -> dict[Script, Rounds]:
    with cluster.watched():
        rounds = await _rounds(lab, cluster.target, cluster.cpu_seconds)
    if lab.profile:
        await insight.show(cluster)
    return rounds


async def _measure_embedded(lab: Lab, server: Running) -> dict[Script, Rounds]:
    return await _rounds(lab, server.target, lambda: {"server": cpu_seconds(server.pid)})


async def _rounds(lab: Lab, target: Target, costs: Costs) -> dict[Script, Rounds]:
    """Measure all scripts in turns; the first turn only warms everything up."""
    assistants = {script: await make_assistant(target, script) for script in SCRIPTS}
    connections = await connections_to(target, CLIENTS)
    warm_up: dict[Script, Rounds] = defaultdict(Rounds)
    rounds: dict[Script, Rounds] = defaultdict(Rounds)
    for number in range(lab.scale.rounds + 1):
        for script, assistant_id in assistants.items():
            into = rounds[script] if number else warm_up[script]
            count = lab.scale.runs_per_round
            await _round(target, connections, count, script, assistant_id, costs, into)
    close_all(connections)
    return rounds


async def _round(
    target: Target,
    connections: list[Connection],
    count: int,
    script: Script,
    assistant_id: str,
    costs: Costs,
    into: Rounds,
) -> None:
    before, began = costs(), time.monotonic()
    answers = await by_clients(
        connections, count, lambda one: stream_run(one, target, assistant_id)
    )
    seconds, after = time.monotonic() - began, costs()
    for answer in answers:
        expect_plain(answer, script.text)
    into.runs_per_second.append(count / seconds)
    for part, cpu in after.items():
        into.cpu_ms[part].append((cpu - before[part]) * 1000 / count)


def _rate(script: Script, rounds: Rounds, prefix: str = "", note: str = "") -> Figure:
    name = f"{prefix}{_label(script)}: rate"
    return figure(CASE, name, "runs/s", rounds.runs_per_second, note=note)


def _label(script: Script) -> str:
    return f"{script.deltas} delta{'s' * (script.deltas > 1)}"


def _figures(script: Script, rounds: Rounds) -> list[Figure]:
    ours = [cpu_ms for part, cpu_ms in rounds.cpu_ms.items() if part != HARNESS]
    together = {"all together": [sum(parts) for parts in zip(*ours, strict=True)]}
    return [
        _rate(script, rounds, note=NOTE),
        *(
            figure(CASE, f"{_label(script)}: CPU, {part}", "ms/run", cpu_ms)
            for part, cpu_ms in (together | rounds.cpu_ms).items()
        ),
    ]
