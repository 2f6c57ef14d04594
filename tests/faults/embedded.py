"""One `understudy serve` with SQLite: all of the product in a single process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.services.ports import free_port

from .faults import Deploy, Faults, Freeze, Kill, ModelBreaks, ModelDown
from .model import Model
from .process import Process, finished, running
from .stand import LEASE_SECONDS, Stand, settings


@asynccontextmanager
async def embedded(folder: Path, model: Model) -> AsyncIterator[Stand]:
    """Serve until the block ends."""
    data, port = str(folder / "data"), free_port()
    told = await finished(["keys", "create", "--name", "faults", "--data-dir", data], {})
    arguments = ["serve", "--port", str(port), "--data-dir", data]
    server = Process("server", arguments, settings(model, "server"), folder / "server.log", port)
    async with running([server]):
        apis = {server.name: server.url}
        yield Stand("embedded", told.split()[-1], apis, [server], _faults(server, model))


def _faults(server: Process, model: Model) -> Faults:
    kill, freeze = [Kill(server)], [Freeze(server, LEASE_SECONDS)]
    return [kill, kill, freeze, [Deploy(server)], [ModelDown(model)], [ModelBreaks(model)]]
