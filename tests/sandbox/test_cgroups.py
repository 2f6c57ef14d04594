"""The groups that bound and freeze sessions."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from understudy.sandbox.cgroups.base import PREFIX, own_name, remove_tree, sweep
from understudy.sandbox.cgroups.finding import find_groups
from understudy.sandbox.cgroups.none import NoGroups
from understudy.sandbox.cgroups.version1 import Version1Groups
from understudy.sandbox.cgroups.version2 import Version2Groups
from understudy.sandbox.limits import Limits


def tree_of_version_2() -> Path | None:
    """Return where the unified tree is mounted, with controllers or without."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    return None


def version_1() -> Any:
    groups = Version1Groups.found()
    if groups is None:
        pytest.skip("no cgroups of version 1 that can be written")
    return groups


def version_2() -> Any:
    tree = tree_of_version_2()
    if tree is None or not os.access(tree, os.W_OK):
        pytest.skip("no cgroups of version 2 that can be written")
    home = tree / f"understudy-test-{os.getpid()}"
    home.mkdir()
    # Whatever controllers there are: making, joining, freezing and removing need none.
    return Version2Groups(home, controllers=())


@pytest.fixture(params=[version_1, version_2])
def groups(request: pytest.FixtureRequest) -> Iterator[Any]:
    before = Path("/proc/self/cgroup").read_text()
    made = request.param()
    yield made
    made.close()
    tree = tree_of_version_2()
    if request.param is version_2 and tree:
        path = next(one for one in before.splitlines() if one.startswith("0::"))[3:]
        (tree / path.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        remove_tree(tree / f"understudy-test-{os.getpid()}")


def state_of(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def ticks(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


def test_who_joins_is_frozen_thawed_and_removed(groups: Any) -> None:
    group = groups.make(0, Limits())
    doors = group.open_doors()

    def join() -> None:
        for door in doors:
            os.write(door, b"0")

    spinning = subprocess.Popen(
        ["sh", "-c", "echo on; while :; do :; done"],
        stdout=subprocess.PIPE,
        preexec_fn=join,  # noqa: PLW1509
        pass_fds=doors,
    )
    try:
        assert spinning.stdout
        assert spinning.stdout.readline() == b"on\n"
        group.freeze()
        frozen = ticks(spinning.pid)
        # Our own work passes the time in which it would have gone on.
        sum(range(10_000_000))
        assert ticks(spinning.pid) - frozen <= 2
        group.thaw()
        while ticks(spinning.pid) <= frozen + 2:
            assert spinning.poll() is None
        assert not group.memory_ran_out()
    finally:
        group.thaw()
        spinning.kill()
        spinning.wait()
        spinning.stdout and spinning.stdout.close()
        for door in doors:
            os.close(door)
        group.remove()


def test_groups_of_dead_runners_are_swept_and_of_live_ones_not() -> None:
    tree = tree_of_version_2()
    if tree is None or not os.access(tree, os.W_OK):
        pytest.skip("no tree to leave something in")
    dead, live = tree / f"{PREFIX}-1-1", tree / own_name()
    for one in (dead / "3", live):
        one.mkdir(parents=True, exist_ok=True)
    sweep(tree)
    assert not dead.exists()
    assert live.exists()
    remove_tree(live)


def test_there_is_always_an_answer() -> None:
    found = find_groups()
    assert found.name
    found.close()
    assert NoGroups().make(0, Limits()).open_doors() == []
