"""PostgreSQL and NATS as the tests start them, but PostgreSQL writes its log to the disk."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.nats import NatsServer, chosen_server
from tests.services.postgres import PostgresServer, execute, finished, installed_bin_folder

PRELOADED = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'"


@dataclass(frozen=True)
class Servers:
    """Both servers, running."""

    postgres: PostgresServer
    nats: NatsServer

    def settings(self, files: Path) -> dict[str, str]:
        """Return the variables that make a process a part of the cluster."""
        return {
            "UNDERSTUDY_DATABASE_URL": self.postgres.url(),
            "UNDERSTUDY_NATS_URL": self.nats.url,
            "UNDERSTUDY_FILES_URL": str(files),
        }


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run PostgreSQL until the block ends."""
    server = PostgresServer(_postgres_folder(), fsync=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextmanager
def started(*, counting_statements: bool = False) -> Iterator[Servers]:
    """Run both until the block ends. Counting statements costs some of their speed."""
    with ExitStack() as removing:
        postgres = removing.enter_context(postgres_server())
        if counting_statements:
            finished(execute(postgres.url(), PRELOADED))
            postgres.restart()
        nats = NatsServer()
        removing.callback(nats.remove)
        nats.start()
        yield Servers(postgres, nats)


def versions() -> Mapping[str, str]:
    """Return the versions of both. Raises SystemExit when one of them is not installed."""
    postgres = str(_postgres_folder() / "postgres")
    return {"postgresql": _version(postgres), "nats-server": _version(_nats())}


def _postgres_folder() -> Path:
    folder = installed_bin_folder()
    if folder is None:
        raise SystemExit("PostgreSQL is not installed; tests/services/install.sh does it.")
    return folder


def _nats() -> str:
    program = chosen_server()
    if program is None:
        raise SystemExit("nats-server is not installed; tests/services/install.sh does it.")
    return program


def _version(program: str) -> str:
    command = [program, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    words = done.stdout.split()
    return next(word.strip("v,") for word in words if word.strip("v")[:1].isdigit())
