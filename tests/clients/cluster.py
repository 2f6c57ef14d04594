"""A cluster for the client tests: an API process, two workers, a runner, and their servers."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.services.kernels import kernels
from tests.services.nats import NatsServer
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer, installed_bin_folder
from tests.services.s3 import make_bucket, s3_server, settings_for

from .server import (
    COMMAND,
    ROOM,
    LiveServer,
    environment,
    new_key,
    running,
    stop,
    told,
    write_config,
)

WORKERS = 2


@contextmanager
def running_cluster(folder: Path) -> Iterator[LiveServer]:
    """Run a cluster until the block ends."""
    with ExitStack() as parts:
        variables = _start_servers(parts)
        socket = folder / "runner.sock"
        config = write_config(folder, f'sandbox = "remote"\nsandbox_runners = ["unix:{socket}"]\n')
        told("migrate", "--config", str(config), **variables)
        key = new_key(config, folder / "api", **variables)
        parts.enter_context(_runner(folder, socket))
        for number in range(WORKERS):
            place, port = folder / f"worker-{number}", free_port()
            where = ("--data-dir", str(place), "--health-port", str(port))
            parts.enter_context(running("worker", *where, config=config, up=port, **variables))
        port = free_port()
        options = ("--no-worker", "--port", str(port), "--data-dir", str(folder / "api"))
        parts.enter_context(running("serve", *options, config=config, up=port, **variables))
        yield LiveServer(root=f"http://127.0.0.1:{port}", key=key)


def _start_servers(parts: ExitStack) -> dict[str, str]:
    """Start what processes share, and return the variables that lead there."""
    bin_folder = installed_bin_folder()
    assert bin_folder is not None, "PostgreSQL is not installed: tests/services/install.sh"
    postgres, nats = PostgresServer(bin_folder), NatsServer()
    for server in (postgres, nats):
        parts.callback(server.remove)
        server.start()
    endpoint = parts.enter_context(s3_server())
    return {
        "UNDERSTUDY_DATABASE_URL": postgres.url(),
        "UNDERSTUDY_NATS_URL": nats.url,
        **settings_for(endpoint, make_bucket(endpoint)),
    }


@contextmanager
def _runner(folder: Path, socket: Path) -> Iterator[None]:
    """Run sandboxes for both workers: a thread's session must not depend on who works on it."""
    command = [str(COMMAND), "sandbox", "serve", "--environment", str(kernels("minimal"))]
    with (folder / "runner.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--socket", str(socket), *ROOM],
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(),
        )
    assert process.stdout is not None
    with process.stdout as report:
        try:
            assert report.readline(), (folder / "runner.log").read_text()
            yield
        finally:
            stop(process)
