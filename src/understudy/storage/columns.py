"""Which table and columns an object is kept in, in every database."""

from collections.abc import Sequence

import msgspec

from understudy.storage.changes import Insert
from understudy.storage.records import Kind

TABLES: dict[Kind, str] = {
    "assistant": "assistants",
    "thread": "threads",
    "message": "messages",
    "run": "runs",
    "run_step": "run_steps",
    "file": "files",
    "vector_store": "vector_stores",
}


def columns_of(row: Insert) -> dict[str, object]:
    """Return the columns of a new object; those of one kind have the same names in one order."""
    columns: dict[str, object] = {
        "id": row.id,
        "project_id": row.project_id,
        "created_at": row.created_at,
        "body": row.body,
        "file_ids": pack(row.file_ids),
    }
    if row.kind in ("message", "run_step"):
        columns |= {"thread_id": row.thread_id, "run_id": row.run_id}
    if row.kind == "file":
        columns |= {"purpose": row.purpose}
    if row.kind in ("file", "vector_store"):
        columns |= {"expires_at": row.expires_at}
    return columns


def pack(file_ids: Sequence[str]) -> str | None:
    """Return the ids as one column, or None when there are none."""
    return msgspec.json.encode(file_ids).decode() if file_ids else None


def unpack(column: str | None) -> tuple[str, ...]:
    """Return the ids of the column."""
    return tuple(msgspec.json.decode(column)) if column else ()
