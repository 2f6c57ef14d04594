"""``python -m tests.faults``: make faults under load for some minutes, and judge the history."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from .campaign import Campaign
from .checker.judgement import verdict
from .stands import STANDS


def main() -> int:
    """Run; returns 0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--mode", choices=STANDS, default="embedded")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--conversations", type=int, default=8)
    parser.add_argument("--at-once", type=int, default=1, help="how many faults at a time")
    parser.add_argument("--folder", type=Path, help="where logs and the history are kept")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="understudy-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"seed {asked.seed}, in {folder}\n")
    campaign = Campaign(
        STANDS[asked.mode], asked.seed, asked.minutes * 60, asked.conversations, asked.at_once
    )
    words, is_good = verdict(asyncio.run(campaign.run(folder)))
    sys.stdout.write(words + "\n")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
