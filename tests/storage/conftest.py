"""The databases, each real. A new adapter is one more entry here."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

# The fixtures of the servers, for whoever asks for them.
from tests.services.pgvector import own_pgvector_url, pgvector_server, pgvector_url
from tests.services.postgres import empty_database, postgres_server, postgres_url
from understudy.storage.base import Storage
from understudy.storage.postgres.store import PostgresStorage
from understudy.storage.sqlite.store import SqliteStorage

__all__ = [
    "empty_database",
    "own_pgvector_url",
    "pgvector_server",
    "pgvector_url",
    "postgres_server",
    "postgres_url",
]


async def open_sqlite(request: pytest.FixtureRequest) -> Storage:
    """Open a database file in the test's folder."""
    return SqliteStorage(request.getfixturevalue("tmp_path") / "understudy.db")


async def open_postgres(request: pytest.FixtureRequest) -> Storage:
    """Open a database of the test's own."""
    return await PostgresStorage.open(request.getfixturevalue("postgres_url"))


OPENERS: dict[str, Callable[[pytest.FixtureRequest], Awaitable[Storage]]] = {
    "sqlite": open_sqlite,
    "postgres": open_postgres,
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.cluster)])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    """Give an empty database."""
    opened = await OPENERS[request.param](request)
    try:
        yield opened
    finally:
        await opened.close()
