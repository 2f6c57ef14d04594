"""A cluster: two API processes and three workers over PostgreSQL, NATS and S3.

Each worker reaches PostgreSQL and NATS over wires of its own.
"""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import s3
from tests.services.nats import NatsServer
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer, execute, installed_bin_folder

from .cluster_faults import (
    NatsDiskFull,
    NatsForgets,
    NatsRestarts,
    PostgresDies,
    PostgresRestarts,
    WireCut,
    WireJammed,
    WireSlow,
    data_folder,
    mount_disk,
    unmount_disk,
)
from .faults import Deploy, Faults, Freeze, Kill, ModelBreaks, ModelDown
from .model import Model
from .process import Process, finished, running
from .proxy import Proxy
from .stand import LEASE_SECONDS, Stand, settings

DATABASE = "cluster"
APIS = 2
WORKERS = 3


@dataclass(frozen=True)
class Services:
    """The servers that a cluster stands on."""

    postgres: PostgresServer
    nats: NatsServer
    files: Mapping[str, str]
    """The settings that lead to the bucket."""
    nats_has_own_disk: bool

    def settings(self, postgres_port: int, nats_port: int) -> dict[str, str]:
        """Return the settings of a process that reaches them at these ports."""
        url = self.postgres.url(DATABASE).replace(f":{self.postgres.port}/", f":{postgres_port}/")
        return {
            **self.files,
            "UNDERSTUDY_DATABASE_URL": url,
            "UNDERSTUDY_NATS_URL": f"nats://127.0.0.1:{nats_port}",
        }

    @property
    def own_settings(self) -> dict[str, str]:
        """Return the settings of a process that reaches them directly."""
        return self.settings(self.postgres.port, self.nats.port)


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    bin_folder = installed_bin_folder()
    if bin_folder is None:
        raise RuntimeError("PostgreSQL is not installed")
    server = PostgresServer(bin_folder, fsync=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextmanager
def _nats() -> Iterator[tuple[NatsServer, bool]]:
    server = NatsServer()
    has_disk = mount_disk(data_folder(server))
    try:
        server.start()
        yield server, has_disk
    finally:
        if has_disk:
            server.kill()
            unmount_disk(data_folder(server))
        server.remove()


@contextmanager
def services() -> Iterator[Services]:
    """Run the servers until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the S3 server tells of each request
    with _postgres() as postgres, _nats() as (nats, has_disk), s3.s3_server() as endpoint:
        files = s3.settings_for(endpoint, s3.make_bucket(endpoint))
        yield Services(postgres, nats, files, has_disk)


@asynccontextmanager
async def cluster(folder: Path, model: Model) -> AsyncIterator[Stand]:
    """Run a cluster until the block ends."""
    async with AsyncExitStack() as parts:
        servers = parts.enter_context(services())
        await execute(servers.postgres.url(), f"CREATE DATABASE {DATABASE}")
        await finished(["migrate"], servers.own_settings)
        told = await finished(["keys", "create", "--name", "faults"], servers.own_settings)
        wires = [await _wires(parts, servers, number) for number in range(WORKERS)]
        apis = [_api(folder, model, servers, number) for number in range(APIS)]
        workers = [_worker(folder, model, servers, n, *pair) for n, pair in enumerate(wires)]
        await parts.enter_async_context(running((*apis, *workers)))
        faults = _faults(servers, model, apis, workers, wires)
        urls = {api.name: api.url for api in apis}
        yield Stand("cluster", told.split()[-1], urls, [*apis, *workers], faults)


async def _wires(parts: AsyncExitStack, servers: Services, number: int) -> tuple[Proxy, Proxy]:
    ports = {"postgres": servers.postgres.port, "nats": servers.nats.port}
    postgres, nats = (Proxy(f"worker-{number} to {name}", port) for name, port in ports.items())
    for proxy in (postgres, nats):
        await parts.enter_async_context(proxy.serving())
    return postgres, nats


def _api(folder: Path, model: Model, servers: Services, number: int) -> Process:
    name, port = f"api-{number}", free_port()
    data = str(folder / name)
    arguments = ["serve", "--no-worker", "--port", str(port), "--data-dir", data]
    given = {**settings(model, name), **servers.own_settings}
    return Process(name, arguments, given, folder / f"{name}.log", port)


def _worker(
    folder: Path, model: Model, servers: Services, number: int, postgres: Proxy, nats: Proxy
) -> Process:
    name, port = f"worker-{number}", free_port()
    arguments = ["worker", "--data-dir", str(folder / name), "--health-port", str(port)]
    given = {**settings(model, name), **servers.settings(postgres.port, nats.port)}
    return Process(name, arguments, given, folder / f"{name}.log", port)


def _faults(
    servers: Services,
    model: Model,
    apis: Sequence[Process],
    workers: Sequence[Process],
    wires: Sequence[tuple[Proxy, Proxy]],
) -> Faults:
    """Return groups of which one is taken when their turn comes."""
    to_postgres, to_nats = zip(*wires, strict=True)
    kills = [Kill(worker, "kill worker") for worker in workers]
    freezes = [Freeze(worker, LEASE_SECONDS) for worker in workers]
    disk = [[NatsDiskFull(servers.nats)]] if servers.nats_has_own_disk else []
    return [
        kills,
        kills,
        [Kill(api, "kill api") for api in apis],
        freezes,
        freezes,
        [Deploy(process) for process in (*apis, *workers)],
        [PostgresRestarts(servers.postgres)],
        [PostgresDies(servers.postgres)],
        [NatsRestarts(servers.nats)],
        [NatsForgets(servers.nats)],
        *([kind(wire, LEASE_SECONDS) for wire in to_postgres] for kind in (WireCut, WireJammed)),
        *([kind(wire, LEASE_SECONDS) for wire in to_nats] for kind in (WireCut, WireJammed)),
        [WireSlow(wire, LEASE_SECONDS) for wire in (*to_postgres, *to_nats)],
        [ModelDown(model), ModelBreaks(model)],
        *disk,
    ]
