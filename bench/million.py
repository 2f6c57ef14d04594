"""Fills a stopped server's SQLite file with copies of one real run.

A million runs through the API would take most of an hour. A copy differs from its original in its
id, wherever that stands in the row, in its time and in its place in the order; the columns are
read from the file, so that most changes of the schema do not matter here.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

PER_SECOND = 10
"""Copies that share one ``created_at``, so that the second key of the order matters."""

Value = str | int | float | bytes | None


def run_id(number: int) -> str:
    """Return the id of the numbered copy; later numbers are newer runs."""
    return f"run_bench{number:019d}"


def fill(folder: Path, original_id: str, count: int) -> None:
    """Copy the run with this id until its thread has ``count`` more, all newer than it."""
    with closing(sqlite3.connect(_database(folder))) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
        row = database.execute("SELECT * FROM runs WHERE id = ?", [original_id]).fetchone()
        original = dict(zip(columns, row, strict=True))
        places = ", ".join("?" * len(columns))
        insert = f"INSERT INTO runs VALUES ({places})"  # noqa: S608 -- question marks only
        database.executemany(insert, _copies(original, count))


def _copies(original: Mapping[str, Value], count: int) -> Iterator[list[Value]]:
    for number in range(1, count + 1):
        changed = {"sequence": number, "created_at": 1 + number // PER_SECOND}
        yield [
            value + changed[name]
            if name in changed and isinstance(value, int)
            else _renamed(value, str(original["id"]), run_id(number))
            for name, value in original.items()
        ]


def _renamed(value: Value, old: str, new: str) -> Value:
    if isinstance(value, bytes):
        return value.replace(old.encode(), new.encode())
    return value.replace(old, new) if isinstance(value, str) else value


def _database(folder: Path) -> Path:
    """Return the one file in the folder that is an SQLite database."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.open("rb").read(16) == b"SQLite format 3\x00":
            return path
    raise RuntimeError(f"no SQLite database in {folder}")
