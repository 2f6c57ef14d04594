"""Reads and writes projects and API keys."""

import sqlite3
from collections.abc import Sequence

from understudy.ids import new_id
from understudy.storage.records import ApiKey

_COLUMNS = "hash, project_id, name, hint, created_at, revoked_at"


def _key(row: tuple[str, str, str, str, int, int | None]) -> ApiKey:
    key_hash, project_id, name, hint, created_at, revoked_at = row
    return ApiKey(
        hash=key_hash,
        project_id=project_id,
        name=name,
        hint=hint,
        created_at=created_at,
        revoked_at=revoked_at,
    )


def find(connection: sqlite3.Connection, key_hash: str) -> ApiKey | None:
    """Return the key with this hash, revoked or not."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM api_keys WHERE hash = ?", (key_hash,)
    ).fetchone()
    return _key(found) if found else None


def list_all(connection: sqlite3.Connection) -> Sequence[ApiKey]:
    """Return all keys, oldest first."""
    return [
        _key(row)
        for row in connection.execute(f"SELECT {_COLUMNS} FROM api_keys ORDER BY sequence")
    ]


def add(connection: sqlite3.Connection, key: ApiKey) -> None:
    """Store a key."""
    connection.execute(
        f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        (key.hash, key.project_id, key.name, key.hint, key.created_at, key.revoked_at),
    )


def revoke(connection: sqlite3.Connection, key_hash: str, now: int) -> bool:
    """Mark the key as revoked and say whether there was one."""
    done = connection.execute(
        "UPDATE api_keys SET revoked_at = ? WHERE hash = ? AND revoked_at IS NULL",
        (now, key_hash),
    )
    return done.rowcount > 0


def default_project(connection: sqlite3.Connection, now: int) -> str:
    """Return the first project, made if there is none."""
    found = connection.execute("SELECT id FROM projects ORDER BY sequence LIMIT 1").fetchone()
    if found:
        first: str = found[0]
        return first
    project_id = new_id("proj")
    connection.execute(
        "INSERT INTO projects (id, name, created_at) VALUES (?, 'default', ?)", (project_id, now)
    )
    return project_id


def add_project(connection: sqlite3.Connection, name: str, now: int) -> str:
    """Return the project of that name, made if there is none."""
    found = connection.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()
    if found:
        known: str = found[0]
        return known
    project_id = new_id("proj")
    connection.execute(
        "INSERT INTO projects (id, name, created_at) VALUES (?, ?, ?)", (project_id, name, now)
    )
    return project_id
