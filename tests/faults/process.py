"""One `understudy` process: started, killed, frozen and started again, always by its pid."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.process import understudy

START_SECONDS_MAX = 40
STOP_SECONDS_MAX = 20
LOOK_AGAIN_SECONDS = 0.05
RESTART_SECONDS = 0.3


class Process:
    """A process of the product, which says at its port that it lives."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        log: Path,
        port: int,
    ) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.starts = 0
        self._arguments = arguments
        self._settings = settings
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers; it must not end before."""
        if not await self._started():
            raise RuntimeError(f"{self.name} ended at its start:\n{self._last_words()}")

    async def start_again(self) -> None:
        """Start it among ruins: if it ends before it answers, once more, as supervisors do."""
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                while True:
                    if await self._started():
                        return
                    await asyncio.sleep(RESTART_SECONDS)
        except TimeoutError as error:
            raise RuntimeError(f"{self.name} does not come back:\n{self._last_words()}") from error

    async def _started(self) -> bool:
        with self._log.open("ab") as log:
            self._process = await _begun(self._arguments, self._settings, log.fileno())
        self.starts += 1
        return await self.wait_until_healthy()

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """End it at once, as a power cut does."""
        assert self._process is not None
        os.kill(self.pid, signal.SIGKILL)
        await self._process.wait()

    def freeze(self) -> None:
        """Let it stand still."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """End it politely, then by force."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            await self.kill()

    async def wait_until_healthy(self) -> bool:
        """Wait until it answers; returns whether it did, and not end instead."""
        assert self._process is not None
        async with asyncio.timeout(START_SECONDS_MAX), aiohttp.ClientSession() as session:
            while not await self._is_up(session):
                if self._process.returncode is not None:
                    return False
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return True

    async def _is_up(self, session: aiohttp.ClientSession) -> bool:
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with session.get(f"{self.url}/healthz", timeout=timeout) as answer:
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]


@asynccontextmanager
async def running(processes: Sequence[Process]) -> AsyncIterator[None]:
    """Run the processes until the block ends."""
    try:
        await asyncio.gather(*(process.start() for process in processes))
        yield
    finally:
        await asyncio.gather(*(process.stop() for process in processes))


async def finished(arguments: Sequence[str], settings: Mapping[str, str]) -> str:
    """Run a command to its good end, and return what it says."""
    process = await _begun(arguments, settings, asyncio.subprocess.PIPE)
    told, _ = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with {process.returncode}: {told.decode()}")
    return told.decode()


async def _begun(
    arguments: Sequence[str], settings: Mapping[str, str], output: int
) -> asyncio.subprocess.Process:
    ours = {name: value for name, value in os.environ.items() if "UNDERSTUDY_" not in name}
    return await asyncio.create_subprocess_exec(
        understudy(),
        *arguments,
        env={**ours, **settings},
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
    )
