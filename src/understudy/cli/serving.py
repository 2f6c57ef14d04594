"""Serves HTTP until the process is told to stop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from understudy.app.running import running
from understudy.cli.banner import show_banner, show_sandbox
from understudy.cli.http_server import HttpServer, spare_the_collector
from understudy.cli.loopback import is_loopback
from understudy.errors import Misconfigured
from understudy.operations import keys
from understudy.operations.ports import Ports
from understudy.settings import Settings


async def serve_until_stopped(settings: Settings, listening: socket.socket) -> None:
    """Open the server, tell the user where it is, and run it until SIGINT or SIGTERM."""
    async with running(settings) as (server, ports):
        new_key = await _first_key(ports, settings.host)
        spare_the_collector()
        await show_banner(settings, ports, listening.getsockname()[1], new_key)
        async with _meanwhile(show_sandbox(settings)):
            await HttpServer(server, ports).serve([listening])


@asynccontextmanager
async def _meanwhile(duty: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this beside the block, and leave it when the block ends."""
    task = asyncio.create_task(duty)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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
