"""One invocation from the command line: measure cases, print one table, keep the results."""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import machine, process, report
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.scale import FULL, QUICK, STANDARD

Cases = Mapping[str, Callable[[Lab], list[Figure]]]


def measure_all(program: str, cases: Cases, versions: Mapping[str, str] | None = None) -> int:
    """Run the cases; return 1 when one could not be measured, never for a missed promise.

    ``versions`` are of what a result depends on beside the Python packages.
    """
    options = _options(program, cases)
    _allow_many_connections()
    facts = {**machine.describe(), **(versions or {})}
    with (
        tempfile.TemporaryDirectory(prefix="understudy-bench-") as folder,
        process.model() as model,
    ):
        lab = Lab(options.scale, model, Path(folder), options.profile)
        chosen = {name: cases[name] for name in options.cases or cases}
        measured = {name: _measured(name, case, lab) for name, case in chosen.items()}
    figures = [one for found in measured.values() for one in found or ()]
    if figures:
        print(f"\n{report.table(figures)}\n\n{report.notes(figures)}")
    if figures and not options.profile:
        print(f"\nkept in {report.save(figures, facts, options.scale.name).name} and latest.md")
    return 1 if None in measured.values() else 0


def _options(program: str, cases: Cases) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(cases)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="scale", action="store_const", const=QUICK)
    size.add_argument("--full", dest="scale", action="store_const", const=FULL)
    parser.add_argument("--profile", action="store_true", help="rank the server's functions")
    parser.set_defaults(scale=STANDARD)
    options = parser.parse_args()
    if unknown := set(options.cases) - set(cases):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return options


def _measured(name: str, case: Callable[[Lab], list[Figure]], lab: Lab) -> list[Figure] | None:
    """Return the figures of a case, or None when it failed; the others still run."""
    print(f"{name} ...", end="", file=sys.stderr, flush=True)
    started, others = time.monotonic(), machine.Others(lab.model.pid)
    try:
        figures = case(lab)
    except Exception as error:  # noqa: BLE001 - a case that fails must not lose the others
        print(f" could not be measured: {error!r}", file=sys.stderr)
        return None
    seconds = time.monotonic() - started
    used = [others.percent()]
    figures.append(figure(figures[0].case, "CPU that others used", "% of a core", used))
    print(f" {seconds:.0f} s", file=sys.stderr)
    return figures


def _allow_many_connections() -> None:
    """Raise the limit of open files, which the processes started here inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
