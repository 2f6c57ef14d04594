"""The code interpreter as runs use it: through the tool's port, with rows and stored files.

The sandbox alone, below the tool, is measured by ``sandbox.py``.
"""

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.cases.sandbox import CACHE
from bench.figure import Figure, figure, percentile
from bench.lab import Lab
from bench.loop import run
from understudy.app.ports import opened_ports
from understudy.sandbox.client import Sandbox
from understudy.sandbox.install import install
from understudy.sandbox.local_runner import local_runner
from understudy.settings import Settings
from understudy.tools.base import ToolUse
from understudy.tools.code_interpreter import CodeInterpreter
from understudy.wire.deltas import CellOutputDelta
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import CodeInterpreterToolCall

CASE = "code interpreter"
PROJECT = "proj_bench"
STARTS, CELLS, CHARTS, STOPS = 40, 300, 20, 20
CROWDS = {"quick": 8}
CROWD = 50
CHART = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()"
WRITES = "open('made.txt', 'w').write('x');"
FOR_EVER = "print('on', flush=True)\nwhile True: pass"
ANALYSIS = """
import numpy as np, pandas as pd, matplotlib.pyplot as plt
frame = pd.DataFrame({"g": np.arange(5000) % 7, "v": np.arange(5000)})
frame.groupby("g").v.mean().plot()
plt.show()
frame.describe().to_csv("/mnt/data/out.csv")
print(len(frame), frame.v.sum())
"""


@dataclass
class _Caller:
    """One thread's calls, and when each told its first output."""

    tool: CodeInterpreter
    thread_id: str
    told_at: list[float] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, code: str) -> CodeInterpreterToolCall:
        asked = Run(
            id="run_bench",
            created_at=1,
            assistant_id="asst_bench",
            thread_id=self.thread_id,
            model="bench",
        )
        self.told_at.clear()
        use = ToolUse(
            project_id=PROJECT,
            run=asked,
            place=0,
            tell_output=self._hear,
            ensure_lease=_ensured,
        )
        return await self.tool.call(use, "call_bench", json.dumps({"code": code}))

    async def seconds(self, code: str) -> float:
        started = time.perf_counter()
        await self.call(code)
        return time.perf_counter() - started

    def _hear(self, output: CellOutputDelta) -> None:
        del output
        self.told_at.append(time.perf_counter())
        self.told.set()


async def _ensured() -> None:
    """Nobody else takes part."""


def measure(lab: Lab) -> list[Figure]:
    """Measure calls of one thread after the other, and of many at once."""
    named = os.environ.get("UNDERSTUDY_KERNELS_FULL")
    environment = Path(named) if named else install(CACHE / "full", "full")
    crowd = CROWDS.get(lab.scale.name, CROWD)
    return run(_measured(lab.data_folder(), environment, crowd))


async def _measured(folder: Path, environment: Path, crowd: int) -> list[Figure]:
    socket = folder / "runner.sock"
    async with (
        opened_ports(Settings(data_dir=folder)) as ports,
        local_runner(socket, environment, "--warm", "4"),
    ):
        tool = CodeInterpreter(
            Sandbox([f"unix:{socket}"]),
            ports.storage,
            ports.files,
            ports.clock,
            ports.settings,
        )
        return [
            *await _first_cells(tool),
            *await _later_cells(tool),
            await _stops(tool),
            *await _crowd(tool, crowd),
        ]


async def _first_cells(tool: CodeInterpreter) -> list[Figure]:
    outputs = []
    for number in range(STARTS):
        await asyncio.sleep(0.15)  # the reserve is filled again, as between real threads
        caller = _Caller(tool, f"thread_first_{number}")
        started = time.perf_counter()
        await caller.call("print(1)")
        outputs.append((caller.told_at[0] - started) * 1e3)
    return [
        figure(CASE, "new thread to its first output, median", "ms", outputs, 20),
        figure(CASE, "new thread to its first output, p99", "ms", [percentile(outputs, 99)]),
    ]


async def _later_cells(tool: CodeInterpreter) -> list[Figure]:
    caller = _Caller(tool, "thread_later")
    cells = [await caller.seconds("print(1)") * 1e3 for _ in range(CELLS)]
    charts = [await caller.seconds(CHART) * 1e3 for _ in range(CHARTS)]
    files = [await caller.seconds(WRITES) * 1e3 for _ in range(CHARTS)]
    return [
        figure(CASE, "call that prints, median", "ms", cells, 2),
        figure(CASE, "call that prints, p99", "ms", [percentile(cells, 99)]),
        figure(CASE, "call that shows a chart, median", "ms", charts),
        figure(CASE, "call that makes a file, median", "ms", files),
    ]


async def _stops(tool: CodeInterpreter) -> Figure:
    """Measure from the cancel of a busy cell until the next cell of its thread has run."""
    taken = []
    for number in range(STOPS):
        caller = _Caller(tool, f"thread_stopped_{number % 4}")
        calling = asyncio.create_task(caller.call(FOR_EVER))
        await caller.told.wait()
        started = time.perf_counter()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        await caller.call("print(1)")
        taken.append((time.perf_counter() - started) * 1e3)
    return figure(
        CASE, "cancel of a busy cell to the next one's end, worst", "ms", [max(taken)], 200
    )


async def _crowd(tool: CodeInterpreter, crowd: int) -> list[Figure]:
    callers = [_Caller(tool, f"thread_crowd_{number}") for number in range(crowd)]
    await asyncio.gather(*(one.call("import numpy, pandas; 1") for one in callers))
    started = time.perf_counter()
    worked = await asyncio.gather(*(one.call(ANALYSIS) for one in callers))
    seconds = time.perf_counter() - started
    right = sum(map(_is_right, worked))
    return [
        figure(CASE, f"{crowd} analyses at once", "s", [seconds], 6 if crowd == CROWD else None),
        figure(CASE, f"of {crowd} analyses, right", "analyses", [right]),
    ]


def _is_right(call: CodeInterpreterToolCall) -> bool:
    cell = call.code_interpreter
    kinds = [type(output).__name__ for output in cell.outputs]
    made = [file.path for file in cell.files or ()]
    return sorted(kinds) == ["ImageOutput", "LogsOutput"] and made == ["out.csv"]
