"""A NATS server with JetStream for tests: a private folder and a free loopback port.

There are two of them: the newest, which is a package of the tests, and Debian's, which is old.
``NATS_SERVER`` names another program to take in place of the newest one.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.services.ports import free_port

START_SECONDS_MAX = 20
PAUSE_SECONDS = 0.02
CONFIGURATION = """
host: "127.0.0.1"
port: {port}
ping_interval: "2s"
{jetstream}
{more}
"""
JETSTREAM = 'jetstream {{ store_dir: "{folder}", max_file_store: {store_bytes_max} }}'
STORE_BYTES_MAX = 1024**4


def newest_server() -> str | None:
    """Return the program that is installed with the tests' packages, or the one that is named."""
    named = os.environ.get("NATS_SERVER")
    return named or shutil.which("nats-server", path=str(Path(sys.executable).parent))


def debians_server() -> str | None:
    """Return the program that Debian has installed."""
    return shutil.which("nats-server", path="/usr/sbin:/usr/bin")


def chosen_server() -> str | None:
    """Return the program for tests that need only one, if there is any."""
    return newest_server() or debians_server()


class NatsServer:
    """One server with its data; it can be stopped, killed, frozen and started again."""

    def __init__(
        self,
        *,
        program: str | None = None,
        jetstream: bool = True,
        store_bytes_max: int = STORE_BYTES_MAX,
        more: str = "",
    ) -> None:
        """With a small ``store_bytes_max`` its disk is soon full.

        ``more`` stands in its configuration as it is.
        """
        self._program = program or chosen_server()
        self._folder = Path(tempfile.mkdtemp(prefix="understudy-nats-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        store = JETSTREAM.format(folder=self._folder / "data", store_bytes_max=store_bytes_max)
        jetstream_lines = store if jetstream else ""
        text = CONFIGURATION.format(port=self.port, jetstream=jetstream_lines, more=more)
        (self._folder / "nats.conf").write_text(text)

    @property
    def url(self) -> str:
        """Return its address."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the id of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it answers."""
        assert self._program is not None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", self._folder / "nats.conf"], stdout=log, stderr=log
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop: clients are sent away, and everything is written."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Have it say nothing more, while its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Remove what the stopped server has kept."""
        assert self._process is None
        shutil.rmtree(self._folder / "data")

    def lose_messages(self) -> None:
        """Remove the messages of the stopped server, as a disk that was full may have done.

        What its consumers have been given is remembered.
        """
        assert self._process is None
        for block in (self._folder / "data").glob("**/msgs/*"):
            block.unlink()

    def remove(self) -> None:
        """Kill it if it runs, and remove all data."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder)

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + START_SECONDS_MAX
        while not self._is_ready():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(PAUSE_SECONDS)

    def _is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
            return probe.recv(4) == b"INFO"
        return False

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(START_SECONDS_MAX)
        self._process = None


def running(program: str, *, store_bytes_max: int = STORE_BYTES_MAX) -> Iterator[NatsServer]:
    """Yield a running server once, for fixtures."""
    server = NatsServer(program=program, store_bytes_max=store_bytes_max)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_nats_server(nats_program: str) -> Iterator[NatsServer]:
    """Give a running server that the test may stop, freeze and rob of its data."""
    yield from running(nats_program)


@pytest.fixture
def nats_prefix() -> str:
    """Give a beginning of names that no other test has."""
    return f"test-{uuid4().hex}"
