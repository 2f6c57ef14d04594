"""A connection of a writer: transactions, and a new connection after the old one is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from understudy.storage.postgres.connecting import CONNECT_SECONDS_MAX, Connection, connect_writer
from understudy.storage.postgres.failures import FOREIGN, LOST, VICTIM
from understudy.storage.postgres.statements import Call

T = TypeVar("T")
TRIES = 4
RESTED_SECONDS_MAX = 10.0


class OutcomeUnknown(Exception):
    """The connection was lost in the middle of a commit: it may have happened or not."""


class RolledBack(Exception):
    """Raised by the work to undo all that it did."""


class Session:
    """Runs transactions, one after the other."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._used_at = 0.0

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

    async def call(self, call: Call) -> Any:
        """Run one statement as a transaction of its own; again if it was a victim.

        Raises OutcomeUnknown, and what the statement fails with: nothing was written then.
        """
        for _ in range(TRIES - 1):
            with suppress(*VICTIM):
                return await self._call_once(call)
        return await self._call_once(call)

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

    async def _call_once(self, call: Call) -> Any:
        connection = await self._alive()
        try:
            answer = await connection.fetchval(call.sql, *call.values)
        except asyncio.CancelledError:
            self._give_up(connection)
            raise
        except FOREIGN as error:
            if isinstance(error, asyncpg.PostgresError) and not isinstance(error, LOST):
                raise
            self._give_up(connection)
            raise OutcomeUnknown from error
        self._used_at = time.monotonic()
        return answer

    async def _alive(self) -> Connection:
        """Return a connection that has answered lately.

        One that was cut while it rested would leave the outcome of a call open for nothing.
        """
        connection = await self._connected()
        if time.monotonic() - self._used_at > RESTED_SECONDS_MAX:
            try:
                await connection.execute("SELECT 1", timeout=CONNECT_SECONDS_MAX)
            except FOREIGN:
                self._give_up(connection)
                return await self._connected()
        return connection

    async def _connected(self) -> Connection:
        if self._connection is not None and self._connection.is_closed():
            self._connection = None
        if self._connection is None:
            self._connection = await connect_writer(self._url)
            self._used_at = time.monotonic()
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
