"""Chunks as rows."""

import sqlite3
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from understudy.storage.chunks import Chunk

COLUMNS = '"start", "end", tokens, page_first, page_last, text'
# Text halves at any level; the lowest takes the least time.
DEFLATE_LEVEL = 1


def encoded(text: str) -> bytes:
    """Return a text as UTF-8, whatever it holds."""
    return text.encode("utf-8", "surrogatepass")


def insert(
    connection: sqlite3.Connection,
    edition: int,
    first_chunk: int,
    first_ordinal: int,
    chunks: Sequence[Chunk],
) -> None:
    """Store consecutive chunks of an edition under consecutive ids."""
    connection.executemany(
        f"INSERT INTO chunks (id, edition, ordinal, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                first_chunk + place,
                edition,
                first_ordinal + place,
                chunk.start,
                chunk.end,
                chunk.tokens,
                chunk.page_first,
                chunk.page_last,
                zlib.compress(encoded(chunk.text), DEFLATE_LEVEL),
            )
            for place, chunk in enumerate(chunks)
        ),
    )
    connection.execute(
        "INSERT INTO spans VALUES (?, ?, ?, ?)",
        (edition, first_chunk, first_chunk + len(chunks) - 1, first_ordinal),
    )


def find(
    connection: sqlite3.Connection, ids: Iterable[int]
) -> Mapping[int, tuple[int, int, Chunk]]:
    """Return (entry, ordinal, chunk) of each id that is there."""
    found = {}
    for chunk_id in ids:
        row = connection.execute(
            f"SELECT entry, ordinal, {COLUMNS} FROM chunks"
            " JOIN editions ON editions.id = chunks.edition WHERE chunks.id = ?",
            (chunk_id,),
        ).fetchone()
        if row is not None:
            found[chunk_id] = (row[0], row[1], _chunk(row[2:]))
    return found


def spans(connection: sqlite3.Connection, entries: Collection[int]) -> Sequence[tuple[int, int]]:
    """Return the first and the last id of each run of chunks that the entries have."""
    rows: list[tuple[int, int]] = connection.execute(
        "SELECT first_chunk, last_chunk FROM json_each(?) AS wanted"
        " JOIN editions ON entry = wanted.value AND published IS NOT NULL"
        " JOIN spans ON spans.edition = editions.id",
        (msgspec.json.encode(list(entries)).decode(),),
    ).fetchall()
    return rows


def of_entry(
    connection: sqlite3.Connection, entry: int, after: int, limit: int
) -> Sequence[tuple[int, Chunk]]:
    """Return (ordinal, chunk) of the published edition behind an ordinal, in order."""
    rows = connection.execute(
        f"SELECT ordinal, {COLUMNS} FROM editions JOIN spans ON spans.edition = editions.id"
        " JOIN chunks ON chunks.id BETWEEN"
        " first_chunk + max(0, ? + 1 - first_ordinal) AND last_chunk"
        " WHERE entry = ? AND published IS NOT NULL"
        " ORDER BY first_chunk, chunks.id LIMIT ?",
        (after, entry, limit),
    )
    return [(row[0], _chunk(row[1:])) for row in rows]


def _chunk(row: Sequence[Any]) -> Chunk:
    start, end, tokens, page_first, page_last, text = row
    return Chunk(
        text=zlib.decompress(text).decode("utf-8", "surrogatepass"),
        start=start,
        end=end,
        tokens=tokens,
        page_first=page_first,
        page_last=page_last,
    )
