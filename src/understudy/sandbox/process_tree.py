"""The processes of a session, found from its process 1, and the memory they hold."""

import contextlib
import os
import re
from pathlib import Path

PROCESSES_MAX = 4096


def process_id(handle: int) -> int:
    """Return the host's id of the process behind a pidfd; -1 when it is gone."""
    text = Path(f"/proc/self/fdinfo/{handle}").read_text()
    match = re.search(r"^Pid:\s+(-?\d+)", text, re.MULTILINE)
    return int(match[1]) if match else -1


def descendants(root: int) -> list[int]:
    """Return a process and all below it; orphans belong to their session's process 1."""
    found = [root]
    for process in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208 - no need of paths
                children = Path(f"/proc/{process}/task/{task}/children").read_text()
                found += map(int, children.split())
        if len(found) > PROCESSES_MAX:
            break
    return found


def proportional_bytes(processes: list[int]) -> int:
    """Return the memory of processes, shared pages divided among those who share them."""
    return sum(map(_proportional_bytes, processes))


def _proportional_bytes(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
