"""The metadata of threads, as pairs to find them by.

A pair is kept as JSON bytes, since PostgreSQL's text and jsonb cannot hold every string.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.statements import arrays


class _Labelled(Struct):
    metadata: dict[str, str] = {}


_decode = msgspec.json.Decoder(_Labelled).decode
_encode = msgspec.json.Encoder().encode


def label(key: str, value: str) -> bytes:
    """Return what stands for the pair."""
    return _encode((key, value))


def of(thread_id: str, body: bytes) -> list[tuple[str, bytes]]:
    """Return the rows that stand for the metadata of a thread."""
    return [(thread_id, label(key, value)) for key, value in _decode(body).metadata.items()]


async def add(database: Database, bodies: Iterable[tuple[str, bytes]]) -> None:
    """Note the metadata of new threads, given as (id, body)."""
    rows = [row for thread_id, body in bodies for row in of(thread_id, body)]
    if rows:
        await database.execute(
            "INSERT INTO thread_labels (thread_id, label) "
            "SELECT * FROM unnest($1::text[], $2::bytea[])",
            *arrays(rows),
        )


async def remove(database: Database, thread_id: str) -> None:
    """Forget the metadata of a thread."""
    await database.execute("DELETE FROM thread_labels WHERE thread_id = $1", thread_id)
