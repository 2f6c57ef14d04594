"""Cached environments with one official client each, exactly as a user would install it.

An environment is made once, under `.cache/clients` of the project (UNDERSTUDY_TEST_CACHE names
another folder instead of `.cache`), and used by every later run. A file lock keeps the workers of
one test run from making the same environment at once; a stamp says what is installed.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Era = Literal["v1", "v2"]

INSTALL_SECONDS_MAX = 240


class CannotInstall(Exception):
    """The client could not be installed; the message says what was tried and what came back."""


@dataclass(frozen=True)
class PythonClient:
    """One release of the `openai` package from PyPI."""

    version: str
    era: Era
    also: tuple[str, ...] = ()
    language = "python"

    @property
    def name(self) -> str:
        """Return the name of the environment, which is also the name in the test's id."""
        return f"python-openai-{self.version}"

    @property
    def requirements(self) -> tuple[str, ...]:
        """Return what pip is asked for."""
        return (f"openai=={self.version}", *self.also)

    @property
    def stamp(self) -> str:
        """Return what a finished environment holds; another Python needs another one."""
        return f"python {sys.version_info.major}.{sys.version_info.minor} {self.requirements}"

    def install(self, folder: Path) -> None:
        """Make a virtual environment in the folder and install the client there."""
        _install([sys.executable, "-m", "venv", str(folder / "venv")])
        pip = [str(self.interpreter(folder)), "-m", "pip", "install", "--quiet"]
        _install([*pip, "--disable-pip-version-check", *self.requirements])

    def interpreter(self, folder: Path) -> Path:
        """Return the Python that sees the client."""
        return folder / "venv" / "bin" / "python"

    def command(self, folder: Path, program: Path) -> list[str]:
        """Return the command line that runs a program with this client."""
        return [str(self.interpreter(folder)), str(program)]


@dataclass(frozen=True)
class NodeClient:
    """One release of the `openai` package from npm."""

    version: str
    era: Era
    language = "node"

    @property
    def name(self) -> str:
        """Return the name of the environment, which is also the name in the test's id."""
        return f"node-openai-{self.version}"

    @property
    def stamp(self) -> str:
        """Return what a finished environment holds."""
        return f"npm openai@{self.version}"

    def install(self, folder: Path) -> None:
        """Install the client into the folder's `node_modules`."""
        npm = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
        # The newest client names Node 22 as its floor but runs on 20; npm must not refuse it.
        _install([*npm, "--ignore-scripts", "--engine-strict=false", f"openai@{self.version}"])

    def command(self, folder: Path, program: Path) -> list[str]:
        """Return the command line that runs a program with this client."""
        return ["node", str(program), str(folder / "node_modules" / "openai" / "index.mjs")]


Client = PythonClient | NodeClient

# 1.20.0 and 4.36.0 are the last releases that speak v1 (SDK-01).
PYTHON_CLIENTS = (
    PythonClient("1.20.0", "v1", also=("httpx<0.28",)),
    PythonClient("1.109.1", "v2"),
    PythonClient("2.54.0", "v2"),
    PythonClient("3.54.0", "v2"),
)
NODE_CLIENTS = (NodeClient("4.36.0", "v1"), NodeClient("7.57.0", "v2"))

# The first release that speaks v2 (SDK-01), with vector stores below `client.beta` (VS-15).
FIRST_V2_PYTHON = PythonClient("1.21.0", "v2", also=("httpx<0.28",))

OLDEST_PYTHON, *_, NEWEST_PYTHON = PYTHON_CLIENTS


def environment_of(client: Client) -> Path:
    """Return the folder with the client installed, making it when it is not there yet."""
    folder = _cache() / client.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(folder.suffix + ".lock")):
        if _stamp_of(folder) != client.stamp:
            _make(client, folder)
    return folder


def _cache() -> Path:
    project = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("UNDERSTUDY_TEST_CACHE") or project / ".cache") / "clients"


def _make(client: Client, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    client.install(folder)
    (folder / "installed.txt").write_text(client.stamp)


def _stamp_of(folder: Path) -> str | None:
    stamp = folder / "installed.txt"
    return stamp.read_text() if stamp.is_file() else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _install(command: list[str]) -> None:
    shown = " ".join(command)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
    except FileNotFoundError as error:
        raise CannotInstall(
            f"`{command[0]}` is not on this machine; needed for: {shown}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"no end after {INSTALL_SECONDS_MAX} s: {shown}") from error
    if done.returncode != 0:
        raise CannotInstall(f"{shown}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
