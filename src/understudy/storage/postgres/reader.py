"""Single statements on shared connections: all reads, and writes that need no group."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import Pool

from understudy.storage.postgres.connecting import CONNECT_SECONDS_MAX, Database
from understudy.storage.postgres.failures import FOREIGN, unavailable

T = TypeVar("T")
Record: TypeAlias = Any  # an asyncpg.Record: a tuple whose fields have names, too


class Reader:
    """Runs statements, each in a transaction of its own."""

    def __init__(self, pool: "Pool[Any]") -> None:
        self._pool = pool

    async def rows(self, sql: str, *values: object) -> Sequence[Record]:
        """Return what the query finds. Raises Unavailable."""
        try:
            return await self._repeated(lambda connection: connection.fetch(sql, *values))
        except asyncpg.DataError as error:
            if _names_what_no_row_has(error):
                return []
            raise unavailable(error, "read") from error
        except FOREIGN as error:
            raise unavailable(error, "read") from error

    async def row(self, sql: str, *values: object) -> Record | None:
        """Return the first row that the query finds, or None. Raises Unavailable."""
        found = await self.rows(sql, *values)
        return found[0] if found else None

    async def write(self, sql: str, *values: object) -> int:
        """Run a statement; return how many rows it changed. Raises Unavailable."""
        try:
            async with self._pool.acquire(timeout=CONNECT_SECONDS_MAX) as connection:
                return changed_rows(await connection.execute(sql, *values))
        except FOREIGN as error:
            raise unavailable(error, "written") from error

    async def transaction(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run several statements as one transaction. Raises Unavailable."""
        try:
            async with (
                self._pool.acquire(timeout=CONNECT_SECONDS_MAX) as connection,
                connection.transaction(),
            ):
                return await work(connection)
        except FOREIGN as error:
            raise unavailable(error, "written") from error

    async def close(self) -> None:
        """Close all connections; those in use are waited for, but not for ever."""
        try:
            await asyncio.wait_for(self._pool.close(), CONNECT_SECONDS_MAX)
        except TimeoutError:
            self._pool.terminate()

    async def _repeated(self, read: Callable[[Database], Awaitable[T]]) -> T:
        """Read; once more if the connection was lost, perhaps long ago."""
        try:
            async with self._pool.acquire(timeout=CONNECT_SECONDS_MAX) as connection:
                return await read(connection)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError):
            async with self._pool.acquire(timeout=CONNECT_SECONDS_MAX) as connection:
                return await read(connection)


def changed_rows(status: str) -> int:
    """Return how many rows a statement changed, which ends its status: ``UPDATE 3``."""
    return int(status.rsplit(" ", 1)[1])


def _names_what_no_row_has(error: asyncpg.DataError) -> bool:
    """Return whether a text was asked for that PostgreSQL cannot hold: NUL or half a character."""
    is_nul = isinstance(error, asyncpg.CharacterNotInRepertoireError)
    return is_nul or isinstance(error.__cause__, UnicodeEncodeError)
