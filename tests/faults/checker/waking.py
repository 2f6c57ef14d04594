"""What a process may do in the moment when it wakes: end the movement in which it was frozen.

A worker looks whether the run is still its own before it asks or does anything. Against being
frozen right behind that look nothing helps but a tool that knows attempts.
"""

from collections.abc import Iterator

from .account import Account, Line

WAKING_SECONDS = 1.0


def reflexes(account: Account) -> frozenset[int]:
    """Return the lines of questions and executions that frozen processes had begun before."""
    sleeps = list(_sleeps(account))
    return frozenset(
        line["n"]
        for what in ("model_asked", "executed")
        for line in account.of(what)
        if any(_is_waking(line, *sleep) for sleep in sleeps)
    )


def _sleeps(account: Account) -> Iterator[tuple[Line, Line]]:
    ends = {line["fault"]: line for line in account.of("fault_over")}
    for line in account.of("fault"):
        if line["kind"] == "freeze" and line["fault"] in ends:
            yield line, ends[line["fault"]]


def _is_waking(line: Line, begin: Line, end: Line) -> bool:
    until = end["at"] + WAKING_SECONDS
    return bool(line["by"] == begin["target"] and begin["at"] < line["at"] < until)
