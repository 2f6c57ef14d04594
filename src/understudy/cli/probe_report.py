"""What ``understudy sandbox probe`` says, for people."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Rows = Iterator[tuple[str, str]]


def show(environment: Path, report: dict[str, Any]) -> None:
    """Print the report of a runner about this host."""
    table = Table.grid(padding=(0, 2))
    for name, told in _rows(environment, report):
        table.add_row(name, escape(told))
    Console(highlight=False, soft_wrap=True).print(table)


def _rows(environment: Path, report: dict[str, Any]) -> Rows:
    yield "Python", str(environment)
    refusal = report["refusal"]
    if refusal:
        yield "Sandbox", f"refused: {report['isolation']}"
        yield from _why(refusal)
    else:
        yield "Sandbox", f"ready: {report['isolation']}; every attack of the self-test was stopped"
        yield from _how(report)


def _why(refusal: dict[str, Any]) -> Rows:
    number = refusal["errno"]
    yield "Stage", refusal["stage"]
    yield "Error", f"{os.strerror(number)} (errno {number})" if number else "none of the system's"
    if refusal["detail"]:
        yield "Detail", refusal["detail"]
    yield "Remedy", refusal["remedy"]


def _how(report: dict[str, Any]) -> Rows:
    zygote, cgroups = report["zygote"], report["cgroups"]
    yield "Groups", cgroups
    yield (
        "Landlock",
        f"version {zygote['landlock']}" if zygote["landlock"] else "not in this kernel",
    )
    yield "Users", "one for all sessions" if zygote["one_user"] else "one for each session"
    yield "/proc", "of the session's own" if zygote["proc"] else "empty, as the container masks it"
