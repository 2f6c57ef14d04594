#!/usr/bin/env python3
"""Writes what the documents take from elsewhere: the run's diagram, and the latest measurements."""

import re
from pathlib import Path

from understudy.runs.status import chart

ROOT = Path(__file__).resolve().parent.parent
NOT_MEASURED = "Not measured yet: `make {}`, then `make docs`."
OF_A_CLUSTER = ("| cluster-", "- cluster-")


def diagram() -> str:
    """Return the table of the run state machine as a Mermaid block."""
    return f"```mermaid\n{chart()}\n```"


def measurements() -> str:
    """Return the latest results that have a ceiling; the file itself has all of them."""
    lines = [line for line in _latest() if not line.startswith(OF_A_CLUSTER)]
    return "\n".join(filter(_is_promised, lines)) or NOT_MEASURED.format("bench")


def cluster() -> str:
    """Return the latest results of the cluster, with what has to be said beside them."""
    lines = _latest()
    table = [line for line in lines if line.startswith(OF_A_CLUSTER[0]) and _is_ours(line)]
    if not table:
        return NOT_MEASURED.format("bench-cluster")
    head = [line for line in lines if line.startswith(("| case", "|---"))]
    notes = [line for line in lines if line.startswith(OF_A_CLUSTER[1])]
    return "\n".join([*head, *table, "", *notes])


def _latest() -> list[str]:
    """Return the lines of the latest results, without their title."""
    latest = ROOT / "bench" / "results" / "latest.md"
    if not latest.is_file():
        return []
    return re.sub(r"\A# .*\n+", "", latest.read_text()).strip().splitlines()


def _is_ours(line: str) -> bool:
    return "CPU that others used" not in line


def _is_promised(line: str) -> bool:
    """Return whether the line is no measurement, or one that is held against a ceiling."""
    if line.startswith("|"):
        verdict = line.rstrip().rstrip("|").rpartition("|")[2].strip()
        return line.startswith(("| case", "|---")) or bool(verdict)
    return "held out" not in line  # the halves of the questions stand in the file itself


def filled(text: str, name: str, content: str) -> str:
    """Return the text with what stands between the two marks of that name replaced."""
    start, end = f"<!-- {name}: written by `make docs` -->", f"<!-- end of {name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"There is no place for {name!r}.")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"


def write(document: Path, name: str, content: str) -> None:
    """Fill the place of that name in the document."""
    document.write_text(filled(document.read_text(), name, content))


if __name__ == "__main__":
    write(ROOT / "docs" / "architecture.md", "chart", diagram())
    write(ROOT / "README.md", "bench", measurements())
    write(ROOT / "README.md", "cluster", cluster())
