"""Runs the ``understudy`` command as a user would, and servers that end with their test."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("understudy")
SECONDS_MAX = 30


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def refused(self, *phrases: str) -> None:
        """Assert that it ended with one sentence that says all this, and no traceback."""
        assert self.code == 1, f"{self.out}{self.err}"
        assert "Traceback" not in self.err
        assert self.err.startswith("understudy: ")
        assert len(self.err.splitlines()) == 1
        assert all(phrase in self.err for phrase in phrases), self.err


def understudy(*arguments: str | Path, folder: Path, **variables: str) -> Ended:
    """Run the command in the folder, with these variables, until it ends."""
    done = subprocess.run(
        [str(COMMAND), *map(str, arguments)],
        cwd=folder,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without settings of ours, and wide enough for any line."""
    ours = ("OPENAI_", "UNDERSTUDY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "COLUMNS": "200", **variables}


@dataclass(frozen=True)
class Serving:
    """A server that runs: its banner, and the process."""

    banner: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        """Return the port that the banner names."""
        found = re.search(r"http://127\.0\.0\.1:(\d+)/(?:v1|healthz)", self.banner)
        assert found, self.banner
        return int(found[1])

    @property
    def first_key(self) -> str:
        """Return the key that the banner shows."""
        found = re.search(r"sk-understudy-[0-9a-f]{48}", self.banner)
        assert found, self.banner
        return found[0]

    def ask(self, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
        """Send a request and return status and body."""
        headers = {"Authorization": f"Bearer {key}", "OpenAI-Beta": "assistants=v2"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS_MAX)
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, *arguments: str | Path, **variables: str) -> Iterator[Serving]:
    """Run a server on a free port, with data in ``folder / "data"``, until the block ends."""
    with _running(folder, "serve", "--port", "0", *arguments, variables=variables) as server:
        yield server


@contextmanager
def working(folder: Path, *arguments: str | Path, **variables: str) -> Iterator[Serving]:
    """Run a worker, likewise; its health is told on a free port."""
    with _running(folder, "worker", "--health-port", "0", *arguments, variables=variables) as one:
        yield one


@contextmanager
def _running(
    folder: Path, *arguments: str | Path, variables: Mapping[str, str]
) -> Iterator[Serving]:
    log_path = folder / f"{arguments[0]}.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [str(COMMAND), *map(str, arguments), "--data-dir", str(folder / "data")],
            cwd=folder,
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield Serving(_banner(process), process)
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS_MAX)
    assert "Traceback" not in log_path.read_text()


def _banner(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Tools"):
            break
    return "".join(lines)
