"""Migrations of PostgreSQL: from nothing, by several at once, and what servers say without them."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests.services.postgres import execute
from understudy.errors import Misconfigured
from understudy.storage.postgres import migrating
from understudy.storage.postgres.migrating import migrate
from understudy.storage.postgres.store import PostgresStorage

from .rows import make_run, recorded

pytestmark = pytest.mark.cluster

NAMES = [name for _, (name, _) in sorted(migrating._migrations().items())]


def test_migrations_are_numbered_without_holes() -> None:
    assert sorted(migrating._migrations()) == [*range(1, len(NAMES) + 1)]


async def test_an_empty_database_gets_every_migration_once(empty_database: str) -> None:
    assert await migrate(empty_database) == NAMES
    assert await migrate(empty_database) == []
    storage = await PostgresStorage.open(empty_database)
    await make_run(storage)
    assert (await recorded(storage)).has_turn
    await storage.close()


async def test_jobs_that_migrate_at_once_take_turns(empty_database: str) -> None:
    done = await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert sorted(name for names in done for name in names) == NAMES


async def test_a_migration_that_fails_leaves_nothing_of_itself(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {1: ("0001_half", "CREATE TABLE half (n integer); SELECT 1 / 0;")}
    monkeypatch.setattr(migrating, "_migrations", lambda: broken)
    with pytest.raises(Misconfigured, match="division by zero"):
        await migrate(empty_database)
    monkeypatch.undo()
    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert await migrating.schema_version(connection) == 0
    await connection.close()


async def test_without_a_schema_no_server_starts(empty_database: str) -> None:
    with pytest.raises(Misconfigured, match="understudy migrate"):
        await PostgresStorage.open(empty_database)


async def test_an_older_schema_is_refused_and_a_newer_one_served(empty_database: str) -> None:
    """Migrations are safe for the release before them, so that deploys need no pause."""
    await migrate(empty_database)
    newest = "(SELECT max(number) FROM schema_migrations)"
    await execute(empty_database, f"DELETE FROM schema_migrations WHERE number = {newest}")  # noqa: S608
    with pytest.raises(Misconfigured, match="understudy migrate"):
        await PostgresStorage.open(empty_database)
    await execute(
        empty_database, "INSERT INTO schema_migrations (number, name) VALUES (9999, 'later')"
    )
    storage = await PostgresStorage.open(empty_database)
    await storage.check()
    await storage.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:1/nowhere",
        "postgresql://127.0.0.1:none/nowhere",
        "http://127.0.0.1/nowhere",
    ],
)
async def test_a_server_that_cannot_be_reached_is_named_with_the_setting(url: str) -> None:
    for opening in (PostgresStorage.open(url), migrate(url)):
        with pytest.raises(Misconfigured, match="database_url"):
            await opening


def test_migrations_say_at_their_head_how_they_are_safe() -> None:
    folder = Path(migrating.__file__).parent / "migrations"
    first = min(folder.glob("*.sql")).read_text()
    assert "safe while the release before it still serves" in first
