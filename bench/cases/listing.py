"""Listing the runs of a thread: the first page and a page at a random place, short list and long.

Two servers, one whose thread has a thousand runs and one with a million, are asked in turns.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from statistics import median

from bench.connection import Connection
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.load import make_assistant, stream_run
from bench.loop import run
from bench.million import fill, run_id
from bench.process import Running, make_key
from bench.script import Script
from bench.target import Target
from bench.transcript import events

SHORT = 1_000
PAGE = 20


@dataclass(frozen=True)
class Listed:
    """A server whose one thread has many runs."""

    target: Target
    thread_id: str
    rows: int


@dataclass(frozen=True)
class Asked:
    """A list, the connection to its server, and how deep its pages are."""

    listed: Listed
    connection: Connection
    deep: bool


def measure(lab: Lab) -> list[Figure]:
    """Fill both lists, then measure them."""
    with _filled(lab, SHORT) as short, _filled(lab, lab.scale.listed_rows) as long:
        return run(_measure(lab, short, long))


@contextmanager
def _filled(lab: Lab, rows: int) -> Iterator[Listed]:
    """Run a server whose thread has this many runs."""
    data = lab.data_folder()
    key = make_key(data)
    with lab.server(data, key) as server:
        original = run(_one_run(server))
    fill(data, original["id"], rows)
    with lab.server(data, key) as server:
        yield Listed(server.target, original["thread_id"], rows)


async def _one_run(server: Running) -> dict[str, str]:
    assistant_id = await make_assistant(server.target, Script())
    connection = await server.target.connect()
    answer = await stream_run(connection, server.target, assistant_id)
    connection.close()
    completed: dict[str, str] = events(answer)[-2].json()
    return completed


async def _measure(lab: Lab, short: Listed, long: Listed) -> list[Figure]:
    connections = {one.rows: await one.target.connect() for one in (short, long)}
    kinds = [
        Asked(one, connections[one.rows], deep) for deep in (False, True) for one in (short, long)
    ]
    random = Random(20)  # any cursors will do, the same each time are better
    rounds = [
        await _round(kinds, lab.scale.listings_per_round, random)
        for _ in range(lab.scale.rounds + 1)
    ]
    for connection in connections.values():
        connection.close()
    return _figures(rounds[1:], short.rows, long.rows)


async def _round(kinds: list[Asked], count: int, random: Random) -> list[float]:
    """Return the median milliseconds of each kind, all kinds asked in turns."""
    took: list[list[float]] = [[] for _ in kinds]
    for _ in range(count):
        for times, asked in zip(took, kinds, strict=True):
            times.append(await _ask(asked, random))
    return [median(times) for times in took]


async def _ask(asked: Asked, random: Random) -> float:
    """Ask for one page, expect exactly the runs that belong there, return the milliseconds."""
    rows = asked.listed.rows
    before = random.randrange(PAGE + 1, rows) if asked.deep else rows + 1
    after = f"&after={run_id(before)}" if asked.deep else ""
    path = f"/v1/threads/{asked.listed.thread_id}/runs?limit={PAGE}{after}"
    request = asked.listed.target.request("GET", path)
    started = time.monotonic_ns()
    answer = await asked.connection.request(request)
    took = (time.monotonic_ns() - started) / 1e6
    found = [one["id"] for one in answer.json()["data"]]
    if found != [run_id(before - place) for place in range(1, PAGE + 1)]:
        raise RuntimeError(f"a wrong page after {before}: {found}")
    return took


def _figures(rounds: list[list[float]], short: int, long: int) -> list[Figure]:
    names = [
        f"{page}, {rows:,} rows" for page in ("first page", "deep page") for rows in (short, long)
    ]
    first = [one[1] / one[0] for one in rounds]
    deep = [one[3] / one[2] for one in rounds]
    times = [
        figure("list runs", name, "ms", [one[place] for one in rounds])
        for place, name in enumerate(names)
    ]
    return [
        figure("list runs", "first page, long to short", "ratio", first, 1.5),
        figure("list runs", "deep page, long to short", "ratio", deep, 1.5),
        *times,
    ]
