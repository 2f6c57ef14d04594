"""A real server process for one test: its own data folder, a key, and a free loopback port."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.services.ports import free_port

COMMAND = Path(sys.executable).parent / "understudy"
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10
CHECK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, a key for it, and its log."""

    url: str
    key: str
    log: Path


@asynccontextmanager
async def running_server(folder: Path, config: str) -> AsyncIterator[Server]:
    """Start the server on an empty data folder, wait until it is healthy, and stop it by pid."""
    (folder / "understudy.toml").write_text(config)
    key = await _new_key(folder / "data")
    server = Server(f"http://127.0.0.1:{free_port()}", key, folder / "server.log")
    process = await _start(server, folder)
    try:
        await asyncio.wait_for(_healthy(server, process), START_SECONDS_MAX)
        yield server
    finally:
        await _stop(process)


async def _new_key(data: Path) -> str:
    create = ["keys", "create", "--name", "strict", "--data-dir", str(data)]
    process = await asyncio.create_subprocess_exec(
        str(COMMAND), *create, env=_environment(), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)
    assert process.returncode == 0, "`understudy keys create` failed; its error stands above."
    return output.decode().strip()


async def _start(server: Server, folder: Path) -> asyncio.subprocess.Process:
    host, port = server.url.removeprefix("http://").split(":")
    listen = ["--host", host, "--port", port]
    keep = [
        "--data-dir",
        str(folder / "data"),
        "--config",
        str(folder / "understudy.toml"),
    ]
    with server.log.open("wb") as log:
        return await asyncio.create_subprocess_exec(
            str(COMMAND),
            "serve",
            *listen,
            *keep,
            env=_environment(),
            stdout=log,
            stderr=log,
        )


async def _healthy(server: Server, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession(server.url) as session:
        while process.returncode is None:
            if await _answers_healthy(session):
                return
            await asyncio.sleep(CHECK_AGAIN_SECONDS)
    raise AssertionError(f"The server ended {process.returncode}:\n{server.log.read_text()}")


async def _answers_healthy(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    """Return our environment without settings, so that only the test's own apply."""
    return {name: value for name, value in os.environ.items() if not _is_setting(name)}


def _is_setting(name: str) -> bool:
    return name.startswith("UNDERSTUDY_")
