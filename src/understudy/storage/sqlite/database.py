"""Opens the database file and brings its schema up to date."""

import re
import sqlite3
import time
from importlib.resources import files
from pathlib import Path

from understudy.errors import Misconfigured

BUSY_SECONDS = 10
# 16 MiB of log before it is copied back: runs rewrite the same pages, which are then copied once.
# The writer on the loop copies by itself (loop_writer.py); this holds for the others.
CHECKPOINT_PAGES = 4_000
VERSION_NEEDED = (3, 37, 0)  # STRICT tables; RETURNING came with 3.35


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    """Open a connection in WAL mode that leaves transactions to its user.

    Raises Misconfigured when SQLite is too old or the file cannot be opened.
    """
    if sqlite3.sqlite_version_info < VERSION_NEEDED:
        raise Misconfigured(
            f"SQLite {sqlite3.sqlite_version} is too old; "
            "use a Python that is built with SQLite 3.37 or newer."
        )
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            _switch_to_wal(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise Misconfigured(f"The database {path} cannot be opened: {error}.") from error
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -8192")
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch the journal. SQLite does not wait for others here, so this does."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(0.01)
        else:
            return


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that the file has not seen, each in its own transaction.

    Raises Misconfigured when the file was written by a newer release.
    """
    migrations = _migrations()
    newest = max(migrations)
    try:
        _bring_up_to_date(connection, migrations, newest)
    except sqlite3.Error as error:
        raise Misconfigured(
            f"The database cannot be brought up to date: {error}. "
            "Is it one of ours? Choose another data folder otherwise."
        ) from error


def _bring_up_to_date(
    connection: sqlite3.Connection, migrations: dict[int, str], newest: int
) -> None:
    if _version(connection) > newest:
        raise Misconfigured(
            f"The database is of a newer release (schema {_version(connection)}, this release "
            f"knows {newest}). Upgrade understudy, or choose another data folder."
        )
    for number in sorted(migrations):
        _apply(connection, number, migrations[number])


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    """Apply one migration unless another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) < number:
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    without_comments = re.sub(r"--[^\n]*", "", script)
    return [part for part in without_comments.split(";") if part.strip()]


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _migrations() -> dict[int, str]:
    folder = files(__package__) / "migrations"
    return {
        int(entry.name.split("_", 1)[0]): entry.read_text()
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }
