"""Whoever is killed, nothing is left: no process, no cgroup, no mount, no folder."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services.kernels import kernels
from understudy.sandbox.cgroups.base import PREFIX
from understudy.sandbox.client import SandboxUnavailable
from understudy.sandbox.inside.plan import SessionPlan, ZygotePlan
from understudy.sandbox.limits import Limits
from understudy.sandbox.outputs import CellEnded
from understudy.sandbox.runner import Runner, RunnerSettings
from understudy.sandbox.serving import CLAIM_STEP_SECONDS, Doors
from understudy.sandbox.socket_owner import SocketOwner
from understudy.sandbox.zygote_process import Zygote

from .station import BOUND, Identity, Station, containment, eventually, run, station


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def is_gone(process: int) -> bool:
    """Say whether a process has ended; whether somebody has collected it is not our affair."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def groups_of(runner: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/{PREFIX}-{runner}-*"))


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


async def test_kill_9_of_the_kernel_or_of_its_process_1_in_mid_cell(
    environment: Path, identity: Identity, open_folder: Path
) -> None:
    with station(open_folder / f"{identity}-k", environment, identity, "--warm", "0") as running:
        for victim in (-1, -2):
            async with running.session() as session:
                outputs = session.run("print('on')\nimport time; time.sleep(1000)")
                await asyncio.wait_for(anext(outputs), BOUND)
                os.kill(running.processes()[victim], signal.SIGKILL)
                *_, ended = [output async for output in outputs]
                assert ended == CellEnded("died", "exit")
            await eventually(lambda: len(running.processes()) == 2, "the session is not gone")
        await running.check_well()


async def test_kill_9_of_the_zygote_ends_its_sessions_and_the_next_one_works(
    environment: Path, identity: Identity, open_folder: Path
) -> None:
    with station(open_folder / f"{identity}-z", environment, identity, "--warm", "0") as running:
        session, _ = await running.sandbox.acquire("a")
        await run(session, "x = 1")
        zygote = running.processes()[0]
        below = running.processes()
        os.kill(zygote, signal.SIGKILL)
        await eventually(lambda: all(map(is_gone, below[1:])), "sessions outlived the zygote")
        died = await run(session, "1")
        assert died.end.status == "died"
        await session.release()
        again, fresh = await running.sandbox.acquire("a")
        assert fresh
        assert (await run(again, "print(1)")).text == "1\n"
        await again.end()


async def test_kill_9_of_the_runner_in_mid_cell_leaves_nothing_after_the_next_start(
    environment: Path, identity: Identity, open_folder: Path, stack: ExitStack
) -> None:
    folder = open_folder / f"{identity}-killed"
    mounted = mounts()
    within = stack.enter_context(containment())
    with station(folder, environment, identity, "--warm", "1", within=within) as running:
        idle, _ = await running.sandbox.acquire("idle")
        await run(idle, "x = 1")
        session, _ = await running.sandbox.acquire("busy")
        outputs = session.run("print('on')\nimport time; time.sleep(1000)")
        await asyncio.wait_for(anext(outputs), BOUND)
        below = running.processes()
        assert len(below) >= 6
        running.process.kill()
        running.process.wait()
        with pytest.raises(SandboxUnavailable):
            async for _ in outputs:
                pass
        await idle.release()
        before = running.process.pid
    with station(folder, environment, identity, "--warm", "1", within=within) as running:
        await running.check_well()
        await eventually(lambda: all(map(is_gone, below)), "processes outlived the next start")
        assert not groups_of(before)
    assert mounts() == mounted
    assert names(folder) <= {"runner.sock", "runner.lock"}


async def test_a_session_that_nobody_waits_for_any_more_ends_without_a_word(
    environment: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The runner may end while a session starts, and has removed its groups then."""
    zygote = await Zygote.start(ZygotePlan("namespaces", str(environment), (), ""))
    try:
        with open(os.devnull) as no_group:  # noqa: ASYNC230, PTH123
            cells = _begin_unheard(zygote, no_group.fileno())
        async with asyncio.timeout(BOUND):
            assert await asyncio.get_running_loop().sock_recv(cells, 1) == b""
        cells.close()
    finally:
        await zygote.end()
    assert capfd.readouterr().err == ""


def _begin_unheard(zygote: Zygote, group: int) -> socket.socket:
    """Let a session begin that can neither join its group nor tell anybody."""
    orders, report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs = socket.socketpair()
    orders.close()
    with report, theirs:
        plan = json.dumps(SessionPlan(0, Limits(), memory_counted=False).to_plain())
        descriptors = [report.fileno(), *[theirs.fileno()] * 3, group]
        socket.send_fds(zygote._control, [plan.encode()], descriptors)
    ours.setblocking(False)  # noqa: FBT003
    return ours


async def test_sigstop_of_the_session_does_not_hold_up_its_end(small: Station) -> None:
    session, _ = await small.sandbox.acquire("stopped")
    await run(session, "x = 1")
    stopped = small.processes()
    for process in stopped[2:]:
        os.kill(process, signal.SIGSTOP)
    await session.end()
    for process in stopped[2:]:
        if not is_gone(process):
            os.kill(process, signal.SIGCONT)
    await small.check_well()


def test_a_second_runner_does_not_take_a_socket_that_is_served(
    small: Station, environment: Path, identity: Identity
) -> None:
    second = station(small.socket.parent, environment, identity, "--warm", "0")
    with pytest.raises(ValueError, match="Expecting value"), second:
        pass
    assert small.process.poll() is None


def test_a_second_runner_notices_before_it_starts_anything(
    small: Station, identity: Identity, open_folder: Path
) -> None:
    folder = open_folder / f"{identity}-second"
    (folder / "bin").mkdir(parents=True)
    folder.chmod(0o777)
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\necho started >> {folder}/started\n")
    python.chmod(0o755)
    options = ("--environment", str(folder), "--isolation", "external", "--scratch", str(folder))
    second = station(small.socket.parent, kernels("minimal"), identity, *options)
    with pytest.raises(ValueError, match="Expecting value"), second:
        pass
    assert names(folder) == {"bin"}


async def test_a_runner_waits_for_one_that_is_just_ending(tmp_path: Path) -> None:
    """A server that was killed is started again before its runner has let go of everything."""
    before, after = (Doors(Runner(RunnerSettings(""))) for _ in range(2))
    await before.claim(tmp_path / "runner.sock", SocketOwner())
    claiming = asyncio.create_task(after.claim(tmp_path / "runner.sock", SocketOwner()))
    done, _ = await asyncio.wait([claiming], timeout=CLAIM_STEP_SECONDS)
    assert not done
    await before.close()
    await claiming
    await after.close()


def test_a_runner_follows_no_link_to_its_lock(
    environment: Path, identity: Identity, open_folder: Path
) -> None:
    folder = open_folder / f"{identity}-led-astray"
    folder.mkdir()
    (folder / "runner.lock").symlink_to(folder / "elsewhere")
    runner = station(folder, environment, identity, "--warm", "0")
    with pytest.raises(ValueError, match="Expecting value"), runner:
        pass
    assert names(folder) == {"runner.lock"}


async def test_an_ordinary_end_leaves_no_groups(
    environment: Path, identity: Identity, open_folder: Path
) -> None:
    with station(open_folder / f"{identity}-end", environment, identity) as running:
        await running.check_well()
        ended = running.process.pid
    assert not groups_of(ended)
