"""A server process that can be killed at any moment and started again on the same data."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from tests.services.ports import free_port

from .server_that_dies import Death, serve

START_SECONDS_MAX = 30
DEATH_SECONDS_MAX = 15
_DIRECT = build_opener(ProxyHandler({}))
# Every server is a process of its own, forked from one that has imported everything already:
# a hundred starts would otherwise spend their time on imports.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["understudy.cli.main", "understudy.app.running", "understudy.cli.serving", "uvloop"]
)


class MortalServer:
    """`understudy serve` on one data folder and port; ``deaths`` are used up one per start."""

    def __init__(self, folder: Path, key: str, deaths: tuple[Death, ...] = ()) -> None:
        self.key = key
        self.port = free_port()
        self.died = 0
        self.log = folder / "server.log"
        self.settings: dict[str, str] = {}
        self._folder = folder
        self._deaths = list(deaths)
        self._reviving = threading.Condition(threading.RLock())
        self._process: ForkServerProcess | None = None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        death = self._deaths.pop(0) if self._deaths else None
        arguments = ["--port", str(self.port), "--data-dir", str(self._folder / "data")]
        arguments += ["--config", str(self._folder / "understudy.toml")]
        self._process = _PROCESSES.Process(
            target=serve, args=(arguments, self.settings, self.log, death)
        )
        self._process.start()
        process = self._process
        self.wait_until_healthy(lambda: process.exitcode)

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def data(self) -> Path:
        """Return the data folder."""
        return self._folder / "data"

    def kill(self) -> None:
        """End the process at once, as a power cut does."""
        os.kill(self.pid, signal.SIGKILL)

    def revive(self, known_deaths: int) -> None:
        """Start anew what has died, unless another client, who knew no more, has done so.

        A server that lives, or that ended otherwise than by SIGKILL, is an error.
        """
        with self._reviving:
            if self.died == known_deaths:
                self._revive()
            self._reviving.notify_all()

    def wait_for_life_after(self, deaths: int) -> None:
        """Wait until the server has been started again after so many deaths and one more."""
        with self._reviving:
            assert self._reviving.wait_for(lambda: self.died > deaths, START_SECONDS_MAX)

    def _revive(self) -> None:
        assert self._process is not None
        self._process.join(DEATH_SECONDS_MAX)
        assert self._process.exitcode == -signal.SIGKILL, self._told("did not die by SIGKILL")
        self.start()
        self.died += 1  # only now: who knows of this death may expect an answer

    def stop(self) -> None:
        """End the process for good, and complain of tracebacks in its log."""
        if self._process is not None and self._process.is_alive():
            self.kill()
            self._process.join(DEATH_SECONDS_MAX)
        assert "Traceback" not in self.log.read_text(errors="replace"), self._told("complained")

    def wait_until_healthy(self, ended: Callable[[], int | None]) -> None:
        """Wait until the server answers; it must not end before."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_up():
            assert ended() is None, self._told(f"ended with {ended()} at its start")
            assert time.monotonic() < deadline, self._told("did not start")
            time.sleep(0.01)

    def _is_up(self) -> bool:
        try:
            with _DIRECT.open(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, TimeoutError, ConnectionError):
            return False

    def _told(self, what: str) -> str:
        return f"The server {what}:\n{self.log.read_text(errors='replace')[-8000:]}"
