"""Real server processes for the client tests, on free loopback ports with data of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

from tests.services.kernels import kernels
from tests.services.ports import free_port

START_SECONDS_MAX = 30
ROOM = ("--memory-mib", "512", "--sessions-max", "8", "--warm", "1", "--cell-seconds", "20")
STOP_SECONDS_MAX = 15
COMMAND = Path(sys.executable).with_name("understudy")
# The server is on this machine, whatever the environment says of proxies.
DIRECT = build_opener(ProxyHandler({}))
SCRIPT = Path(__file__).with_name("scenarios.yaml")


@dataclass(frozen=True)
class LiveServer:
    """Where the server is, and a key for it."""

    root: str
    key: str

    @property
    def base_url(self) -> str:
        """Return what an application puts into OPENAI_BASE_URL."""
        return f"{self.root}/v1"


@contextmanager
def running_server(folder: Path) -> Iterator[LiveServer]:
    """Run a server until the block ends; a traceback in its log is a failure of its own."""
    sandbox = f'sandbox_environment = "{kernels("minimal")}"\nsandbox_options = {[*ROOM]}\n'
    config = write_config(folder, sandbox)
    key = new_key(config, folder / "data")
    port = free_port()
    with running(
        "serve", "--port", str(port), "--data-dir", folder / "data", config=config, up=port
    ):
        yield LiveServer(root=f"http://127.0.0.1:{port}", key=key)


@contextmanager
def running(
    command: str, *options: str | Path, config: Path, up: int | None = None, **more: str
) -> Iterator[None]:
    """Run a command of ours until the block ends; ``up`` is where it answers that it is well.

    A traceback in its log is a failure of its own. ``more`` are variables for it.
    """
    log = config.with_name(f"{command}-{uuid4().hex[:8]}.log")
    asked = [str(COMMAND), command, *map(str, options), "--config", str(config)]
    with log.open("wb") as sink:
        process = subprocess.Popen(asked, stdout=sink, stderr=sink, env=environment(**more))
    try:
        if up is not None:
            _wait_until_up(up, process, log)
        yield
    finally:
        stop(process)
    told = log.read_text(errors="replace")
    assert "Traceback" not in told, f"the log holds a traceback:\n{told[-8000:]}"


def write_config(folder: Path, sandbox: str) -> Path:
    """Write a configuration with the scripted model, and return where."""
    path = folder / "understudy.toml"
    path.write_text(
        f"{sandbox}"
        f'[[upstreams]]\nname = "tests"\nkind = "scripted"\nscript = "{SCRIPT}"\n'
        'models = ["scripted"]\n'
    )
    return path


def new_key(config: Path, data: Path, **more: str) -> str:
    """Make a key and return it."""
    named = ("--name", "tests", "--data-dir", str(data))
    return told("keys", "create", *named, "--config", str(config), **more)


def told(*command: str, **more: str) -> str:
    """Return what a command of ours says."""
    done = subprocess.run(
        [str(COMMAND), *command],
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX,
        env=environment(**more),
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def environment(**more: str) -> dict[str, str]:
    """Return our environment without what would change the server, and with hasty keep-alives."""
    ours = ("OPENAI_", "UNDERSTUDY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "UNDERSTUDY_KEEP_ALIVE_SECONDS": "0.2", **more}


def _wait_until_up(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not _is_up(port):
        ended = process.poll()
        told = log.read_text(errors="replace")
        assert ended is None, f"the server ended with {ended} at its start:\n{told}"
        assert time.monotonic() < deadline, f"no /healthz in {START_SECONDS_MAX} s:\n{told}"
        time.sleep(0.05)


def _is_up(port: int) -> bool:
    try:
        with DIRECT.open(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return int(answer.status) == 200
    except (URLError, TimeoutError, ConnectionError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process politely; one that does not end in time is a failure."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
