"""A cluster: two API processes, three workers and a runner, over PostgreSQL, NATS and S3.

Each worker reaches PostgreSQL, NATS and the runner over wires of its own.
"""

import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import s3
from tests.services.kernels import kernels
from tests.services.nats import NatsServer
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer, execute, installed_bin_folder

from .cells import ROOM, listener
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
SECRET = "a secret of the sandbox that is long enough"


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


@dataclass(frozen=True)
class Wires:
    """What one worker reaches the others by."""

    postgres: Proxy
    nats: Proxy
    runner: Proxy


@asynccontextmanager
async def cluster(folder: Path, model: Model) -> AsyncIterator[Stand]:
    """Run a cluster until the block ends."""
    async with AsyncExitStack() as parts:
        servers = parts.enter_context(services())
        await execute(servers.postgres.url(), f"CREATE DATABASE {DATABASE}")
        await finished(["migrate"], servers.own_settings)
        told = await finished(["keys", "create", "--name", "faults"], servers.own_settings)
        runner, runner_port = _runner(folder)
        wires = [await _wires(parts, servers, runner_port, model, n) for n in range(WORKERS)]
        apis = [_api(folder, model, servers, runner_port, number) for number in range(APIS)]
        workers = [_worker(folder, model, servers, n, own) for n, own in enumerate(wires)]
        await parts.enter_async_context(running((runner, *apis, *workers)))
        faults = _faults(servers, model, apis, workers, runner, wires)
        urls = {api.name: api.url for api in apis}
        yield Stand("cluster", told.split()[-1], urls, [*apis, *workers, runner], faults)


def _runner(folder: Path) -> tuple[Process, int]:
    port, secret = free_port(), folder / "secret"
    secret.write_text(SECRET)
    environment = ("--environment", str(kernels("minimal")))
    door = ("--listen", f"127.0.0.1:{port}", "--secret-file", str(secret))
    arguments = ["sandbox", "serve", *environment, *door, *ROOM]
    return Process("runner", arguments, {}, folder / "runner.log", port), port


async def _wires(
    parts: AsyncExitStack, servers: Services, runner_port: int, model: Model, number: int
) -> Wires:
    name = f"worker-{number}"
    wires = Wires(
        Proxy(f"{name} to postgres", servers.postgres.port),
        Proxy(f"{name} to nats", servers.nats.port),
        Proxy(f"{name} to runner", runner_port, listener(model.history, name)),
    )
    for wire in (wires.postgres, wires.nats, wires.runner):
        await parts.enter_async_context(wire.serving())
    return wires


def _api(folder: Path, model: Model, servers: Services, runner_port: int, number: int) -> Process:
    name, port = f"api-{number}", free_port()
    data = str(folder / name)
    arguments = ["serve", "--no-worker", "--port", str(port), "--data-dir", data]
    given = {**settings(model, name), **servers.own_settings, **_sandbox(runner_port)}
    return Process(name, arguments, given, folder / f"{name}.log", port)


def _worker(folder: Path, model: Model, servers: Services, number: int, wires: Wires) -> Process:
    name, port = f"worker-{number}", free_port()
    arguments = ["worker", "--data-dir", str(folder / name), "--health-port", str(port)]
    reached = servers.settings(wires.postgres.port, wires.nats.port)
    given = {**settings(model, name), **reached, **_sandbox(wires.runner.port)}
    return Process(name, arguments, given, folder / f"{name}.log", port)


def _sandbox(runner_port: int) -> dict[str, str]:
    return {
        "UNDERSTUDY_SANDBOX": "remote",
        "UNDERSTUDY_SANDBOX_RUNNERS": json.dumps([f"http://127.0.0.1:{runner_port}"]),
        "UNDERSTUDY_SANDBOX_SECRET": SECRET,
    }


def _faults(
    servers: Services,
    model: Model,
    apis: Sequence[Process],
    workers: Sequence[Process],
    runner: Process,
    wires: Sequence[Wires],
) -> Faults:
    """Return groups of which one is taken when their turn comes."""
    to_postgres = [own.postgres for own in wires]
    to_nats = [own.nats for own in wires]
    to_runner = [own.runner for own in wires]
    kills = [Kill(worker, "kill worker") for worker in workers]
    freezes = [Freeze(worker, LEASE_SECONDS) for worker in workers]
    disk = [[NatsDiskFull(servers.nats)]] if servers.nats_has_own_disk else []
    return [
        kills,
        kills,
        [Kill(api, "kill api") for api in apis],
        freezes,
        freezes,
        [Kill(runner, "kill runner")],
        [Freeze(runner, LEASE_SECONDS, "freeze runner")],
        [Deploy(process) for process in (*apis, *workers, runner)],
        [PostgresRestarts(servers.postgres)],
        [PostgresDies(servers.postgres)],
        [NatsRestarts(servers.nats)],
        [NatsForgets(servers.nats)],
        *(
            [kind(wire, LEASE_SECONDS) for wire in to_one]
            for to_one in (to_postgres, to_nats, to_runner)
            for kind in (WireCut, WireJammed)
        ),
        [WireSlow(wire, LEASE_SECONDS) for wire in (*to_postgres, *to_nats, *to_runner)],
        [ModelDown(model), ModelBreaks(model)],
        *disk,
    ]
