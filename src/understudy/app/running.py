"""A running server: its parts are opened, its engine works, and all is put away at the end."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from understudy.api.server import Server
from understudy.app.engine import engine
from understudy.app.ports import opened_ports
from understudy.operations.ports import Ports
from understudy.settings import Settings


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Server, Ports]]:
    """Open all parts and, unless the settings say otherwise, start the engine."""
    async with AsyncExitStack() as parts:
        ports = await parts.enter_async_context(opened_ports(settings))
        if settings.worker:
            await parts.enter_async_context(engine(ports))
        yield Server(ports), ports
