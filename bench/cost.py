"""What a process has cost so far: CPU seconds and memory."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

KIB = 1024


def cpu_seconds(pid: int) -> float:
    """Return user and system seconds of a process, all its threads, and its children.

    Linux tells them in nanoseconds by the process's CPU clock; elsewhere, and for children that
    have ended, they come in ticks.
    """
    children = psutil.Process(pid).children(recursive=True)
    return _whole_cpu_seconds(pid) + sum(map(_cpu_seconds_of_child, children))


def _cpu_seconds_of_child(child: psutil.Process) -> float:
    """Return its seconds, or none when it has ended meanwhile: its parent has them then."""
    try:
        return _whole_cpu_seconds(child.pid)
    except (OSError, psutil.NoSuchProcess):
        return 0.0


def _whole_cpu_seconds(pid: int) -> float:
    ended = psutil.Process(pid).cpu_times()
    return _own_cpu_seconds(pid) + ended.children_user + ended.children_system


def _own_cpu_seconds(pid: int) -> float:
    if sys.platform == "linux":
        # As clock_getcpuclockid(3) builds it: the inverted pid and CPUCLOCK_SCHED.
        return time.clock_gettime((~pid << 3) | 2)
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@dataclass(frozen=True)
class Memory:
    """The memory that a process has to itself, in KiB.

    ``anonymous_kib`` leaves out file pages (a mapped database), which the kernel takes back when
    it needs them.
    """

    unique_kib: float
    anonymous_kib: float


def memory(pid: int) -> Memory:
    """Return what the process occupies now."""
    unique = psutil.Process(pid).memory_full_info().uss / KIB
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    if not rollup.exists():
        return Memory(unique, unique)
    found = [line for line in rollup.read_text().splitlines() if line.startswith("Anonymous:")]
    return Memory(unique, float(found[0].split()[1]))
