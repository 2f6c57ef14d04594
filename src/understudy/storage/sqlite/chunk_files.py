"""The files of the chunk index, one for each vector store, and the connections to them."""

import re
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from threading import Lock

from understudy.errors import IndexUnreadable
from understudy.storage.sqlite.database import connect

SCHEMA_VERSION = 1
BUSY_SECONDS = 30
IDLE_CONNECTIONS_MAX = 64
CHECKPOINT_PAGES = 4_000
_SCHEMA = (files(__package__) / "chunk_index.sql").read_text()
_STATEMENTS = [one for one in re.sub(r"--[^\n]*", "", _SCHEMA).split(";") if one.strip()]


class ChunkFiles:
    """Lends connections to the files of a folder; a bounded number of idle ones is kept.

    A connection serves one borrower at a time, so that searches of one store run side by side.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._idle: OrderedDict[sqlite3.Connection, str] = OrderedDict()
        self._lock = Lock()
        self._closed = False

    def path(self, store_id: str) -> Path:
        """Return the file of a store, whether it exists or not."""
        return self._folder / f"{store_id}.sqlite3"

    @contextmanager
    def borrow(self, store_id: str, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection. Raises FileNotFoundError for an unknown store, unless it is made."""
        connection = self._take(store_id)
        if connection is None:
            if create:
                self._create(store_id)
            connection = _connect(self.path(store_id))
        try:
            yield connection
        except BaseException:
            connection.close()  # whatever was under way is rolled back
            raise
        self._give_back(store_id, connection)

    def drop(self, store_id: str) -> None:
        """Delete the file of a store."""
        with self._lock:
            idle = [one for one, owner in self._idle.items() if owner == store_id]
            for connection in idle:
                del self._idle[connection]
        for connection in idle:
            connection.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path(store_id)}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connections; those that are lent are closed when they come back."""
        with self._lock:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _take(self, store_id: str) -> sqlite3.Connection | None:
        with self._lock:
            for connection, owner in reversed(self._idle.items()):
                if owner == store_id:
                    del self._idle[connection]
                    return connection
        return None

    def _give_back(self, store_id: str, connection: sqlite3.Connection) -> None:
        surplus = None
        with self._lock:
            if self._closed or not self.path(store_id).exists():  # dropped meanwhile
                surplus = connection
            else:
                self._idle[connection] = store_id
                if len(self._idle) > IDLE_CONNECTIONS_MAX:
                    surplus, _ = self._idle.popitem(last=False)
        if surplus is not None:
            surplus.close()

    def _create(self, store_id: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with closing(connect(self.path(store_id), "NORMAL")) as connection:
            _write_schema(connection)


def _write_schema(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, unless somebody else just did."""
    connection.execute("BEGIN IMMEDIATE")
    if not _version(connection):
        for statement in _STATEMENTS:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise FileNotFoundError(path)
    # SQLite makes no file in this mode.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_SECONDS,
    )
    try:
        _check_version(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA cache_size = -2048")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if version != SCHEMA_VERSION:
        raise IndexUnreadable(
            f"The index of this vector store has version {version}, but this release needs "
            f"version {SCHEMA_VERSION}. Restart the server: it is made anew from the files."
        )


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
