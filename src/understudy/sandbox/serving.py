"""The runner's process: its doors, its signals, and its end.

python -m understudy.sandbox --environment /opt/python --socket /run/sandbox/runner.sock
python -m understudy.sandbox --environment /opt/python --listen 0.0.0.0:8470 --secret-file F
"""

import argparse
import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from understudy.sandbox import http_door
from understudy.sandbox.conversation import Conversation
from understudy.sandbox.limits import MIB, Limits
from understudy.sandbox.runner import Runner, RunnerSettings
from understudy.sandbox.socket_owner import OWNER_ONLY, NobodyOfThatName, SocketOwner

PR_SET_DUMPABLE = 4
CLAIM_SECONDS_MAX = 3.0
CLAIM_STEP_SECONDS = 0.05


class AlreadyRunning(Exception):
    """Another runner serves this socket."""


class Doors:
    """Lets clients in."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._servers: list[asyncio.Server] = []
        self._held: set[asyncio.Task[None]] = set()
        self._locks: list[int] = []

    async def claim(self, path: Path, owner: SocketOwner) -> None:
        """Make this socket ours, and remove what an earlier runner left. Raises AlreadyRunning.

        One that is just ending, because its server was killed, is waited for.
        """
        lock = _open_lock(path, owner)
        self._locks.append(lock)
        give_up = time.monotonic() + CLAIM_SECONDS_MAX
        while not _is_ours(lock):
            if time.monotonic() > give_up:
                raise AlreadyRunning(str(path))
            await asyncio.sleep(CLAIM_STEP_SECONDS)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - at once, and no matter for a thread

    async def open_socket(self, path: Path, owner: SocketOwner) -> None:
        """Listen on a unix socket that is claimed."""
        self._servers.append(await asyncio.start_unix_server(self._talk, path))
        owner.take(path)

    async def open_port(self, host: str, port: int, secret: str) -> int:
        """Listen for HTTP; returns the port, which is a free one if 0 was asked for."""
        if not secret:
            raise ValueError("a runner that others can reach needs a secret")

        async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._let_in(reader, writer, secret)

        server = await asyncio.start_server(let_in, host, port)
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Let nobody in any more and break off who is there."""
        for server in self._servers:
            server.close()
        for task in self._held:
            task.cancel()
        await asyncio.gather(*self._held, return_exceptions=True)
        for lock in self._locks:
            os.close(lock)

    async def _let_in(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: str
    ) -> None:
        http_door.notice_lost_peer(writer)
        head = await http_door.read_head(reader)
        healthy = self._runner.refusal is None
        status = http_door.verdict(head, secret, healthy=healthy) if head else 400
        with contextlib.suppress(OSError):
            writer.write(http_door.response(status))
            await writer.drain()
        if status == 101:  # noqa: PLR2004 - it is called that
            await self._talk(reader, writer)
        else:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._held.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await Conversation(self._runner, reader, writer).hold()
        finally:
            self._held.discard(task)


def _open_lock(path: Path, owner: SocketOwner) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=owner.folder_mode)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path.with_suffix(".lock"), flags, OWNER_ONLY)


def _is_ours(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def serve(options: argparse.Namespace) -> int:
    """Run until a signal comes, or the lifeline ends; returns the exit status."""
    # The secret is in this process; nobody but root may look into it.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    stop = _stop_signal(lifeline=options.lifeline)
    with contextlib.ExitStack() as stack:
        scratch = options.scratch or stack.enter_context(tempfile.TemporaryDirectory())
        runner = Runner(_settings(options, scratch))
        doors = Doors(runner)
        try:
            if options.socket and not options.probe:
                # Before the start, which costs seconds and attacks the host.
                await doors.claim(Path(options.socket), options.socket_owner)
            await runner.start()
            if options.probe:
                print(json.dumps(runner.report(), indent=2))  # noqa: T201 - what was asked for
                return 1 if runner.refusal else 0
            if options.socket:
                await doors.open_socket(Path(options.socket), options.socket_owner)
            if options.listen:
                host, _, port = options.listen.rpartition(":")
                await doors.open_port(host, int(port), options.secret_file)
            _say_ready(runner)
            await _first_of(stop, runner.spent)
        finally:
            await doors.close()
            await runner.close()
    return 0


def main(arguments: Sequence[str] | None = None, environment: Path | None = None) -> None:
    """Run the runner from the command line; ``environment`` is used when it names none."""
    parser = _parser(environment)
    options = parser.parse_args(arguments)
    if options.listen and not options.secret_file:
        parser.error("--listen needs --secret-file")
    if not (options.listen or options.socket or options.probe):
        parser.error("one of --socket, --listen and --probe is needed")
    try:
        sys.exit(asyncio.run(serve(options)))
    except AlreadyRunning as running:
        sys.exit(f"Another runner serves {running}.")


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _say_ready(runner: Runner) -> None:
    """Tell whoever started this, on one line, that the doors are open; he may be gone already."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{json.dumps(runner.report())}\n".encode())


def _stop_signal(*, lifeline: bool) -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline:
        loop.add_reader(0, lambda: stop.set() if not os.read(0, 1024) else None)
    return stop


def _settings(options: argparse.Namespace, scratch: str) -> RunnerSettings:
    limits = Limits(
        cell_seconds=options.cell_seconds,
        memory_bytes=options.memory_mib * MIB,
        disk_bytes=options.disk_mib * MIB,
        cpus=options.cpus,
        processes=options.processes,
    )
    external = options.isolation == "external"
    return RunnerSettings(
        environment=options.environment,
        isolation=options.isolation,
        scratch=scratch,
        limits=limits,
        sessions_max=1 if external else options.sessions_max,
        warm=0 if external else options.warm,
        idle_seconds=options.idle_seconds,
    )


def _parser(environment: Path | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="understudy sandbox serve",
        description="Run sessions of hostile Python for servers, here or on other machines.",
    )
    add = parser.add_argument
    add(
        "--environment",
        required=environment is None,
        default=str(environment),
        help="the kernels' own Python, built by 'understudy sandbox install' [%(default)s]",
    )
    add(
        "--isolation",
        choices=("namespaces", "external"),
        default="namespaces",
        help="external: the pod or virtual machine is the sandbox, for one session",
    )
    add("--scratch", default="", help="a folder for the session, with isolation external only")
    _add_doors(parser)
    _add_limits(parser)
    add("--lifeline", action="store_true", help="end when standard input ends")
    add("--probe", action="store_true", help="test this host, say how it went as JSON, and end")
    return parser


def _add_doors(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--socket", help="a unix socket to serve")
    add(
        "--socket-owner",
        type=_owner,
        default=SocketOwner(),
        metavar="USER[:GROUP]",
        help="who may connect to the socket, when not the runner's own user",
    )
    add("--listen", metavar="HOST:PORT", help="an address to serve over HTTP")
    add(
        "--secret-file",
        type=_secret,
        metavar="FILE",
        help="holds the secret that clients over HTTP send",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits, settings = Limits(), RunnerSettings("")
    add = parser.add_argument
    add(
        "--sessions-max",
        type=int,
        default=settings.sessions_max,
        help="sessions at once [%(default)s]",
    )
    add("--warm", type=int, default=settings.warm, help="sessions kept in reserve [%(default)s]")
    add(
        "--idle-seconds",
        type=float,
        default=settings.idle_seconds,
        help="until a session ends [%(default)s]",
    )
    add(
        "--cell-seconds",
        type=float,
        default=limits.cell_seconds,
        help="for one piece of code [%(default)s]",
    )
    add(
        "--memory-mib",
        type=int,
        default=limits.memory_bytes // MIB,
        help="of a session [%(default)s]",
    )
    add(
        "--disk-mib",
        type=int,
        default=limits.disk_bytes // MIB,
        help="of a session, in memory [%(default)s]",
    )
    add("--cpus", type=float, default=limits.cpus, help="of a session [%(default)s]")
    add("--processes", type=int, default=limits.processes, help="of a session [%(default)s]")


def _owner(text: str) -> SocketOwner:
    try:
        return SocketOwner.parse(text)
    except NobodyOfThatName as nobody:
        raise argparse.ArgumentTypeError(str(nobody)) from nobody


def _secret(file: str) -> str:
    try:
        secret = Path(file).read_text().strip()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{file}: {error.strerror}") from error
    if not secret:
        raise argparse.ArgumentTypeError(f"{file} is empty")
    return secret
