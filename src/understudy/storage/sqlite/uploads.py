"""Reads and writes uploads in parts, and keeps account of bytes that no row names."""

import sqlite3
from collections.abc import Sequence

from understudy.storage.changes import (
    AbandonBytes,
    AddPart,
    ClaimBytes,
    EndUpload,
    ExpectBytes,
    OpenUpload,
)
from understudy.storage.records import Conflict, UploadRecord


def record(connection: sqlite3.Connection, project_id: str, upload_id: str) -> UploadRecord | None:
    """Return the upload of the project with its parts, in the order of their arrival."""
    found = connection.execute(
        "SELECT body, file_expires_after FROM uploads WHERE id = ? AND project_id = ?",
        (upload_id, project_id),
    ).fetchone()
    if found is None:
        return None
    parts = connection.execute(
        "SELECT id, bytes FROM upload_parts WHERE upload_id = ? ORDER BY sequence", (upload_id,)
    )
    return UploadRecord(body=found[0], file_expires_after_seconds=found[1], parts=dict(parts))


def expired(connection: sqlite3.Connection, now: int, limit: int) -> list[tuple[str, str]]:
    """Return (project id, upload id) of uploads that are open past their time."""
    return connection.execute(
        "SELECT project_id, id FROM uploads WHERE open_until <= ? LIMIT ?", (now, limit)
    ).fetchall()


def unclaimed(connection: sqlite3.Connection, now: int, limit: int) -> list[str]:
    """Return the keys of bytes that are to be removed."""
    found = connection.execute(
        "SELECT key FROM unclaimed_bytes WHERE keep_until <= ? LIMIT ?", (now, limit)
    )
    return [key for (key,) in found]


def forget_unclaimed(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Strike out bytes that have been removed."""
    connection.executemany("DELETE FROM unclaimed_bytes WHERE key = ?", [(key,) for key in keys])


def open_upload(connection: sqlite3.Connection, change: OpenUpload) -> None:
    """Add an upload that takes parts."""
    connection.execute(
        "INSERT INTO uploads (id, project_id, created_at, open_until, file_expires_after, body) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            change.id,
            change.project_id,
            change.created_at,
            change.open_until,
            change.file_expires_after_seconds,
            change.body,
        ),
    )


def add_part(connection: sqlite3.Connection, change: AddPart) -> None:
    """Add a part. Raises Conflict when the upload takes none any more."""
    done = connection.execute(
        "INSERT INTO upload_parts (id, upload_id, bytes) "
        "SELECT ?, id, ? FROM uploads WHERE id = ? AND project_id = ? AND open_until > ?",
        (change.id, change.size, change.upload_id, change.project_id, change.now),
    )
    if done.rowcount == 0:
        raise Conflict


def end(connection: sqlite3.Connection, change: EndUpload) -> None:
    """End an upload and give up the bytes of its parts. Raises Conflict when it is over."""
    done = connection.execute(
        "UPDATE uploads SET body = ?, open_until = NULL "
        "WHERE id = ? AND project_id = ? AND open_until IS NOT NULL",
        (change.body, change.upload_id, change.project_id),
    )
    if done.rowcount == 0:
        raise Conflict
    connection.execute(
        "INSERT INTO unclaimed_bytes (key, keep_until) "
        "SELECT id, 0 FROM upload_parts WHERE upload_id = ?",
        (change.upload_id,),
    )
    connection.execute("DELETE FROM upload_parts WHERE upload_id = ?", (change.upload_id,))


def expect_bytes(connection: sqlite3.Connection, change: ExpectBytes) -> None:
    """Note bytes that are about to be stored."""
    connection.execute(
        "INSERT INTO unclaimed_bytes (key, keep_until) VALUES (?, ?)",
        (change.key, change.keep_until),
    )


def claim_bytes(connection: sqlite3.Connection, change: ClaimBytes) -> None:
    """Strike out bytes that a row names now. Raises Conflict when they were given up."""
    done = connection.execute(
        "DELETE FROM unclaimed_bytes WHERE key = ? AND keep_until > ?", (change.key, change.now)
    )
    if done.rowcount == 0:
        raise Conflict


def abandon_bytes(connection: sqlite3.Connection, change: AbandonBytes) -> None:
    """Let bytes be removed at once, unless a row names them."""
    connection.execute("UPDATE unclaimed_bytes SET keep_until = 0 WHERE key = ?", (change.key,))
