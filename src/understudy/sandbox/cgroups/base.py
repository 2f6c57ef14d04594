"""The port to cgroups. Three adapters: v2 in a delegated group, v1 as root, and none."""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from understudy.sandbox.limits import Limits

PREFIX = "understudy-sandbox"
REMOVAL_SECONDS_MAX = 2.0
REMOVAL_STEP_SECONDS = 0.01


class SessionGroup(Protocol):
    """The cgroup of one session."""

    @property
    def counts_memory(self) -> bool:
        """Say whether the kernel bounds the memory; if not, a watchdog must."""

    @property
    def freezes(self) -> bool:
        """Say whether it can stop a session whole."""

    def open_doors(self) -> list[int]:
        """Return descriptors; who writes b"0" to each has joined. The caller closes them."""

    def freeze(self) -> None:
        """Stop everything in the session."""

    def thaw(self) -> None:
        """Let it go on."""

    def memory_ran_out(self) -> bool:
        """Say whether the kernel has killed somebody in it for want of memory."""

    def remove(self) -> None:
        """Remove it, now that nobody is in it."""


class Groups(Protocol):
    """Where session groups are made."""

    name: str

    def make(self, slot: int, limits: Limits) -> SessionGroup:
        """Make the group of a session."""

    def close(self) -> None:
        """Remove what is left."""


def own_name() -> str:
    """Return a name that says which runner made a group."""
    return f"{PREFIX}-{os.getpid()}-{_started(os.getpid())}"


def sweep(parent: Path) -> None:
    """Remove the groups of runners that are no more, with whoever is still in them."""
    with contextlib.suppress(OSError):
        for group in parent.glob(f"{PREFIX}-*"):
            match = re.fullmatch(rf"{PREFIX}-(\d+)-(\d+)", group.name)
            if match and _started(int(match[1])) != int(match[2]):
                remove_tree(group)


def remove_tree(group: Path) -> None:
    """Kill who is in a group and its subgroups and remove them, within a bounded time."""
    for inner in _subgroups(group):
        remove_tree(inner)
    until = time.monotonic() + REMOVAL_SECONDS_MAX
    while not _removed(group) and time.monotonic() < until:
        for member in _members(group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, 9)
        _write(group / "freezer.state", "THAWED")
        time.sleep(REMOVAL_STEP_SECONDS)


def has_killed(events: Path) -> bool:
    """Say whether a group's counters, as both versions write them, tell of an ``oom_kill``."""
    try:
        lines = events.read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)


def _subgroups(group: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [one for one in group.iterdir() if one.is_dir()]
    return []


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _members(group: Path) -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from map(int, (group / "cgroup.procs").read_text().split())


def _write(file: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        if file.exists():
            file.write_text(text)


def _started(process: int) -> int:
    """Return when a process started, in ticks since boot; 0 when there is none."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
