"""How long ``understudy --help`` takes, and ``serve`` until it answers."""

import subprocess
import time

from bench.figure import Figure, figure
from bench.lab import Lab
from bench.process import make_key, understudy

HELPS_PER_START = 3


def measure(lab: Lab) -> list[Figure]:
    """Time both, each in processes of its own; the first of each only fills the file cache."""
    _help_seconds()
    helps = [_help_seconds() for _ in range(lab.scale.starts * HELPS_PER_START)]
    data = lab.data_folder()
    key = make_key(data)
    starts = []
    for _ in range(lab.scale.starts + 1):
        with lab.server(data, key) as server:
            starts.append(server.ready_seconds)
    return [
        figure("startup", "understudy --help", "s", helps, 0.3),
        figure("startup", "serve until /healthz answers", "s", starts[1:]),
    ]


def _help_seconds() -> float:
    started = time.monotonic()
    subprocess.run([understudy(), "--help"], stdout=subprocess.DEVNULL, timeout=60, check=True)
    return time.monotonic() - started
