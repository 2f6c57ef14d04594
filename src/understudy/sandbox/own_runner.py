"""The runner that a server keeps for itself alone, beside its data."""

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from understudy.sandbox.client import Sandbox
from understudy.sandbox.install import STAMP
from understudy.sandbox.local_runner import local_runner

# What the kernel takes for a socket's path, with some room.
PATH_BYTES_MAX = 100
RESTART_SECONDS = 2.0
RESTART_SECONDS_MAX = 60.0

log = logging.getLogger("understudy.sandbox")


@asynccontextmanager
async def own_runner(
    data_dir: Path, environment: Path, options: Sequence[str] = ()
) -> AsyncIterator[Sandbox]:
    """Hold a runner of our own; it gets ready while the block goes on already."""
    socket = socket_path(data_dir)
    keeping = asyncio.create_task(_keep(socket, environment, options), name="sandbox runner")
    try:
        yield own_sandbox(data_dir)
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


def own_sandbox(data_dir: Path) -> Sandbox:
    """Return the way to the runner of this data folder, whether or not it runs."""
    return Sandbox([f"unix:{socket_path(data_dir)}"])


def make_socket_folder(data_dir: Path) -> None:
    """Make the folder of the socket. Raises OSError, also when it is somebody else's."""
    folder = socket_path(data_dir).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022 or not folder.is_dir():
        raise PermissionError(
            errno.EACCES, f"{folder} has to be a folder that only this user can write to."
        )


def is_installed(environment: Path) -> bool:
    """Return whether the kernels' Python environment has been built, to its end."""
    # Unlike Path.exists, this says no of a folder that we may not enter.
    return os.path.exists(environment / STAMP)  # noqa: PTH110


def socket_path(data_dir: Path) -> Path:
    """Return where the runner of this data folder listens, always the same place."""
    folder = data_dir.resolve()
    name = f"understudy-{hashlib.sha256(bytes(folder)).hexdigest()[:16]}"
    short = Path("/tmp") / name  # noqa: S108 - the folder is ours alone, or refused
    places = (folder / "sandbox", Path(tempfile.gettempdir()) / name, short)
    paths = (place / "runner.sock" for place in places)
    return next(path for path in paths if len(bytes(path)) <= PATH_BYTES_MAX)


async def _keep(socket: Path, environment: Path, options: Sequence[str]) -> None:
    pause_seconds = RESTART_SECONDS
    while True:
        try:
            async with local_runner(socket, environment, *options) as (_, report):
                pause_seconds = RESTART_SECONDS
                if not report["ok"]:
                    log.warning("The code interpreter cannot isolate: %s", report["refusal"])
                await asyncio.Event().wait()
        except (RuntimeError, TimeoutError, OSError, ValueError) as error:
            log.warning("The sandbox runner does not start: %s", error)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RESTART_SECONDS_MAX)
