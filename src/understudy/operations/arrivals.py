"""The removal of bytes that no row names (``storage/arrivals.py``)."""

from understudy.operations.ports import Ports

# A claim reads the clock a moment before it is committed.
REMOVAL_DELAY_SECONDS = 60


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
