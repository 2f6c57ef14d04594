"""Bytes on their way into the store, before a row names them.

Bytes reach the store before the row that names them can be written, and a process may be killed in
between. So whoever stores bytes says first under which key (ExpectBytes) and claims them in the
transaction that names them. What is not claimed, and the parts of an upload that is over, is
removed by the sweeper; nobody else deletes these bytes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from understudy.operations.ports import Ports
from understudy.storage.changes import AbandonBytes, ExpectBytes

# Longer than any file or any joining of parts takes, so that the sweeper never meets bytes on
# their way.
ARRIVAL_SECONDS_MAX = 86_400
# A claim reads the clock a moment before it is committed.
REMOVAL_DELAY_SECONDS = 60


@asynccontextmanager
async def arriving(ports: Ports, key: str) -> AsyncIterator[None]:
    """Store bytes inside this; they stay if the block claims them, and are removed otherwise."""
    await ports.storage.write(ExpectBytes(key=key, keep_until=ports.now + ARRIVAL_SECONDS_MAX))
    try:
        yield
    except BaseException:
        # Nothing happens if the claim was on its way when this request was cancelled.
        await ports.storage.write(AbandonBytes(key=key))
        raise


async def remove_unclaimed_bytes(ports: Ports, limit: int) -> None:
    """Remove bytes that no row names: of crashed requests, of deleted files, of ended uploads."""
    removed: list[str] = []
    try:
        for key in await ports.storage.unclaimed_bytes(ports.now - REMOVAL_DELAY_SECONDS, limit):
            await ports.files.delete(key)
            removed.append(key)
    finally:
        if removed:
            await ports.storage.forget_unclaimed_bytes(removed)
