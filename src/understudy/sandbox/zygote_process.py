"""The zygote as the runner sees it: a process to start, to ask for sessions, and to end."""

import asyncio
import errno
import json
import os
import platform
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.sandbox.inside import launch, seccomp
from understudy.sandbox.inside.plan import SessionPlan, ZygotePlan
from understudy.sandbox.inside.root import WRITABLE
from understudy.sandbox.packets import receive
from understudy.sandbox.refusal import CannotIsolate, Refusal

SESSION_SECONDS_MAX = 20.0
SETUP_DESCRIPTORS = 2
# Sessions have folders of their own there, which hide the host's.
HIDDEN = tuple(f"{folder}/" for folder in WRITABLE)


@dataclass(frozen=True, slots=True)
class Spawned:
    """The handles of a session: all were taken before anything hostile ran in it."""

    orders: socket.socket
    stream: socket.socket
    stdout: int
    stderr: int
    init: int
    kernel: int
    data: int


class Zygote:
    """A running zygote."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket, facts: dict[str, Any]
    ) -> None:
        self.facts = facts
        self._process = process
        self._control = control

    @classmethod
    async def start(cls, plan: ZygotePlan, seconds_max: float = 60.0) -> "Zygote":
        """Start and wait until it is closed in and has its libraries. Raises CannotIsolate."""
        _check(plan)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003
        with theirs:
            # From the main thread: the death signal of a parent follows the thread.
            process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own program; it does not wait
                [_python(plan), "-I", "-S", "-B", launch.__file__, str(theirs.fileno())],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        zygote = cls(process, ours, {})
        try:
            ours.send(json.dumps(plan.to_plain()).encode())
            async with asyncio.timeout(seconds_max):
                zygote.facts, _ = await receive(ours)
            _check_ready(zygote.facts)
        except TimeoutError as late:
            await zygote.end()
            raise CannotIsolate(Refusal("zygote", errno.ETIMEDOUT)) from late
        except BaseException:
            await zygote.end()
            raise
        return zygote

    @property
    def process_id(self) -> int:
        """Return the id of the outermost process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Say whether it can still be asked for sessions."""
        return self._process.poll() is None

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Call this once when the zygote has ended, however it came to that."""
        loop = asyncio.get_running_loop()
        handle = os.pidfd_open(self._process.pid)

        def ended() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            tell()

        loop.add_reader(handle, ended)

    def host_user(self, slot: int) -> int:
        """Return the host's number of the user of a session."""
        first: int = self.facts["first_user"]
        return first if self.facts["one_user"] else first + slot

    async def spawn(self, plan: SessionPlan, cgroups: Sequence[int]) -> Spawned:
        """Fork a session that joins these cgroups first. Raises CannotIsolate."""
        orders, report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stream, cells = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        stdout, out = os.pipe()
        stderr, err = os.pipe()
        try:
            for ours in (orders, stream):
                ours.setblocking(False)  # noqa: FBT003
            packet = json.dumps(plan.to_plain()).encode()
            theirs = [report.fileno(), out, err, cells.fileno(), *cgroups]
            try:
                socket.send_fds(self._control, [packet], theirs)
            except OSError as error:
                raise CannotIsolate(Refusal("zygote", error.errno or 0)) from error
        finally:
            report.close()
            cells.close()
            os.close(out)
            os.close(err)
        os.set_blocking(stdout, False)
        os.set_blocking(stderr, False)
        handles: list[int] = []
        try:
            async with asyncio.timeout(SESSION_SECONDS_MAX):
                handles += await _expect(orders, "init", SETUP_DESCRIPTORS)
                handles += await _expect(orders, "kernel", 1)
        except BaseException as error:
            orders.close()
            stream.close()
            for descriptor in (stdout, stderr, *handles):
                os.close(descriptor)
            if isinstance(error, TimeoutError):
                raise CannotIsolate(Refusal("session", errno.ETIMEDOUT)) from error
            raise
        init, data, kernel = handles
        return Spawned(orders, stream, stdout, stderr, init, kernel, data)

    async def end(self) -> None:
        """End it, and with it every session."""
        self._control.close()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)


async def _expect(orders: socket.socket, name: str, count: int) -> list[int]:
    facts, descriptors = await receive(orders)
    if facts.get(name) and len(descriptors) == count:
        return descriptors
    raise _refused(facts, "session")


def _check_ready(facts: dict[str, Any]) -> None:
    if not facts.pop("ready", False):
        raise _refused(facts, "zygote")


def _refused(facts: dict[str, Any], stage: str) -> CannotIsolate:
    detail = facts.get("detail", "it ended without a word")
    return CannotIsolate(Refusal(facts.get("stage", stage), facts.get("errno", 0), detail))


def _python(plan: ZygotePlan) -> str:
    return f"{plan.environment}/bin/python"


def _check(plan: ZygotePlan) -> None:
    """Refuse what cannot work before anything is started."""
    if platform.machine() not in seccomp.ARCHITECTURES:
        raise CannotIsolate(Refusal("architecture", 0, platform.machine()))
    if not Path(_python(plan)).exists():
        raise CannotIsolate(Refusal("environment", errno.ENOENT, _python(plan)))
    python = os.path.realpath(_python(plan))
    if plan.isolation == "namespaces" and python.startswith(HIDDEN):
        raise CannotIsolate(Refusal("environment", errno.EINVAL, python))
