"""Reads and writes projects and API keys."""

from collections.abc import Sequence

from understudy.ids import new_id
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.reader import Reader, Record
from understudy.storage.records import ApiKey

_COLUMNS = "hash, project_id, name, hint, created_at, revoked_at"


def _key(row: Record) -> ApiKey:
    return ApiKey(**dict(row))


async def find(reader: Reader, key_hash: str) -> ApiKey | None:
    """Return the key with this hash, revoked or not."""
    found = await reader.row(f"SELECT {_COLUMNS} FROM api_keys WHERE hash = $1", key_hash)
    return _key(found) if found else None


async def list_all(reader: Reader) -> Sequence[ApiKey]:
    """Return all keys, oldest first."""
    return [
        _key(row) for row in await reader.rows(f"SELECT {_COLUMNS} FROM api_keys ORDER BY sequence")
    ]


async def add(reader: Reader, key: ApiKey) -> None:
    """Store a key."""
    await reader.write(
        f"INSERT INTO api_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)",
        key.hash,
        key.project_id,
        key.name,
        key.hint,
        key.created_at,
        key.revoked_at,
    )


async def revoke(reader: Reader, key_hash: str, now: int) -> bool:
    """Mark the key as revoked and say whether there was one."""
    changed = await reader.write(
        "UPDATE api_keys SET revoked_at = $1 WHERE hash = $2 AND revoked_at IS NULL", now, key_hash
    )
    return changed > 0


async def default_project(database: Database, now: int) -> str:
    """Return the first project, made if there is none."""
    await _take_turns(database)
    found: str | None = await database.fetchval("SELECT id FROM projects ORDER BY sequence LIMIT 1")
    return found or await _new_project(database, "default", now)


async def add_project(database: Database, name: str, now: int) -> str:
    """Return the project of that name, made if there is none."""
    await _take_turns(database)
    found: str | None = await database.fetchval("SELECT id FROM projects WHERE name = $1", name)
    return found or await _new_project(database, name, now)


async def _take_turns(database: Database) -> None:
    """Let processes that look for a project at once make it once."""
    await database.execute("LOCK TABLE projects IN SHARE ROW EXCLUSIVE MODE")


async def _new_project(database: Database, name: str, now: int) -> str:
    project_id = new_id("proj")
    await database.execute(
        "INSERT INTO projects (id, name, created_at) VALUES ($1, $2, $3)", project_id, name, now
    )
    return project_id
