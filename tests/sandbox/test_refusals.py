"""A host that cannot isolate is refused, with the stage, the error number and the remedy."""

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from understudy.sandbox.client import SandboxRefused
from understudy.sandbox.inside import libc, seccomp
from understudy.sandbox.inside.plan import ZygotePlan
from understudy.sandbox.refusal import CannotIsolate, Refusal
from understudy.sandbox.zygote_process import Zygote

from .station import Identity, station

REFUSE = 0x00050000


def without(*calls: tuple[int, int]) -> Callable[[], None]:
    """Return what puts a process under a filter that refuses calls, as containers do."""
    program = [(0x20, 0, 0, 0)]
    for number, error in calls:
        program += [(0x15, 0, 1, number), (0x06, 0, 0, REFUSE | error)]
    program.append((0x06, 0, 0, 0x7FFF0000))
    packed = b"".join(struct.pack("=HBBI", *one) for one in program)

    def enter() -> None:
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
        seccomp.install(packed)

    return enter


X86 = libc.ARCHITECTURE == "x86_64"
UNSHARE, MOUNT, SETNS = (272, 165, 308) if X86 else (97, 40, 268)
HOSTS = {
    "a container's filter": ((UNSHARE, errno.EPERM), {"userns", "namespaces"}, "seccomp profile"),
    "a filter that lacks one call": ((SETNS, errno.EPERM), {"pid namespace"}, "seccomp profile"),
    "AppArmor": ((MOUNT, errno.EACCES), {"mount"}, "apparmor=unconfined"),
}


@pytest.mark.parametrize("name", HOSTS)
async def test_a_host_that_forbids_what_isolation_needs(
    environment: Path, identity: Identity, open_folder: Path, name: str
) -> None:
    call, stages, remedy = HOSTS[name]
    folder = open_folder / f"{identity}-{call[0]}"
    running = station(folder, environment, identity, "--warm", "0", enter=without(call))
    with running as refused:
        assert not refused.report["ok"]
        refusal = refused.report["refusal"]
        assert refusal["stage"] in stages
        assert refusal["errno"] == call[1]
        assert remedy in refusal["remedy"]
        with pytest.raises(SandboxRefused, match=refusal["stage"]) as told:
            await refused.sandbox.acquire("thread")
        assert told.value.errno == call[1]
        assert remedy in told.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can do without")
async def test_root_does_without_user_namespaces(environment: Path, open_folder: Path) -> None:
    # Refuses unshare only when a user namespace is asked for, as user.max_user_namespaces=0 does.
    program = [
        *((0x20, 0, 0, 0), (0x15, 0, 3, UNSHARE), (0x20, 0, 0, 16), (0x45, 0, 1, 0x10000000)),
        *((0x06, 0, 0, REFUSE | errno.ENOSPC), (0x06, 0, 0, 0x7FFF0000)),
    ]
    packed = b"".join(struct.pack("=HBBI", *one) for one in program)
    running = station(
        *(open_folder / "no-userns", environment, "root", "--warm", "0"),
        enter=lambda: seccomp.install(packed),
    )
    with running as plain:
        assert plain.report["ok"], plain.report
        transcript = await plain.run("import os; print(os.getuid() > 50_000, os.listdir('/proc'))")
        assert transcript.text.startswith("True ['self', 'thread-self', '1'")


@pytest.mark.skipif(os.geteuid() != 0, reason="masking needs root")
async def test_a_container_that_masks_proc_gives_sessions_an_empty_one(
    environment: Path, open_folder: Path
) -> None:
    def mask() -> None:
        libc.unshare("mask", libc.CLONE_NEWNS)
        libc.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE)
        libc.mount("/dev/null", "/proc/version", "", libc.MS_BIND)

    running = station(open_folder / "masked", environment, "root", "--warm", "0", enter=mask)
    with running as masked:
        assert masked.report["ok"], masked.report
        assert not masked.report["zygote"]["proc"]
        transcript = await masked.run(
            "import os, pandas; print(os.listdir('/proc'), pandas.Series([1]).sum())\n!echo shell"
        )
        assert transcript.text == "[] 1\nshell\n", transcript


def plan(environment: str) -> ZygotePlan:
    return ZygotePlan("namespaces", environment, ("numpy",), "")


async def test_a_missing_environment_is_named() -> None:
    with pytest.raises(CannotIsolate, match="sandbox install") as cannot:
        await Zygote.start(plan("/nowhere/python"))
    assert cannot.value.refusal == Refusal(
        "environment", errno.ENOENT, "/nowhere/python/bin/python"
    )


async def test_a_python_that_sessions_would_hide_is_named(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    if not str(tmp_path).startswith("/tmp/"):  # noqa: S108 - where pytest usually is
        pytest.skip("temporary folders are elsewhere")
    with pytest.raises(CannotIsolate) as cannot:
        await Zygote.start(plan(str(tmp_path)))
    assert cannot.value.refusal.stage == "environment"
    assert "--python" in cannot.value.refusal.remedy


async def test_an_environment_that_lacks_a_library_is_named(environment: Path) -> None:
    with pytest.raises(CannotIsolate, match="no_such_library"):
        await Zygote.start(ZygotePlan("namespaces", str(environment), ("no_such_library",), ""))
