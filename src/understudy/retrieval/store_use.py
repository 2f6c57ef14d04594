"""When vector stores expire, and how a store is marked as used (VS-03).

A store that has expired is over for ever, so nothing that counts as use is done to it any more.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from understudy.storage.base import Objects
from understudy.storage.changes import Replace
from understudy.storage.records import Conflict, Row, Scope
from understudy.wire.encoding import decode_vector_store, encode
from understudy.wire.objects.vector_stores import ExpiresAfter, VectorStore

_DAY_SECONDS = 86_400
_TRIES_MAX = 10


def expiry(after: ExpiresAfter | None, last_active_at: int) -> int | None:
    """Return when a store expires that was last used then."""
    return None if after is None else last_active_at + after.days * _DAY_SECONDS


def has_expired(store: VectorStore, now: int) -> bool:
    """Return whether the store's time is over."""
    return store.expires_at is not None and store.expires_at <= now


def replacing(project_id: str, row: Row, store: VectorStore) -> Replace:
    """Return the order to write another body over the one that was read."""
    return Replace(
        kind="vector_store",
        project_id=project_id,
        id=row.id,
        read=row,
        body=encode(store),
        expires_at=store.expires_at,
    )


def touching(project_id: str, row: Row, now: int) -> tuple[Replace, ...]:
    """Return what says that the store is in use now: nothing if it says so already."""
    store = decode_vector_store(row.body)
    if store.last_active_at >= now:
        return ()
    used = replace(store, last_active_at=now, expires_at=expiry(store.expires_after, now))
    return (replacing(project_id, row, used),)


async def touch(objects: Objects, project_id: str, rows: Iterable[Row], now: int) -> None:
    """Mark stores as used now, whoever else changes or uses them at the same moment."""
    for row in rows:
        await _touch(objects, project_id, row, now)


async def _touch(objects: Objects, project_id: str, row: Row, now: int) -> None:
    current: Row | None = row
    for _ in range(_TRIES_MAX):
        order = touching(project_id, current, now) if current else ()
        if not order:
            return  # used by somebody else, or deleted
        try:
            await objects.write(*order)
        except Conflict:
            current = await objects.fetch("vector_store", Scope(project_id=project_id), row.id)
        else:
            return


async def stores_in(objects: Objects, project_id: str, store_ids: Iterable[str]) -> list[Row]:
    """Return those of the stores that the project has, in their order."""
    scope = Scope(project_id=project_id)
    rows = [await objects.fetch("vector_store", scope, one) for one in store_ids]
    return [row for row in rows if row is not None]
