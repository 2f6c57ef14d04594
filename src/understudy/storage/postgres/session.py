"""A connection of a writer: transactions, and a new connection after the old one is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import asyncpg

from understudy.storage.postgres.connecting import Connection, connect_writer
from understudy.storage.postgres.failures import FOREIGN, VICTIM

T = TypeVar("T")
TRIES = 4


class OutcomeUnknown(Exception):
    """The connection was lost in the middle of a commit: it may have happened or not."""


class RolledBack(Exception):
    """Raised by the work to undo all that it did."""


class Session:
    """Runs transactions, one after the other."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    async def commit(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run the work as a transaction; again if it was a victim, or its connection was lost.

        Raises OutcomeUnknown, and what the work raises: nothing was written then.
        """
        for _ in range(TRIES - 1):
            try:
                return await self._commit_once(work)
            except VICTIM:
                continue
            except TimeoutError:  # a second try would take as long
                raise
            except FOREIGN:
                if self._connection is not None:
                    raise
                return await self._commit_once(work)
        return await self._commit_once(work)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            with suppress(*FOREIGN):
                await self._connection.close()
            self._connection = None

    async def _commit_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._connected()
        try:
            await connection.execute("BEGIN")
            result = await work(connection)
        except (OSError, asyncio.CancelledError):
            # The server does not answer in time: asking it to roll back would take as long again.
            self._give_up(connection)
            raise
        except BaseException:
            await self._roll_back(connection)
            raise
        await self._finish(connection)
        return result

    async def _connected(self) -> Connection:
        if self._connection is not None and self._connection.is_closed():
            self._connection = None
        if self._connection is None:
            self._connection = await connect_writer(self._url)
        return self._connection

    async def _roll_back(self, connection: Connection) -> None:
        """Undo; a connection that cannot do even that is not used again."""
        try:
            await connection.execute("ROLLBACK")
        except FOREIGN:
            self._give_up(connection)

    async def _finish(self, connection: Connection) -> None:
        try:
            done = await connection.execute("COMMIT")
        except FOREIGN as error:
            self._give_up(connection)
            raise OutcomeUnknown from error
        if done != "COMMIT":  # a statement had failed, and its error was swallowed
            raise asyncpg.InFailedSQLTransactionError("The transaction was rolled back.")

    def _give_up(self, connection: Connection) -> None:
        connection.terminate()
        self._connection = None
