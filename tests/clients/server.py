"""One real server process for the client tests, on a free loopback port with data of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from tests.sandbox.conftest import _built

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
    log = folder / "server.log"
    server = LiveServer(root=f"http://127.0.0.1:{_free_port()}", key=_new_key(folder))
    with log.open("wb") as sink:
        process = subprocess.Popen(_command(server, folder), stdout=sink, stderr=sink, env=_env())
    try:
        _wait_until_up(server, process, log)
        yield server
    finally:
        _stop(process)
    told = log.read_text(errors="replace")
    assert "Traceback" not in told, f"the server's log holds a traceback:\n{told[-8000:]}"


def _command(server: LiveServer, folder: Path) -> list[str]:
    port = server.root.rpartition(":")[2]
    where = ["--host", "127.0.0.1", "--port", port, *_data(folder)]
    return [str(COMMAND), "serve", *where, "--config", str(_config(folder))]


def _config(folder: Path) -> Path:
    path = folder / "understudy.toml"
    path.write_text(
        f'sandbox_environment = "{_built("minimal")}"\n'
        f"sandbox_options = {[*ROOM]}\n"
        f'[[upstreams]]\nname = "tests"\nkind = "scripted"\nscript = "{SCRIPT}"\n'
        'models = ["scripted"]\n'
    )
    return path


def _new_key(folder: Path) -> str:
    command = [str(COMMAND), "keys", "create", "--name", "tests", *_data(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=START_SECONDS_MAX, env=_env(), check=False
    )
    assert done.returncode == 0, f"no key: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def _data(folder: Path) -> list[str]:
    return ["--data-dir", str(folder / "data")]


def _env() -> dict[str, str]:
    """Return our environment without what would change the server, and with hasty keep-alives."""
    ours = ("OPENAI_", "UNDERSTUDY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "UNDERSTUDY_KEEP_ALIVE_SECONDS": "0.2"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(server: LiveServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not _is_up(server):
        ended = process.poll()
        told = log.read_text(errors="replace")
        assert ended is None, f"the server ended with {ended} at its start:\n{told}"
        assert time.monotonic() < deadline, f"no /healthz in {START_SECONDS_MAX} s:\n{told}"
        time.sleep(0.05)


def _is_up(server: LiveServer) -> bool:
    try:
        with DIRECT.open(f"{server.root}/healthz", timeout=2) as answer:
            return int(answer.status) == 200
    except (URLError, TimeoutError, ConnectionError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
