"""Cgroups of version 2: one tree, in a group that was delegated to the runner or that root owns.

A group with members may have no controlled subgroups, so the runner moves itself to a leaf first.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from understudy.sandbox.cgroups.base import has_killed, own_name, remove_tree, sweep
from understudy.sandbox.limits import Limits

CONTROLLERS = ("memory", "pids", "cpu")
CPU_PERIOD_MICROSECONDS = 100_000


class Version2Groups:
    """Makes groups beside the runner's own leaf."""

    name = "cgroup v2"

    def __init__(self, own: Path, controllers: Sequence[str] = CONTROLLERS) -> None:
        sweep(own)
        self._home = own / own_name()
        self._controllers = controllers
        leaf = own / f"{own_name()}-runner"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        self._home.mkdir(exist_ok=True)
        wanted = " ".join(f"+{controller}" for controller in controllers)
        for group in (own, self._home):
            (group / "cgroup.subtree_control").write_text(wanted)

    @classmethod
    def found(cls) -> "Version2Groups | None":
        """Return the groups where the runner's own can be divided, else nothing."""
        own = _own_group()
        if own is None or not os.access(own, os.W_OK):
            return None
        try:
            there = (own / "cgroup.controllers").read_text().split()
            return cls(own) if {"memory", "pids"} <= set(there) else None
        except OSError:
            return None

    def make(self, slot: int, limits: Limits) -> "Version2Group":
        """Make the group of a session."""
        return Version2Group(self._home / str(slot), limits, self._controllers)

    def close(self) -> None:
        """Remove what is left."""
        remove_tree(self._home)


class Version2Group:
    """A session's group."""

    freezes = True

    def __init__(self, folder: Path, limits: Limits, controllers: Sequence[str]) -> None:
        self._folder = folder
        self.counts_memory = "memory" in controllers
        folder.mkdir()
        if self.counts_memory:
            (folder / "memory.max").write_text(str(limits.memory_bytes))
            (folder / "memory.oom.group").write_text("1")
            with contextlib.suppress(OSError):  # absent where swap is not counted
                (folder / "memory.swap.max").write_text("0")
        if "pids" in controllers:
            (folder / "pids.max").write_text(str(limits.processes))
        if "cpu" in controllers:
            quota = int(limits.cpus * CPU_PERIOD_MICROSECONDS)
            (folder / "cpu.max").write_text(f"{quota} {CPU_PERIOD_MICROSECONDS}")
        self._state = os.open(folder / "cgroup.freeze", os.O_WRONLY | os.O_CLOEXEC)

    def open_doors(self) -> list[int]:
        """Return the one descriptor that there is."""
        return [os.open(self._folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)]

    def freeze(self) -> None:
        """Stop everything in the session."""
        os.write(self._state, b"1")

    def thaw(self) -> None:
        """Let it go on."""
        os.write(self._state, b"0")

    def memory_ran_out(self) -> bool:
        """Say whether the kernel has killed somebody for want of memory."""
        return has_killed(self._folder / "memory.events")

    def remove(self) -> None:
        """Remove the group."""
        os.close(self._state)
        remove_tree(self._folder)


def _own_group() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            mount = Path(before.split()[4])
            for membership in Path("/proc/self/cgroup").read_text().splitlines():
                if membership.startswith("0::"):
                    return mount / membership[3:].lstrip("/")
    return None
