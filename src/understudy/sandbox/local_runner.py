"""A runner as a child of the server: started with it, ended with it, started again if it dies."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger("understudy.sandbox")

START_SECONDS_MAX = 120.0
END_SECONDS_MAX = 10.0
RESTART_PAUSE_SECONDS = 1.0
# What a Python process may need to know; the rest of the server's environment may hold keys.
HARMLESS = ("PATH", "PYTHONPATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_RUNTIME_DIR")


def harmless_environment() -> dict[str, str]:
    """Return what of this process's environment a runner gets."""
    return {name: os.environ[name] for name in HARMLESS if name in os.environ}


class LocalRunner:
    """A child process that serves a unix socket.

    Its standard input is a lifeline: however this process ends, the child sees the end of it.
    """

    def __init__(self, arguments: Sequence[str], python: str = sys.executable) -> None:
        self._command = (python, "-m", "understudy.sandbox", "--lifeline", *arguments)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process_id(self) -> int:
        """Return the child's process id."""
        assert self._process
        return self._process.pid

    async def start(self) -> dict[str, Any]:
        """Start it and return its report, once it listens. Raises RuntimeError when it ends."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=harmless_environment(),
        )
        assert self._process.stdout
        async with asyncio.timeout(START_SECONDS_MAX):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sandbox runner ended with {await self._process.wait()}")
        report: dict[str, Any] = json.loads(line)
        return report

    async def keep(self) -> None:
        """Start it again whenever it ends; cancelled at shutdown."""
        while True:
            assert self._process
            await self._process.wait()
            await asyncio.sleep(RESTART_PAUSE_SECONDS)
            try:
                await self.start()
            except (RuntimeError, TimeoutError, OSError, ValueError) as error:
                log.warning("The sandbox runner does not start again: %s", error)
                await self.end()

    async def end(self) -> None:
        """End it, gently first."""
        if self._process and self._process.returncode is None:
            assert self._process.stdin
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), END_SECONDS_MAX)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@asynccontextmanager
async def local_runner(
    socket: Path, environment: Path, *options: str
) -> AsyncIterator[tuple[LocalRunner, dict[str, Any]]]:
    """Hold a runner at a unix socket; yields it with its first report."""
    runner = LocalRunner(["--socket", str(socket), "--environment", str(environment), *options])
    try:
        report = await runner.start()
        keeping = asyncio.create_task(runner.keep())
        try:
            yield runner, report
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
    finally:
        await runner.end()
