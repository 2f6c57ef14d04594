"""Cgroups of version 1: one tree for each of memory, pids, cpu and freezer; for root only."""

import contextlib
import os
from pathlib import Path

from understudy.sandbox.cgroups.base import has_killed, own_name, remove_tree, sweep
from understudy.sandbox.limits import Limits

# The freezer first: who is frozen does not die, and holds all of its groups.
CONTROLLERS = ("freezer", "memory", "pids", "cpu")
CPU_PERIOD_MICROSECONDS = 100_000


class Version1Groups:
    """Makes a group in each tree, below the one that the runner is in."""

    name = "cgroup v1"

    def __init__(self, trees: dict[str, Path]) -> None:
        self._trees = {controller: tree / own_name() for controller, tree in trees.items()}
        for tree in trees.values():
            sweep(tree)
        for group in self._trees.values():
            group.mkdir(exist_ok=True)

    @classmethod
    def found(cls) -> "Version1Groups | None":
        """Return the groups where all four trees can be written, else nothing."""
        trees = own_trees()
        usable = all(
            controller in trees and os.access(trees[controller], os.W_OK)
            for controller in CONTROLLERS
        )
        if not usable or os.geteuid() != 0:
            return None
        try:
            return cls({controller: trees[controller] for controller in CONTROLLERS})
        except OSError:
            return None  # a container may mount them read-only

    def make(self, slot: int, limits: Limits) -> "Version1Group":
        """Make the group of a session."""
        return Version1Group({c: tree / str(slot) for c, tree in self._trees.items()}, limits)

    def close(self) -> None:
        """Remove what is left."""
        for group in self._trees.values():
            remove_tree(group)


class Version1Group:
    """A session's group in each tree."""

    counts_memory = True
    freezes = True

    def __init__(self, folders: dict[str, Path], limits: Limits) -> None:
        self._folders = folders
        for folder in folders.values():
            folder.mkdir()
        memory, pids, cpu = (folders[one] for one in ("memory", "pids", "cpu"))
        (memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
        with contextlib.suppress(OSError):  # absent where swap is not counted
            (memory / "memory.memsw.limit_in_bytes").write_text(str(limits.memory_bytes))
        (pids / "pids.max").write_text(str(limits.processes))
        (cpu / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_MICROSECONDS))
        (cpu / "cpu.cfs_quota_us").write_text(str(int(limits.cpus * CPU_PERIOD_MICROSECONDS)))
        self._state = os.open(folders["freezer"] / "freezer.state", os.O_WRONLY | os.O_CLOEXEC)

    def open_doors(self) -> list[int]:
        """Return one descriptor for each tree."""
        flags = os.O_WRONLY | os.O_CLOEXEC
        return [os.open(folder / "cgroup.procs", flags) for folder in self._folders.values()]

    def freeze(self) -> None:
        """Stop everything in the session."""
        os.write(self._state, b"FROZEN")

    def thaw(self) -> None:
        """Let it go on."""
        os.write(self._state, b"THAWED")

    def memory_ran_out(self) -> bool:
        """Say whether the kernel has killed somebody for want of memory."""
        return has_killed(self._folders["memory"] / "memory.oom_control")

    def remove(self) -> None:
        """Remove the group from all trees."""
        os.close(self._state)
        for folder in self._folders.values():
            remove_tree(folder)


def own_trees() -> dict[str, Path]:
    """Return the folder of each controller that this process is in."""
    mounts: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup":
            for controller in options.rpartition(" ")[2].split(","):
                mounts.setdefault(controller, Path(before.split()[4]))
    trees: dict[str, Path] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts:
                trees[controller] = mounts[controller] / path.lstrip("/")
    return trees
