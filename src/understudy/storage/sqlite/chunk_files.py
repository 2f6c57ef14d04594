"""The files of the chunk index, one for each vector store, and the connections to them."""

import re
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from understudy.errors import IndexUnreadable
from understudy.storage.sqlite.database import connect

SCHEMA_VERSION = 1
BUSY_SECONDS = 30
IDLE_CONNECTIONS_MAX = 64
CHECKPOINT_PAGES = 4_000
_SCHEMA = (files(__package__) / "chunk_index.sql").read_text()
_STATEMENTS = [one for one in re.sub(r"--[^\n]*", "", _SCHEMA).split(";") if one.strip()]


class Opened(NamedTuple):
    """The file that a connection has open; another one may have its name by now."""

    store_id: str
    inode: int


class ChunkFiles:
    """Lends connections to the files of a folder; a bounded number of idle ones is kept.

    A connection serves one borrower at a time, so that searches of one store run side by side.
    Idle connections to files that another process has deleted are closed when anything is given
    back, and ``gone`` hears of their stores: the disk gets its space back only then.
    """

    def __init__(self, folder: Path, gone: Callable[[str], None]) -> None:
        self._folder = folder
        self._gone = gone
        self._idle: OrderedDict[sqlite3.Connection, Opened] = OrderedDict()
        self._lock = Lock()
        self._closed = False

    def path(self, store_id: str) -> Path:
        """Return the file of a store, whether it exists or not."""
        return self._folder / f"{store_id}.sqlite3"

    @contextmanager
    def borrow(self, store_id: str, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection. Raises FileNotFoundError for an unknown store, unless it is made."""
        connection, opened = self._take(store_id) or self._open(store_id, create=create)
        try:
            yield connection
        except BaseException:
            connection.close()  # whatever was under way is rolled back
            raise
        self._give_back(connection, opened)
        self._close_gone()

    def drop(self, store_id: str) -> None:
        """Delete the file of a store."""
        with self._lock:
            idle = [one for one, opened in self._idle.items() if opened.store_id == store_id]
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

    def _take(self, store_id: str) -> tuple[sqlite3.Connection, Opened] | None:
        wanted = self._now(store_id)
        with self._lock:
            for connection, opened in reversed(self._idle.items()):
                if opened == wanted:
                    del self._idle[connection]
                    return connection, opened
        return None

    def _open(self, store_id: str, *, create: bool) -> tuple[sqlite3.Connection, Opened]:
        if create:
            self._create(store_id)
        # If the file is exchanged right now, the connection is only closed early.
        opened = self._now(store_id)
        if opened is None:
            raise FileNotFoundError(self.path(store_id))
        return _connect(self.path(store_id)), opened

    def _give_back(self, connection: sqlite3.Connection, opened: Opened) -> None:
        surplus = None
        with self._lock:
            if self._closed or self._now(opened.store_id) != opened:  # dropped meanwhile
                surplus = connection
            else:
                self._idle[connection] = opened
                if len(self._idle) > IDLE_CONNECTIONS_MAX:
                    surplus, _ = self._idle.popitem(last=False)
        if surplus is not None:
            surplus.close()

    def _close_gone(self) -> None:
        """Close idle connections to files that are not there any more."""
        with self._lock:
            kept = set(self._idle.values())
        gone = {opened for opened in kept if self._now(opened.store_id) != opened}
        if not gone:
            return
        with self._lock:
            idle = [one for one, opened in self._idle.items() if opened in gone]
            for connection in idle:
                del self._idle[connection]
        for connection in idle:
            connection.close()
        for opened in gone:
            self._gone(opened.store_id)

    def _now(self, store_id: str) -> Opened | None:
        """Return the file that has the name of a store's at the moment."""
        try:
            inode = self.path(store_id).stat().st_ino
        except FileNotFoundError:
            return None
        return Opened(store_id, inode)

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
