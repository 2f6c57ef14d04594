"""A real server of the demo's own: a process, a free loopback port, and a folder for a while.

The process is started as a user would start it, and its banner is read as a user would read it:
that is where the address and the first key stand.
"""

import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from understudy.cli.demo_failed import DemoFailed

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0
# The same interpreter, whether or not the command is on the PATH.
COMMAND = (sys.executable, "-c", "from understudy.cli.main import main; main()")
_PORT = re.compile(rb"http://127\.0\.0\.1:(\d+)/v1")
_KEY = re.compile(rb"sk-understudy-[0-9a-f]{48}")


class DemoServer(Struct, frozen=True):
    """Where the server is, and a key for it."""

    port: int
    key: str


@contextmanager
def running_server(environment: Path) -> Iterator[DemoServer]:
    """Run a server until the block ends, and leave nothing behind. Raises DemoFailed.

    Its code interpreter runs on that environment, if there is one.
    """
    with tempfile.TemporaryDirectory(prefix="understudy-demo-") as name:
        folder = Path(name)
        process = _start(folder, environment)
        try:
            yield _wait_for_banner(process, folder)
        finally:
            _stop(process)


def _start(folder: Path, environment: Path) -> subprocess.Popen[bytes]:
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(folder / "data")]
    with _log(folder).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, *arguments],
            cwd=folder,
            env=_env(environment),
            stdout=subprocess.PIPE,
            stderr=log,
        )


def _env(environment: Path) -> dict[str, str]:
    """Return our environment without settings of another server, and with room for the banner."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
    sandbox = {"UNDERSTUDY_SANDBOX_ENVIRONMENT": str(environment)}
    return {**kept, **sandbox, "COLUMNS": "200"}


def _wait_for_banner(process: subprocess.Popen[bytes], folder: Path) -> DemoServer:
    told = b""
    end = time.monotonic() + START_SECONDS_MAX
    while (left := end - time.monotonic()) > 0:
        piece = _read(process, left)
        told += piece
        port, key = _PORT.search(told), _KEY.search(told)
        if port and key:
            return DemoServer(int(port[1]), key[0].decode())
        if not piece:
            break
    raise DemoFailed(f"its server did not start. {_last_words(folder)}")


def _read(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return what the server has printed meanwhile: nothing when it has ended, or in time."""
    if process.stdout is None or not select.select([process.stdout], [], [], seconds)[0]:
        return b""
    return os.read(process.stdout.fileno(), 65_536)


def _log(folder: Path) -> Path:
    return folder / "server.log"


def _last_words(folder: Path) -> str:
    lines = _log(folder).read_text(errors="replace").splitlines()
    return f"It said: {lines[-1]}" if lines else "It said nothing."


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
