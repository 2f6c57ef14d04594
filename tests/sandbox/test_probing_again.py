"""A runner that could not test its host at its start does so later; a full one is as it was."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from understudy.sandbox.cgroups.none import NoGroup, NoGroups
from understudy.sandbox.limits import Limits
from understudy.sandbox.runner import Runner, RunnerSettings

from .station import BOUND, MIB, eventually

LIMITS = Limits(memory_bytes=256 * MIB, disk_bytes=16 * MIB, processes=32, cell_seconds=20.0)


@asynccontextmanager
async def running(settings: RunnerSettings) -> AsyncIterator[Runner]:
    runner = Runner(settings)
    try:
        await runner.start()
        yield runner
    finally:
        await runner.close()


async def test_a_timeout_at_the_start_is_looked_into_again(environment: Path) -> None:
    settings = RunnerSettings(
        environment=str(environment),
        preload=("numpy",),
        limits=LIMITS,
        warm=1,
        start_seconds=0.001,
        probe_again_seconds=0.1,
    )
    async with running(settings) as runner:
        assert runner.refusal
        assert runner.refusal.errno == errno.ETIMEDOUT
        assert "by itself" in runner.refusal.remedy
        # The host is less busy from here on.
        runner.settings = replace(settings, start_seconds=BOUND)
        await eventually(lambda: bool(runner.report()["warm"]), "the host was not tested again")
        assert runner.refusal is None


async def test_a_full_runner_has_no_room_for_a_test_and_stays_well(environment: Path) -> None:
    settings = RunnerSettings(
        environment=str(environment), preload=("numpy",), limits=LIMITS, sessions_max=1, warm=0
    )
    async with running(settings) as runner:
        assert runner.refusal is None
        await runner.acquire("held", lambda: None)
        assert await runner.probe() is None
        assert runner.report()["ok"]


class NoRoom(NoGroups):
    """Groups on a host that has no room for one more."""

    def make(self, slot: int, limits: Limits) -> NoGroup:
        raise OSError(errno.ENOSPC, f"no group {slot} of {limits.memory_bytes}")


async def test_an_error_of_the_system_is_a_refusal_and_not_the_end(environment: Path) -> None:
    settings = RunnerSettings(
        environment=str(environment), preload=("numpy",), limits=LIMITS, warm=0
    )
    async with running(settings) as runner:
        groups, runner._groups = runner._groups, NoRoom()
        refusal = await runner.probe()
        assert refusal
        assert (refusal.stage, refusal.errno) == ("runner", errno.ENOSPC)
        runner._groups = groups
        assert await runner.probe() is None
