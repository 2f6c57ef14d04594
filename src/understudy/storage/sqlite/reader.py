"""Reads: on the event loop when they are short, in a thread when they may be long."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from understudy.errors import Unavailable
from understudy.storage.sqlite.database import connect

log = structlog.get_logger("understudy.storage")

P = ParamSpec("P")
T = TypeVar("T")
Read = Callable[Concatenate[sqlite3.Connection, P], T]


class Reader:
    """A connection that only reads."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self._path = path
        self.connection = connect(path, synchronous)
        self.connection.execute("PRAGMA query_only = ON")

    def here(self, read: Read[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read at once; it takes some tens of microseconds. Raises Unavailable."""
        try:
            return read(self.connection, *args, **kwargs)
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    async def apart(self, read: Read[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read in a thread, on a connection of its own. Raises Unavailable."""

        def work() -> T:
            with closing(sqlite3.connect(self._uri(), uri=True)) as connection:
                return read(connection, *args, **kwargs)

        try:
            return await asyncio.to_thread(work)
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    def _uri(self) -> str:
        return f"{self._path.absolute().as_uri()}?mode=ro"

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _unavailable(error: sqlite3.Error) -> Unavailable:
    log.error("database_not_read", cause=str(error))
    return Unavailable("The database cannot be read. Try again; the log has the cause.")
