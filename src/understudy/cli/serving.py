"""Serves HTTP until the process is told to stop."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

import uvicorn

from understudy.app.running import running
from understudy.cli.banner import show_banner, show_sandbox
from understudy.cli.loopback import is_loopback
from understudy.errors import Misconfigured
from understudy.operations import keys
from understudy.operations.ports import Ports
from understudy.settings import Settings


class _Server(uvicorn.Server):
    """Uvicorn, except that a signal ends ``serve`` and not the process: ours is not done then."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Tell the streams that can be taken up elsewhere to end now."""
        self._stopping.set()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a request to stop; a second SIGINT does not wait."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


async def serve_until_stopped(settings: Settings, listening: socket.socket) -> None:
    """Open the server, tell the user where it is, and run it until SIGINT or SIGTERM."""
    async with running(settings) as (server, ports):
        new_key = await _first_key(ports, settings.host)
        config = uvicorn.Config(
            server,
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, int(settings.drain_seconds)),
            backlog=2048,
        )
        _spare_the_collector()
        await show_banner(settings, ports, listening.getsockname()[1], new_key)
        async with _meanwhile(show_sandbox(settings)):
            await _Server(config, ports.stopping).serve([listening])


@asynccontextmanager
async def _meanwhile(duty: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this beside the block, and leave it when the block ends."""
    task = asyncio.create_task(duty)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _spare_the_collector() -> None:
    """Keep what lives as long as the process out of collections, and have fewer of them.

    Requests make next to no cycles; at the usual thresholds collecting takes 2 % of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _first_key(ports: Ports, host: str) -> str | None:
    """Make a key when there is none: it is shown once. Only loopback gets one unasked."""
    known = await ports.storage.list_keys()
    if any(key.revoked_at is None for key in known):
        return None
    if not is_loopback(host):
        raise Misconfigured(
            f"There is no API key, and {host} can be reached from other machines. "
            "Make one first: understudy keys create --name first"
        )
    return await keys.create(ports.storage, "first", ports.now)
