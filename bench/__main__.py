"""``python -m bench``: measure all cases or the named ones, print one table, keep the results."""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import machine, process, report
from bench.cases import (
    code_interpreter,
    first_token,
    indexing,
    listing,
    plain,
    requests,
    retrieval_quality,
    sandbox,
    search_speed,
    startup,
    streams,
    waiting,
)
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.scale import FULL, QUICK, STANDARD

CASES: Mapping[str, Callable[[Lab], list[Figure]]] = {
    "startup": startup.measure,
    "requests": requests.measure,
    "plain": plain.measure,
    "first-token": first_token.measure,
    "indexing": indexing.measure,
    "search-speed": search_speed.measure,
    "retrieval-quality": retrieval_quality.measure,
    "listing": listing.measure,
    "waiting": waiting.measure,
    "streams": streams.measure,
    "sandbox": sandbox.measure,
    "code-interpreter": code_interpreter.measure,
}


def main() -> int:
    """Run the cases; exit 1 when one could not be measured, never for a missed promise."""
    options = _options()
    _allow_many_connections()
    facts = machine.describe()
    with (
        tempfile.TemporaryDirectory(prefix="understudy-bench-") as folder,
        process.model() as model,
    ):
        lab = Lab(options.scale, model, Path(folder), options.profile)
        measured = {name: _measured(name, lab) for name in options.cases or CASES}
    figures = [one for found in measured.values() for one in found or ()]
    if figures:
        print(f"\n{report.table(figures)}\n\n{report.notes(figures)}")
    if figures and not options.profile:
        print(f"\nkept in {report.save(figures, facts, options.scale.name).name} and latest.md")
    return 1 if None in measured.values() else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(CASES)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="scale", action="store_const", const=QUICK)
    size.add_argument("--full", dest="scale", action="store_const", const=FULL)
    parser.add_argument("--profile", action="store_true", help="rank the server's functions")
    parser.set_defaults(scale=STANDARD)
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return options


def _measured(name: str, lab: Lab) -> list[Figure] | None:
    """Return the figures of a case, or None when it failed; the others still run."""
    print(f"{name} ...", end="", file=sys.stderr, flush=True)
    started, others = time.monotonic(), machine.Others(lab.model.pid)
    try:
        figures = CASES[name](lab)
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


if __name__ == "__main__":
    sys.exit(main())
