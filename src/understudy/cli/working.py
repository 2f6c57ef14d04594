"""Works without an API until the process is told to stop."""

import asyncio
import signal
import socket

from understudy.api.server import Health
from understudy.app.engine import engine
from understudy.app.ports import opened_ports
from understudy.cli.banner import show_worker_banner
from understudy.cli.http_server import HttpServer, spare_the_collector
from understudy.operations.ports import Ports
from understudy.settings import Settings


async def work_until_stopped(settings: Settings, listening: socket.socket | None) -> None:
    """Open the engine, tell the user what it works on, and run it until SIGINT or SIGTERM."""
    async with opened_ports(settings) as ports, engine(ports):
        spare_the_collector()
        port = None if listening is None else listening.getsockname()[1]
        await show_worker_banner(settings, ports, port)
        if listening is None:
            await _signal_to_stop(ports)
        else:
            await HttpServer(Health(ports), ports).serve([listening])


async def _signal_to_stop(ports: Ports) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ports.stopping.set)
    await ports.stopping.wait()
