"""Bytes on their way into the store, before a row names them.

Bytes reach the store before the row that names them can be written, and a process may be killed in
between. So whoever stores bytes says first under which key (ExpectBytes) and claims them in the
transaction that names them. What is not claimed, and the parts of an upload that is over, is
removed by the sweeper; nobody else deletes these bytes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from understudy.storage.base import Storage
from understudy.storage.changes import AbandonBytes, ClaimBytes, ExpectBytes, Insert
from understudy.wire.encoding import encode
from understudy.wire.objects.files import File

# Longer than any file or any joining of parts takes, so that the sweeper never meets bytes on
# their way.
ARRIVAL_SECONDS_MAX = 86_400


@asynccontextmanager
async def arriving(storage: Storage, key: str, now: int) -> AsyncIterator[None]:
    """Store bytes inside this; they stay if the block claims them, and are removed otherwise."""
    await storage.write(ExpectBytes(key=key, keep_until=now + ARRIVAL_SECONDS_MAX))
    try:
        yield
    except BaseException:
        # Nothing happens if the claim was on its way when this request was cancelled.
        await storage.write(AbandonBytes(key=key))
        raise


def arrived(file: File, project_id: str, now: int) -> tuple[Insert, ClaimBytes]:
    """Return what makes the bytes under the file's id the file; Conflict if they were given up."""
    insert = Insert(
        kind="file",
        project_id=project_id,
        id=file.id,
        created_at=now,
        body=encode(file),
        purpose=file.purpose,
        expires_at=file.expires_at,
    )
    return insert, ClaimBytes(key=file.id, now=now)
