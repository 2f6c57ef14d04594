"""Running a scenario program as an application's own process, against the live server."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .environments import CannotInstall, Client, NodeClient, environment_of
from .server import LiveServer

HERE = Path(__file__).parent
PROGRAM_SECONDS_MAX = 60
NOT_SCENARIOS = {"common", "citing", "documents", "surface", "turn"}


def programs_for(client: Client) -> list[Path]:
    """Return the scenarios that the client plays: those of its language, and those of its era."""
    folders = [HERE / client.language, HERE / f"{client.language}_{client.era}"]
    found = [path for folder in folders for path in sorted(folder.iterdir())]
    return [p for p in found if p.suffix in {".py", ".mjs"} and p.stem not in NOT_SCENARIOS]


def scenarios_of(clients: tuple[Client, ...]) -> list[Any]:
    """Return one test parameter for every client and scenario."""
    return [
        pytest.param(client, program, id=f"{client.name}-{program.stem}")
        for client in clients
        for program in programs_for(client)
    ]


def play(client: Client, program: Path, server: LiveServer, *arguments: str) -> Any:
    """Run the program to its end and return the JSON of its last line; fail with its stderr."""
    command = [*client.command(_environment(client), program), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS_MAX,
            env=_variables(server),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"{program.name}: no end after {PROGRAM_SECONDS_MAX} s\n{error.stderr!r}")
    if done.returncode != 0:
        pytest.fail(
            f"{program.name} with {client.name}:\n{done.stdout}{done.stderr}", pytrace=False
        )
    return json.loads(done.stdout.splitlines()[-1])


def _environment(client: Client) -> Path:
    if isinstance(client, NodeClient) and os.environ.get("UNDERSTUDY_SKIP_NODE") == "1":
        pytest.skip("UNDERSTUDY_SKIP_NODE=1")
    try:
        return environment_of(client)
    except CannotInstall as error:
        pytest.fail(
            f"{error}\n(UNDERSTUDY_SKIP_NODE=1 leaves out the Node clients.)", pytrace=False
        )


def _variables(server: LiveServer) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    # Users see the deprecation warnings of these resources; here they would only hide a reason.
    python = {"PYTHONPATH": str(HERE / "python"), "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    return {**kept, **python, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.key}
