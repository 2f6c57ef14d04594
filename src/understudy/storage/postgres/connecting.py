"""Connections to the server, set up for short statements."""

from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import Pool, PoolConnectionProxy

from understudy.errors import Misconfigured
from understudy.storage.postgres.failures import FOREIGN, described

Connection: TypeAlias = "asyncpg.Connection[Any]"
Database: TypeAlias = "Connection | PoolConnectionProxy[Any]"

CONNECT_SECONDS_MAX = 10
# Somewhat longer than the server waits itself, so that its own error arrives first.
ANSWER_SECONDS_MAX = 40
WRITE_SECONDS_MAX = 20
_SETTINGS = {
    "application_name": "understudy",
    # Plans of short statements: compiling them would take longer than running them.
    "jit": "off",
    # A plan that is kept may have been made while a table was empty, and read all of it later.
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": "30s",
    # A process that is stopped in the middle of a transaction does not hold up the others.
    "idle_in_transaction_session_timeout": "5s",
}
# A writer names every row by its id: only the way through an index is ever right.
_WRITER_SETTINGS = {
    "application_name": "understudy writer",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "statement_timeout": "15s",
}


class PooledConnection(asyncpg.Connection):
    """A connection that is given back as it is: nobody may leave a state in its session."""

    def get_reset_query(self) -> str:
        """Return nothing, which saves a round trip for each use."""
        return ""


async def open_pool(url: str, connections_max: int) -> "Pool[Any]":
    """Return connections to share. Raises Misconfigured when the server cannot be reached."""
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=0,  # asyncpg keeps no connections ready that it would complain about
            max_size=connections_max,
            connection_class=PooledConnection,
            timeout=CONNECT_SECONDS_MAX,
            command_timeout=ANSWER_SECONDS_MAX,
            server_settings=_SETTINGS,
        )
        async with pool.acquire():
            return pool
    except (*FOREIGN, ValueError) as error:
        raise unreachable(error) from error


async def connect_writer(url: str) -> Connection:
    """Return a connection for writing."""
    connection: Connection = await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=WRITE_SECONDS_MAX,
        server_settings=_SETTINGS | _WRITER_SETTINGS,
    )
    return connection


def unreachable(error: Exception) -> Misconfigured:
    """Return what whoever starts a process is told, with a next step."""
    return Misconfigured(
        f"The PostgreSQL server cannot be reached: {described(error)}. "
        "Look at database_url (postgresql://user:password@host:port/database), "
        "and whether the server runs and lets this user in."
    )
