"""What a cell printed stands there once, and whole unless its sandbox was taken away."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from math import inf
from typing import Any

from .account import Account, Reading, Violation, job_of

BROKEN_OFF = "[The sandbox broke off while the code ran. Its variables are gone.]"
_COUNT = re.compile(r"range\((\d+)\)")


def cells_print_once(account: Account) -> Iterator[Violation]:
    """Yield completed cells that do not show each line of theirs once and in order (STEP-07)."""
    for line in account.of("final"):
        for run in line["runs"]:
            for step in line["steps"][run["id"]]:
                for cell in _cells(step) if step["status"] == "completed" else ():
                    if not _is_printed_once(account, run, step, cell):
                        what = f"{run['id']} shows {_logs(cell)!r} of {cell['input']!r}"
                        yield Violation("cells print once", what, line["n"])


def _cells(step: Any) -> Iterator[Any]:
    for call in step["step_details"].get("tool_calls", ()):
        if call["type"] == "code_interpreter":
            yield call["code_interpreter"]


def _logs(cell: Any) -> str:
    return "".join(output["logs"] for output in cell["outputs"])


def _is_printed_once(account: Account, run: Any, step: Any, cell: Any) -> bool:
    count = _COUNT.search(cell["input"])
    if count is None:
        return False
    wanted = [f"{job_of(run)} {n}" for n in range(int(count[1]))]
    shown = _logs(cell).splitlines()
    printed = [line for line in shown if not line.startswith("[")]
    if BROKEN_OFF in shown:
        return printed == wanted[: len(printed)] and _has_lost_its_runner(account, run, step)
    return printed == wanted


def _has_lost_its_runner(account: Account, run: Any, step: Any) -> bool:
    """Something happened to the runner, or to the wire to it, between question and record."""
    begun = min(call.line["at"] for call in account.calls_of[job_of(run)])
    done = min(
        (look.at for look in account.sightings[step["id"]] if look.body["status"] == "completed"),
        default=inf,
    )
    ends = {line["fault"]: line["at"] for line in account.of("fault_over")}
    return any(
        "runner" in line["target"] and line["at"] <= done and ends.get(line["fault"], inf) >= begun
        for line in account.of("fault")
    )


def cells_add_up(account: Account) -> Iterator[Violation]:
    """Yield cells whose deltas are not what was completed (STR-07).

    A run that was taken over is left out: its cell may have run again, and print otherwise.
    """
    asked = Counter((call.job, call.turn) for call in account.calls)
    for reading in account.readings:
        run = account.runs.get(reading.run_id)
        if run is not None and asked[job_of(run), 0] <= 1:
            yield from _added_up(account, reading)


def _added_up(account: Account, reading: Reading) -> Iterator[Violation]:
    told: dict[str, list[str]] = defaultdict(lambda: ["", ""])
    for event in reading.told():
        data = event["data"]
        if event["name"] == "thread.run.step.delta":
            for call in data["delta"]["step_details"]["tool_calls"]:
                piece = call.get("code_interpreter", {})
                told[data["id"]][0] += piece.get("input") or ""
                told[data["id"]][1] += "".join(one["logs"] for one in piece.get("outputs") or ())
        elif event["name"] == "thread.run.step.completed":
            for cell in _cells(data):
                shown = [cell["input"], _logs(cell)]
                if told[data["id"]] != shown or not _is_asked_for(account, reading, cell["input"]):
                    what = f"{reading.label}: {told[data['id']]!r} became {shown!r}"
                    yield Violation("cells add up", what, event["n"])


def _is_asked_for(account: Account, reading: Reading, code: str) -> bool:
    calls = account.calls_of[job_of(account.runs[reading.run_id])]
    asked = (json.loads(arguments) for call in calls for _, _, arguments in call.calls)
    return any(one.get("code") == code for one in asked)
