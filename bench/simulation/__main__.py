"""``python -m bench.simulation``: play scenarios, or check the simulation against measurements."""

import argparse
import sys
from pathlib import Path

from bench.simulation.checking import compare, read_measured
from bench.simulation.outcome import page
from bench.simulation.scenario import read_scenario
from bench.simulation.simulate import simulate

HERE = Path(__file__).parent


def main() -> int:
    """Show the outcomes; with ``--check``, exit 1 when a figure differs by more than allowed."""
    options = _options()
    if options.check:
        return _check(options.files or sorted((HERE / "measured").glob("*.yaml")), options.within)
    for file in options.files or sorted((HERE / "scenarios").glob("*.yaml")):
        print(f"{file.stem}\n{page(simulate(read_scenario(file)))}\n", flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="YAML files [all of ours]")
    parser.add_argument("--check", action="store_true", help="the files are of measured cases")
    parser.add_argument(
        "--within", type=float, default=0.15, help="share that may differ [%(default)s]"
    )
    return parser.parse_args()


def _check(files: list[Path], within: float) -> int:
    wrong = 0
    for measured in (case for file in files for case in read_measured(file)):
        for compared in compare(measured):
            print(compared, flush=True)
            wrong += abs(compared.difference) > within
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
