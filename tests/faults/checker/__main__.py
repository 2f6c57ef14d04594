"""``python -m tests.faults.checker history.jsonl``: print the verdicts on a history."""

import argparse
import sys
from pathlib import Path

from .judgement import verdict


def main() -> int:
    """Return 0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker", description=__doc__)
    parser.add_argument("history", type=Path)
    words, is_good = verdict(parser.parse_args().history)
    sys.stdout.write(words + "\n")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
