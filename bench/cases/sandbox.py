"""The code interpreter's sandbox, through its client: starts, cells, memory, many at once, files.

The kernels' environment is the one that UNDERSTUDY_KERNELS_FULL names, else it is built first.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable
from pathlib import Path

from bench.figure import Figure, figure, percentile
from bench.lab import Lab
from bench.loop import run
from understudy.sandbox.client import Sandbox, Session
from understudy.sandbox.install import install
from understudy.sandbox.local_runner import LocalRunner, local_runner
from understudy.sandbox.outputs import CellEnded, ImageOutput, Output
from understudy.sandbox.process_tree import descendants

CACHE = Path(__file__).parents[2] / ".cache" / "kernels"
STARTS, CELLS, CROWD = 40, 500, 50
MIB = 1 << 20
ANALYSIS = """
import pandas as pd, matplotlib.pyplot as plt
frame = pd.read_csv("/mnt/data/in.csv")
frame.groupby("g").v.mean().plot()
plt.show()
frame.describe().to_csv("/mnt/data/out.csv")
print(len(frame), round(frame.v.sum()))
"""
TABLE = b"g,v\n" + b"".join(b"%d,%d\n" % (row % 7, row) for row in range(5_000))


def measure(lab: Lab) -> list[Figure]:
    """Measure a runner with a reserve, then one without."""
    named = os.environ.get("UNDERSTUDY_KERNELS_FULL")
    environment = Path(named) if named else install(CACHE / "full", "full")
    return run(_warm(lab.folder, environment)) + run(_cold(lab.folder, environment))


async def _warm(folder: Path, environment: Path) -> list[Figure]:
    options = ("--warm", "4", "--sessions-max", "100")
    async with local_runner(folder / "warm.sock", environment, *options) as (runner, _):
        sandbox = Sandbox([f"unix:{folder / 'warm.sock'}"])
        first = await _first_cells(sandbox, "warm")
        session, _ = await sandbox.acquire("cells")
        cells = [await _milliseconds(_run(session, "1 + 1")) for _ in range(CELLS)]
        files = await _files(session)
        await session.end()
        return [
            figure("sandbox", "warm session to first output, median", "ms", first, 20),
            figure("sandbox", "warm session to first output, p99", "ms", [percentile(first, 99)]),
            figure("sandbox", "cell round trip, median", "ms", cells, 2),
            figure("sandbox", "cell round trip, p99", "ms", [percentile(cells, 99)]),
            *files,
            *await _crowd(sandbox, runner),
        ]


async def _cold(folder: Path, environment: Path) -> list[Figure]:
    started = time.perf_counter()
    socket = folder / "cold.sock"
    async with local_runner(socket, environment, "--warm", "0"):
        ready = time.perf_counter() - started
        starts = await _first_cells(Sandbox([f"unix:{socket}"]), "cold")
    return [
        figure("sandbox", "session without reserve to first output, median", "ms", starts, 60),
        figure("sandbox", "runner, from start to attacked and ready", "s", [ready]),
    ]


async def _first_cells(sandbox: Sandbox, name: str) -> list[float]:
    taken = []
    for number in range(STARTS):
        started = time.perf_counter()
        session, fresh = await sandbox.acquire(f"{name}-{number}")
        await _run(session, "print(1)")
        taken.append((time.perf_counter() - started) * 1e3)
        assert fresh
        await session.end()
        await asyncio.sleep(0.15)  # the reserve is filled again, as between real threads
    return taken


async def _crowd(sandbox: Sandbox, runner: LocalRunner) -> list[Figure]:
    """Start many sessions, look at their memory, and let all of them work at once."""
    async with contextlib.AsyncExitStack() as stack:
        sessions = []
        for number in range(CROWD):
            session, _ = await sandbox.acquire(f"crowd-{number}")
            stack.push_async_callback(session.end)
            sessions.append(session)
        await asyncio.gather(*(_run(one, "import numpy, pandas; 1") for one in sessions))
        memory = _memory(runner, CROWD)
        await asyncio.gather(*(one.put_file("in.csv", TABLE) for one in sessions))
        started = time.perf_counter()
        worked = await asyncio.gather(*(_run(one, ANALYSIS) for one in sessions))
        seconds = time.perf_counter() - started
        right = sum(map(_is_right, worked))
        after = _memory(runner, CROWD)
    return [
        figure("sandbox", "idle session, private memory", "MiB", [memory[0]], 6),
        figure("sandbox", "idle session, proportional memory", "MiB", [memory[1]]),
        figure("sandbox", "session after its analysis, private memory", "MiB", [after[0]]),
        figure("sandbox", f"{CROWD} analyses at once", "s", [seconds], 6),
        figure("sandbox", f"of {CROWD} analyses, right", "analyses", [right]),
    ]


async def _files(session: Session) -> list[Figure]:
    data = os.urandom(64 * MIB)
    started = time.perf_counter()
    await session.put_file("big", data)
    written = time.perf_counter()
    size = 0
    async for piece in session.get_file("big", 100 * MIB):
        size += len(piece)
    read = time.perf_counter()
    assert size == len(data)
    return [
        figure("sandbox", "file in", "MB/s", [len(data) / 1e6 / (written - started)]),
        figure("sandbox", "file out", "MB/s", [len(data) / 1e6 / (read - written)]),
    ]


async def _run(session: Session, code: str) -> list[Output]:
    return [output async for output in session.run(code)]


async def _milliseconds(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return (time.perf_counter() - started) * 1e3


def _is_right(outputs: list[Output]) -> bool:
    text = "".join(getattr(one, "text", "") for one in outputs)
    images = sum(isinstance(one, ImageOutput) for one in outputs)
    return (text, images, outputs[-1]) == ("5000 12497500\n", 1, CellEnded("done"))


def _memory(runner: LocalRunner, sessions: int) -> tuple[float, float]:
    """Return private and proportional MiB of a session, all of its processes together."""
    zygote, process_1 = descendants(runner.process_id)[1:3]
    inside = [one for one in descendants(process_1) if one not in {zygote, process_1}]
    private, proportional = map(sum, zip(*map(_rollup, inside), strict=True))
    reserve = len(inside) // 2 - sessions
    share = sessions + max(reserve, 0)
    return private / share / 1024, proportional / share / 1024


def _rollup(process: int) -> tuple[int, int]:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    return sizes["Private_Clean"] + sizes["Private_Dirty"], sizes["Pss"]
