"""Brings the schema up to date, and says whether it is.

Jobs that migrate at once take turns, and each finds done what another did. Servers do not migrate
by themselves: they refuse to start on an older schema, and serve on a newer one, since migrations
are safe for the release before them.
"""

from collections.abc import Mapping
from importlib.resources import files

import asyncpg

from understudy.errors import Misconfigured
from understudy.storage.postgres.connecting import (
    CONNECT_SECONDS_MAX,
    Connection,
    Database,
    unreachable,
)
from understudy.storage.postgres.failures import FOREIGN, described

_TURN = 0x756E6465727374  # any number that others in the same database do not use
# Who waits for a table that is being read makes everybody behind wait, too; rather try again.
_LOCK_TIMEOUT = "5s"
_RECORDS = (
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz DEFAULT now())"
)


async def migrate(url: str) -> list[str]:
    """Apply the migrations that the database has not seen; return their names.

    Raises Misconfigured when the server cannot be reached or a migration fails; those before it
    stay applied, and the command can be repeated.
    """
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX)
    except (*FOREIGN, ValueError) as error:
        raise unreachable(error) from error
    try:
        return await _migrate_in_turn(connection)
    except FOREIGN as error:
        raise Misconfigured(
            f"The database cannot be brought up to date: {described(error)}. "
            "Is it one of ours, and may this user make tables in it? Repeat `understudy migrate`."
        ) from error
    finally:
        await connection.close()


async def _migrate_in_turn(connection: Connection) -> list[str]:
    await connection.execute(f"SELECT pg_advisory_lock({_TURN})")
    await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
    await connection.execute(_RECORDS)
    version = await schema_version(connection)
    migrations = _migrations()
    missing = sorted(number for number in migrations if number > version)
    for number in missing:
        await _apply(connection, number, *migrations[number])
    return [migrations[number][0] for number in missing]


async def _apply(connection: Connection, number: int, name: str, script: str) -> None:
    async with connection.transaction():
        await connection.execute(script)
        await connection.execute(
            "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)", number, name
        )


async def check_schema(connection: Database) -> None:
    """Raise Misconfigured when this release needs a newer schema."""
    version, newest = await schema_version(connection), max(_migrations())
    if version < newest:
        raise Misconfigured(
            f"The database has schema {version}, this release needs {newest}. "
            "Run `understudy migrate` first; the servers that run now can go on meanwhile."
        )


async def schema_version(connection: Database) -> int:
    """Return the number of the last migration, or 0 in an empty database."""
    try:
        found = await connection.fetchval("SELECT max(number) FROM schema_migrations")
    except asyncpg.UndefinedTableError:
        return 0
    version: int = found or 0
    return version


def _migrations() -> Mapping[int, tuple[str, str]]:
    """Return (name, script) by number."""
    folder = files(__package__) / "migrations"
    return {
        int(entry.name.split("_", 1)[0]): (entry.name.removesuffix(".sql"), entry.read_text())
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }
