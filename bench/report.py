"""The table that a reader sees and the files that keep it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.figure import Figure, number

RESULTS = Path(__file__).parent / "results"

_HEAD = ("case", "figure", "median", "min to max", "unit", "at most", "")


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a markdown table whose columns line up."""
    lines = [_HEAD, *(_cells(figure) for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    rows = [_row(line, widths) for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([rows[0], rule, *rows[1:]])


def _cells(figure: Figure) -> tuple[str, ...]:
    spread = f"{number(figure.low)} to {number(figure.high)} ({figure.rounds})"
    ceiling = "" if figure.ceiling is None else number(figure.ceiling)
    if figure.rounds == 1:
        spread = ""
    cells = (figure.name, number(figure.value), spread, figure.unit, ceiling, figure.verdict)
    return (figure.case, *cells)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "| " + " | ".join(padded) + " |"


def notes(figures: Sequence[Figure]) -> str:
    """Return what has to be said beside the table, each thing once."""
    said = dict.fromkeys(f"- {figure.case}: {figure.note}" for figure in figures if figure.note)
    return "\n".join(said)


def save(figures: Sequence[Figure], machine: Mapping[str, object], scale: str) -> Path:
    """Write the results of one invocation and the page of the latest; return the JSON file."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    content = {"at": now.isoformat(timespec="seconds"), "scale": scale, "machine": machine}
    body = {**content, "figures": [{**_plain(one), "verdict": one.verdict} for one in figures]}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")
    (RESULTS / "latest.md").write_text(_page(_latest()))
    return path


def _plain(figure: Figure) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(figure)
    return plain


class _Kept(msgspec.Struct):
    """The results of one invocation, as they were written."""

    at: str
    scale: str
    machine: dict[str, Any]
    figures: list[Figure]

    def of(self, case: str) -> list[Figure]:
        return [figure for figure in self.figures if figure.case == case]


def _latest() -> dict[str, _Kept]:
    """Return the newest results of each case; quick ones only where there are no others."""
    kept = [
        msgspec.json.decode(path.read_bytes(), type=_Kept)
        for path in sorted(RESULTS.glob("*.json"))
    ]
    latest: dict[str, _Kept] = {}
    for one in kept:
        for case in dict.fromkeys(figure.case for figure in one.figures):
            if one.scale != "quick" or latest.get(case, one).scale == "quick":
                latest[case] = one
    return latest


def _page(latest: Mapping[str, _Kept]) -> str:
    figures = [figure for case, one in latest.items() for figure in one.of(case)]
    newest = max(latest.values(), key=lambda one: one.at)
    facts = ", ".join(f"{name} {value}" for name, value in newest.machine.items())
    older = [
        f"- {case}: measured {one.at}, revision {one.machine.get('revision')}"
        for case, one in latest.items()
        if one is not newest
    ]
    said = "\n".join(filter(None, [notes(figures), *older]))
    return f"# Bench, {newest.at}\n\n{facts}\n\n{table(figures)}\n\n{said}\n"
