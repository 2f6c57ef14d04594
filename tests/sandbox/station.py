"""A real runner as a process of its own, contained before anything hostile runs in it."""

import asyncio
import contextlib
import itertools
import json
import os
import resource
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from understudy.sandbox.cgroups.base import remove_tree
from understudy.sandbox.cgroups.version1 import own_trees
from understudy.sandbox.client import Sandbox, Session
from understudy.sandbox.install import everybody_reads
from understudy.sandbox.outputs import CellEnded, ImageOutput, TextOutput
from understudy.sandbox.refusal import Refusal

Identity = Literal["root", "user"]

SOURCES = Path(__file__).parents[2] / "src"
UNPRIVILEGED = 1500
BOUND = 30.0
STEP_SECONDS = 0.02
MIB = 1 << 20
# Of everything together: runner, zygote, sessions, and whatever an attack can grow.
CONTAINED_BYTES = 1024 * MIB
CONTAINED_PROCESSES = 400
IDENTITIES: tuple[Identity, ...] = ("root", "user") if os.geteuid() == 0 else ("user",)
SECRET = "canary-of-the-host-7f3a"

_numbers = itertools.count()


@dataclass
class Transcript:
    """What a cell gave back."""

    end: CellEnded
    texts: list[TextOutput] = field(default_factory=list)
    images: list[ImageOutput] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return all text, joined."""
        return "".join(one.text for one in self.texts)

    def of(self, source: str) -> str:
        """Return the text of one source."""
        return "".join(one.text for one in self.texts if one.source == source)


class Station:
    """A running runner and a way to its sessions."""

    def __init__(self, process: subprocess.Popen[bytes], socket: Path) -> None:
        self.process = process
        self.socket = socket
        self.report: dict[str, Any] = {}
        self.sandbox = Sandbox([f"unix:{socket}"])

    @asynccontextmanager
    async def session(self, key: str = "") -> AsyncIterator[Session]:
        """Hold a session, a new one if no key is given, and end it."""
        session, _ = await self.sandbox.acquire(key or f"attack-{next(_numbers)}")
        try:
            yield session
        finally:
            await session.end()

    async def run(self, code: str) -> Transcript:
        """Run a cell in a session of its own."""
        async with self.session() as session:
            return await run(session, code)

    async def check_well(self) -> None:
        """Fail unless the runner serves somebody else as if nothing had happened."""
        transcript = await self.run("print(6 * 7)")
        assert transcript.text == "42\n", transcript

    @property
    def resident_bytes(self) -> int:
        """Return the memory of the runner process."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    @property
    def open_files(self) -> int:
        """Return how many descriptors the runner holds."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def processes(self) -> list[int]:
        """Return all processes below the runner."""
        found = [self.process.pid]
        for process in found:
            for task in Path("/proc").glob(f"{process}/task/*/children"):
                with contextlib.suppress(OSError):
                    found += map(int, task.read_text().split())
        return found[1:]


async def run(session: Session, code: str) -> Transcript:
    """Run a cell within a bounded time."""
    texts: list[TextOutput] = []
    images: list[ImageOutput] = []
    async with asyncio.timeout(BOUND):
        async for output in session.run(code):
            match output:
                case CellEnded():
                    return Transcript(output, texts, images)
                case TextOutput():
                    texts.append(output)
                case ImageOutput():
                    images.append(output)
    raise AssertionError("the cell has no end")


def as_it_is() -> None:
    """Change nothing about the host."""


@contextmanager
def station(
    folder: Path,
    environment: Path,
    identity: Identity,
    *options: str,
    enter: Callable[[], None] = as_it_is,
    within: list[Path] | None = None,
) -> Iterator[Station]:
    """Start a runner and end it, by the end of its lifeline.

    ``enter`` runs just before it, and ``within`` are the groups that contain it, its own if none
    are named. Where the host as it is cannot isolate, the test is skipped with the reason; a host
    that is known to be able to says so with UNDERSTUDY_MUST_ISOLATE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    socket = folder / "runner.sock"
    unprivileged = identity == "user" and os.geteuid() == 0
    if unprivileged:
        _skip_if_closed(environment, SOURCES)
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    arguments = ["--lifeline", "--socket", str(socket), "--environment", str(environment), *options]
    with contextlib.nullcontext(within) if within is not None else containment() as groups:
        process = subprocess.Popen(
            # The kernels' Python is one that everybody can run, and has none of our packages.
            [environment / "bin" / "python", "-m", "understudy.sandbox", *arguments],
            env={"PYTHONPATH": str(SOURCES), "CANARY": SECRET, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: _contain(groups, enter, unprivileged=unprivileged),  # noqa: PLW1509
        )
        try:
            running = Station(process, socket)
            assert process.stdout
            running.report = json.loads(process.stdout.readline())
            if enter is as_it_is:
                _skip_if_host_cannot(running.report)
            yield running
        finally:
            end(process)


def _skip_if_closed(*paths: Path) -> None:
    closed = [path for path in paths if not everybody_reads(path)]
    if closed:
        pytest.skip(f"an unprivileged runner cannot read {closed[0]}")


def _skip_if_host_cannot(report: dict[str, Any]) -> None:
    if report["ok"] or os.environ.get("UNDERSTUDY_MUST_ISOLATE"):
        return
    refusal = report["refusal"]
    refused = Refusal(refusal["stage"], refusal["errno"], refusal["detail"])
    if refused.lies_in_host:
        pytest.skip(str(refused))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a runner as its parent's end would."""
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    try:
        process.wait(BOUND)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()


@contextmanager
def containment() -> Iterator[list[Path]]:
    """Make groups that bound whatever is started inside them, where this process may."""
    trees = own_trees() if os.geteuid() == 0 else {}
    name = f"understudy-test-{os.getpid()}-{next(_numbers)}"
    groups = [trees[one] / name for one in ("memory", "pids") if one in trees]
    bounds = {"memory.limit_in_bytes": CONTAINED_BYTES, "pids.max": CONTAINED_PROCESSES}
    for group in groups:
        group.mkdir()
        for file, bound in bounds.items():
            if (group / file).exists():
                (group / file).write_text(str(bound))
    try:
        yield groups
    finally:
        for group in groups:
            remove_tree(group)


def _contain(groups: list[Path], enter: Callable[[], None], *, unprivileged: bool) -> None:
    """Bound this process, and all that comes from it, before it becomes the runner."""
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    resource.setrlimit(resource.RLIMIT_NPROC, (CONTAINED_PROCESSES, CONTAINED_PROCESSES))
    if unprivileged:
        os.setgroups([])
        os.setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED)
        os.setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED)
    enter()


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition of other processes holds, within a bounded time."""
    steps = int(BOUND / STEP_SECONDS)
    for _ in range(steps):
        if condition():
            return
        await asyncio.sleep(STEP_SECONDS)
    raise AssertionError(what)
