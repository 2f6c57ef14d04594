"""One `understudy serve` with SQLite: all of the product in a single process, and its runner."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.services.kernels import kernels
from tests.services.ports import free_port

from .cells import ROOM
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
    own = {
        "UNDERSTUDY_SANDBOX_ENVIRONMENT": str(kernels("minimal")),
        "UNDERSTUDY_SANDBOX_OPTIONS": json.dumps(ROOM),
    }
    given = {**settings(model, "server"), **own}
    server = Process("server", arguments, given, folder / "server.log", port)
    async with running([server]):
        apis = {server.name: server.url}
        yield Stand("embedded", told.split()[-1], apis, [server], _faults(server, model))


def _faults(server: Process, model: Model) -> Faults:
    kill, freeze = [Kill(server)], [Freeze(server, LEASE_SECONDS)]
    return [kill, kill, freeze, [Deploy(server)], [ModelDown(model)], [ModelBreaks(model)]]
