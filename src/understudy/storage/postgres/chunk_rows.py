"""Chunks as rows."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from understudy.storage.chunks import Chunk, IndexedChunk
from understudy.storage.postgres.chunk_keys import StoreKeys, chunk_keys, is_sampled
from understudy.storage.postgres.connecting import Database

Place = tuple[int, int]  # an edition and an ordinal

COLUMNS = ("start", "end", "tokens", "page_first", "page_last", "text")
_CHUNK = '"start", "end", tokens, page_first, page_last, text'
# Text halves at any level; the lowest takes the least time.
DEFLATE_LEVEL = 1

# What is found in one statement is found in one state: an edition is there as a whole, or not.
_OF_PLACES = (
    "FROM unnest($1::bigint[], $2::integer[]) AS place (edition, ordinal) "
    "CROSS JOIN LATERAL (SELECT * FROM chunks WHERE chunks.edition = place.edition "
    "AND chunks.ordinal = place.ordinal LIMIT 1) AS chunk "
    "CROSS JOIN LATERAL (SELECT entry FROM chunk_editions WHERE id = place.edition "
    "AND store_id = $3 AND state = 'published' LIMIT 1) AS edition"
)


def packed(
    keys: StoreKeys, edition: int, first_ordinal: int, batch: Sequence[IndexedChunk]
) -> list[tuple[Any, ...]]:
    """Return the rows of consecutive chunks. Takes a while: do it in a thread."""
    return [
        (
            edition,
            ordinal,
            one.chunk.start,
            one.chunk.end,
            one.chunk.tokens,
            one.chunk.page_first,
            one.chunk.page_last,
            _deflated(one.chunk.text),
            _deflated(one.terms),
            chunk_keys(keys, one.terms.split(), sampled=is_sampled(edition, ordinal)),
        )
        for ordinal, one in enumerate(batch, first_ordinal)
    ]


async def insert(connection: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store what was packed."""
    await connection.copy_records_to_table(
        "chunks", records=rows, columns=("edition", "ordinal", *COLUMNS, "terms", "keys")
    )


async def terms_of(
    connection: Database, store_id: str, places: Sequence[Place]
) -> Mapping[Place, bytes]:
    """Return the terms of the published chunks among these, deflated."""
    found = await connection.fetch(
        f"SELECT place.edition, place.ordinal, terms {_OF_PLACES}", *_columns(places), store_id
    )
    return {(row[0], row[1]): row[2] for row in found}


async def find(
    connection: Database, store_id: str, places: Sequence[Place]
) -> Mapping[Place, tuple[int, Chunk]]:
    """Return (entry, chunk) of the published chunks among these."""
    found = await connection.fetch(
        f"SELECT place.edition, place.ordinal, entry, {_CHUNK} {_OF_PLACES}",
        *_columns(places),
        store_id,
    )
    return {(row[0], row[1]): (row[2], _chunk(row)) for row in found}


async def of_entry(
    connection: Database, store_id: str, entry: int, after: int, limit: int
) -> Sequence[tuple[int, Chunk]]:
    """Return (ordinal, chunk) of the published edition behind an ordinal, in order."""
    # Ordinals have no gaps, so those that are wanted can be named.
    found = await connection.fetch(
        f"SELECT ordinal, {_CHUNK} FROM chunk_editions JOIN chunks ON edition = chunk_editions.id "
        "WHERE store_id = $1 AND entry = $2 AND state = 'published' "
        "AND ordinal > $3 AND ordinal <= $3::bigint + $4 ORDER BY ordinal",
        store_id,
        entry,
        after,
        limit,
    )
    return [(row[0], _chunk(row)) for row in found]


def encoded(text: str) -> bytes:
    """Return a text as UTF-8, whatever it holds."""
    return text.encode("utf-8", "surrogatepass")


def inflated(deflated: bytes) -> str:
    """Return the text that was deflated."""
    return zlib.decompress(deflated).decode("utf-8", "surrogatepass")


def _deflated(text: str) -> bytes:
    return zlib.compress(encoded(text), DEFLATE_LEVEL)


def _columns(places: Sequence[Place]) -> tuple[list[int], list[int]]:
    return [edition for edition, _ in places], [ordinal for _, ordinal in places]


def _chunk(row: Mapping[str, Any]) -> Chunk:
    values = {column: row[column] for column in COLUMNS}
    return Chunk(**values | {"text": inflated(row["text"])})
