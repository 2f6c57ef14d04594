"""What ``understudy doctor`` finds, and how it says so."""

from typing import Literal

from msgspec import Struct
from rich.console import Console
from rich.markup import escape

State = Literal["ok", "warning", "problem"]
_COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "problem": "red"}


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at; ``mend`` says what to do unless it is ok."""

    state: State
    what: str
    told: str
    mend: str = ""


def ok(what: str, told: str) -> Finding:
    """Return that all is well."""
    return Finding(state="ok", what=what, told=told)


def warning(what: str, told: str, mend: str) -> Finding:
    """Return that something works, but not as one might expect."""
    return Finding(state="warning", what=what, told=told, mend=mend)


def problem(what: str, told: str, mend: str) -> Finding:
    """Return that something cannot work as it is."""
    return Finding(state="problem", what=what, told=told, mend=mend)


def show(console: Console, finding: Finding) -> None:
    """Print one line, and a second one with the remedy if one is needed."""
    state = f"[{_COLOURS[finding.state]}]{finding.state:8}[/]"
    console.print(f"{state} {finding.what:9} {escape(finding.told)}")
    if finding.mend:
        console.print(f"{'':18} → {escape(finding.mend)}")
