"""A plain run, created to completed, by 16 clients at once: server CPU per run, runs a second.

The model answers at once and in one piece, as the floor in the design's numbers was measured;
the paced variant, without a promise, says what 200 deltas cost that arrive one by one.
"""

import time
from dataclasses import dataclass, field

from bench.connection import Answer, Connection
from bench.cost import cpu_seconds
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.load import (
    Follow,
    Polled,
    by_clients,
    close_all,
    connections_to,
    make_assistant,
    poll_run,
    stream_run,
)
from bench.loop import run
from bench.process import Running
from bench.script import Script
from bench.target import Target
from bench.transcript import WrongStream, expect_plain

CLIENTS = 16
PACED = Script(deltas=200, rate_per_second=1000)


@dataclass
class Variant:
    """One way to make a run, and what its rounds came to."""

    follow: Follow
    script: Script
    ceiling_ms: float | None
    assistant_id: str = ""
    cpu_ms: list[float] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    runs_per_second: list[float] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Return what the table calls it."""
        count = self.script.deltas
        pace = f" at {self.script.rate_per_second}/s" if self.script.rate_per_second else ""
        return f"{self.follow}, {count} delta{'s' * (count > 1)}{pace}"


def measure(lab: Lab) -> list[Figure]:
    """Measure every variant, rounds interleaved."""
    with lab.fresh_server() as server:
        return run(_measure(lab, server))


async def _measure(lab: Lab, server: Running) -> list[Figure]:
    short, long = Script(deltas=1), Script(deltas=200)
    variants = [
        Variant("streaming", short, 1.5),
        Variant("polling", short, 1.5),
        Variant("streaming", long, 3.0),
        Variant("polling", long, 3.0),
        Variant("streaming", PACED, None),
    ]
    for variant in variants:
        variant.assistant_id = await make_assistant(server.target, variant.script)
    connections = await connections_to(server.target, CLIENTS)
    for number in range(lab.scale.rounds + 1):
        for variant in variants:
            await _round(lab, server, variant, connections, counts=number > 0)
    close_all(connections)
    return [one for variant in variants for one in _figures(variant)]


async def _round(
    lab: Lab, server: Running, variant: Variant, connections: list[Connection], *, counts: bool
) -> None:
    # Pollers mostly sleep: fewer runs take as long, and the clock of CPU time is fine enough.
    count = lab.scale.runs_per_round // (4 if variant.follow == "polling" else 1)
    cpu, wall = cpu_seconds(server.pid), time.monotonic()
    answers = await _runs(server.target, variant, connections, count)
    wall, cpu = time.monotonic() - wall, cpu_seconds(server.pid) - cpu
    await _check(server.target, variant, answers)
    if counts:
        variant.cpu_ms.append(cpu * 1000 / count)
        variant.runs_per_second.append(count / wall)
        variant.polls += [one.polls for one in answers if isinstance(one, Polled)]
        variant.took_ms += [one.took_ns / 1e6 for one in answers if isinstance(one, Polled)]


async def _runs(
    target: Target, variant: Variant, connections: list[Connection], count: int
) -> list[Answer] | list[Polled]:
    if variant.follow == "streaming":
        return await by_clients(
            connections, count, lambda one: stream_run(one, target, variant.assistant_id)
        )
    return await by_clients(
        connections, count, lambda one: poll_run(one, target, variant.assistant_id)
    )


async def _check(target: Target, variant: Variant, answers: list[Answer] | list[Polled]) -> None:
    """Raise unless every run completed and said what the model said."""
    text = variant.script.text
    for answer in answers:
        if isinstance(answer, Answer):
            expect_plain(answer, text)
        else:
            await _expect_message(target, answer, text)


async def _expect_message(target: Target, polled: Polled, text: str) -> None:
    run_object = polled.run
    if run_object["status"] != "completed":
        raise WrongStream(f"run {run_object['status']}: {run_object['last_error']}")
    path = f"/v1/threads/{run_object['thread_id']}/messages?limit=1"
    newest = (await target.ask("GET", path)).json()["data"][0]
    if newest["content"][0]["text"]["value"] != text:
        raise WrongStream("the message is not what the model said")


def _figures(variant: Variant) -> list[Figure]:
    label = variant.label
    figures = [
        figure("plain", f"{label}: server CPU", "ms/run", variant.cpu_ms, variant.ceiling_ms),
        figure("plain", f"{label}: rate", "runs/s", variant.runs_per_second),
    ]
    if variant.polls:
        figures.append(figure("plain", f"{label}: polls", "per run", variant.polls))
        figures.append(figure("plain", f"{label}: time to completed", "ms", variant.took_ms))
    return figures
