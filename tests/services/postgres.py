"""A PostgreSQL server for tests: a private folder, a free loopback port, and never as root."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import psutil
import pytest

from tests.services.ports import free_port
from understudy.storage.postgres.migrating import migrate

T = TypeVar("T")
USER = "understudy"
DATABASE = "migrated"
REMOVE_ALL_ROWS = """
DO $$
DECLARE one text;
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);
    FOR one IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'schema_migrations'
    LOOP
        EXECUTE format('DELETE FROM %I', one);
    END LOOP;
END $$
"""
START_SECONDS_MAX = 30
PAUSE_SECONDS = 0.02


def installed_bin_folder() -> Path | None:
    """Return where the newest installed server is, if there is one."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(versions, key=lambda found: float(found.parts[-3]), default=None)
    on_path = shutil.which("postgres")
    found = newest or (Path(on_path) if on_path else None)
    return found.parent if found else None


class PostgresServer:
    """One server with its data; it can be stopped, killed and started again."""

    def __init__(self, bin_folder: Path, *, fsync: bool = False) -> None:
        """Make the data folder. Without ``fsync`` only a crash of the machine loses commits."""
        self._bin = bin_folder
        self._fsync = "on" if fsync else "off"
        self._folder = Path(tempfile.mkdtemp(prefix="understudy-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._as_user = _unprivileged()
        if self._as_user:
            os.chown(self._folder, self._as_user["user"], self._as_user["group"])
        self._make_data()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database of this server."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Return the id of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": self._fsync,
            "shared_buffers": "64MB",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *flags],
                stdout=log,
                stderr=log,
                **self._as_user,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop: clients are sent away, and everything is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End all its processes at once, as a crash does."""
        assert self._process is not None
        family = [*psutil.Process(self.pid).children(recursive=True)]
        self._end(signal.SIGKILL)
        for child in family:
            child.kill()
        psutil.wait_procs(family, timeout=START_SECONDS_MAX)

    def restart(self) -> None:
        """Stop and start again, on the same port."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop if it runs, and remove all data."""
        if self._process is not None:
            self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _make_data(self) -> None:
        flags = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [self._bin / "initdb", "-D", self._data, "-U", USER, *flags],
            check=True,
            capture_output=True,
            timeout=START_SECONDS_MAX,
            **self._as_user,
        )

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + START_SECONDS_MAX
        while not self._is_ready():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(PAUSE_SECONDS)

    def _is_ready(self) -> bool:
        where = ["-h", "127.0.0.1", "-p", str(self.port)]
        asked = [str(self._bin / "pg_isready"), "-q", *where]
        return subprocess.run(asked, check=False).returncode == 0

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(START_SECONDS_MAX)
        self._process = None


def _unprivileged() -> dict[str, Any]:
    """Return whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work comes to, also where an event loop is running already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def execute(url: str, statement: str) -> None:
    """Execute a statement that stands outside of transactions."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Give a running server with one migrated database."""
    bin_folder = installed_bin_folder()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgresServer(bin_folder)
    try:
        server.start()
        finished(execute(server.url(), f"CREATE DATABASE {DATABASE}"))
        finished(migrate(server.url(DATABASE)))
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """Give the address of the migrated database, without any rows.

    Removing rows takes some milliseconds; a database for each test would take half a second.
    """
    url = postgres_server.url(DATABASE)
    finished(execute(url, REMOVE_ALL_ROWS))
    return url


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """Give the address of a database without any tables."""
    name = f"test_{uuid4().hex}"
    finished(execute(postgres_server.url(), f"CREATE DATABASE {name}"))
    yield postgres_server.url(name)
    finished(execute(postgres_server.url(), f"DROP DATABASE {name} WITH (FORCE)"))
