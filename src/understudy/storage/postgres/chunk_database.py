"""The connections of the chunk index, of its own: neither searches nor writings hold up runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import Pool

from understudy.errors import IndexUnreadable
from understudy.storage.postgres.connecting import (
    CONNECT_SECONDS_MAX,
    Database,
    PooledConnection,
    unreachable,
)
from understudy.storage.postgres.failures import FOREIGN, unavailable

T = TypeVar("T")
Work: TypeAlias = Callable[[Database], Awaitable[T]]

CONNECTIONS_MAX = 8
# Somewhat longer than the server waits itself, so that its own error arrives first.
ANSWER_SECONDS_MAX = 40
_SETTINGS = {
    "application_name": "understudy chunks",
    "jit": "off",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "15s",
    # Plans are made once and kept, perhaps while a table was empty; these settings leave them
    # only the ways that stay right when it is full.
    "enable_seqscan": "off",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
}


class ChunkDatabase:
    """Runs transactions; whatever fails is Unavailable."""

    def __init__(self, pool: "Pool[Any]") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str, connections_max: int = CONNECTIONS_MAX) -> "ChunkDatabase":
        """Connect. Raises Misconfigured when the server cannot be reached."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=connections_max,
                connection_class=PooledConnection,
                timeout=CONNECT_SECONDS_MAX,
                command_timeout=ANSWER_SECONDS_MAX,
                server_settings=_SETTINGS,
            )
        except (*FOREIGN, ValueError) as error:
            raise unreachable(error) from error
        return cls(pool)

    async def write(self, work: Work[T]) -> T:
        """Do the work in one transaction. Raises Unavailable."""
        try:
            async with self._connection() as connection, connection.transaction():
                return await work(connection)
        except FOREIGN as error:
            raise unavailable(error, "written") from error

    async def read(self, work: Work[T]) -> T:
        """Do the work on one state of the database. Raises IndexUnreadable.

        It is done once more if the connection was lost, perhaps long ago.
        """
        try:
            try:
                return await self._read(work)
            except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError):
                return await self._read(work)
        except FOREIGN as error:
            refusal = unavailable(error, "read")
            raise IndexUnreadable(refusal.message) from error

    async def close(self) -> None:
        """Close all connections; those in use are waited for, but not for ever."""
        try:
            await asyncio.wait_for(self._pool.close(), CONNECT_SECONDS_MAX)
        except TimeoutError:
            self._pool.terminate()

    async def _read(self, work: Work[T]) -> T:
        async with (
            self._connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await work(connection)

    def _connection(self) -> Any:
        return self._pool.acquire(timeout=CONNECT_SECONDS_MAX)
