"""Reads and writes uploads in parts, and keeps account of bytes that no row names."""

from collections.abc import Sequence

from understudy.storage.changes import (
    AbandonBytes,
    AddPart,
    ClaimBytes,
    EndUpload,
    ExpectBytes,
    OpenUpload,
)
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.reader import Reader, changed_rows
from understudy.storage.records import Conflict, UploadRecord


async def record(reader: Reader, project_id: str, upload_id: str) -> UploadRecord | None:
    """Return the upload of the project with its parts, in the order of their arrival."""
    of_upload = "FROM upload_parts WHERE upload_id = uploads.id ORDER BY sequence"
    found = await reader.row(
        f"SELECT body, file_expires_after, ARRAY(SELECT id {of_upload}), "
        f"ARRAY(SELECT bytes {of_upload}) FROM uploads WHERE id = $1 AND project_id = $2",
        upload_id,
        project_id,
    )
    if found is None:
        return None
    body, file_expires_after_seconds, part_ids, sizes = found
    return UploadRecord(
        body=body,
        file_expires_after_seconds=file_expires_after_seconds,
        parts=dict(zip(part_ids, sizes, strict=True)),
    )


async def expired(reader: Reader, now: int, limit: int) -> list[tuple[str, str]]:
    """Return (project id, upload id) of uploads that are open past their time."""
    found = await reader.rows(
        "SELECT project_id, id FROM uploads WHERE open_until <= $1 LIMIT $2", now, limit
    )
    return [(project_id, upload_id) for project_id, upload_id in found]


async def unclaimed(reader: Reader, now: int, limit: int) -> list[str]:
    """Return the keys of bytes that are to be removed."""
    found = await reader.rows(
        "SELECT key FROM unclaimed_bytes WHERE keep_until <= $1 LIMIT $2", now, limit
    )
    return [key for (key,) in found]


async def forget_unclaimed(reader: Reader, keys: Sequence[str]) -> None:
    """Strike out bytes that have been removed."""
    await reader.write("DELETE FROM unclaimed_bytes WHERE key = ANY($1)", [*keys])


async def open_upload(database: Database, change: OpenUpload) -> None:
    """Add an upload that takes parts."""
    await database.execute(
        "INSERT INTO uploads (id, project_id, created_at, open_until, file_expires_after, body) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        change.id,
        change.project_id,
        change.created_at,
        change.open_until,
        change.file_expires_after_seconds,
        change.body,
    )


async def add_part(database: Database, change: AddPart) -> None:
    """Add a part. Raises Conflict when the upload takes none any more."""
    done = await database.execute(
        "INSERT INTO upload_parts (id, upload_id, bytes) SELECT $1, id, $2 FROM uploads "
        "WHERE id = $3 AND project_id = $4 AND open_until > $5 FOR SHARE",
        change.id,
        change.size,
        change.upload_id,
        change.project_id,
        change.now,
    )
    if not changed_rows(done):
        raise Conflict


async def end(database: Database, change: EndUpload) -> None:
    """End an upload and give up the bytes of its parts. Raises Conflict when it is over."""
    done = await database.execute(
        "UPDATE uploads SET body = $1, open_until = NULL "
        "WHERE id = $2 AND project_id = $3 AND open_until IS NOT NULL",
        change.body,
        change.upload_id,
        change.project_id,
    )
    if not changed_rows(done):
        raise Conflict
    await database.execute(
        "WITH given_up AS (DELETE FROM upload_parts WHERE upload_id = $1 RETURNING id) "
        "INSERT INTO unclaimed_bytes (key, keep_until) SELECT id, 0 FROM given_up",
        change.upload_id,
    )


async def expect_bytes(database: Database, change: ExpectBytes) -> None:
    """Note bytes that are about to be stored."""
    await database.execute(
        "INSERT INTO unclaimed_bytes (key, keep_until) VALUES ($1, $2)",
        change.key,
        change.keep_until,
    )


async def claim_bytes(database: Database, change: ClaimBytes) -> None:
    """Strike out bytes that a row names now. Raises Conflict when they were given up."""
    done = await database.execute(
        "DELETE FROM unclaimed_bytes WHERE key = $1 AND keep_until > $2", change.key, change.now
    )
    if not changed_rows(done):
        raise Conflict


async def abandon_bytes(database: Database, change: AbandonBytes) -> None:
    """Let bytes be removed at once, unless a row names them."""
    await database.execute("UPDATE unclaimed_bytes SET keep_until = 0 WHERE key = $1", change.key)
