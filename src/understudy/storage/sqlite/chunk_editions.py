"""Editions: the writings of an entry, of which at most one is found.

An edition is written in several short transactions, so that others can write meanwhile and memory
stays flat, and published in one. What a killed process left behind is removed by the next edition
of the same entry, or with the entry.
"""

import sqlite3
from collections.abc import Sequence
from itertools import groupby

from understudy.errors import Unavailable
from understudy.storage.chunks import IndexedChunk, IndexSize, Vector
from understudy.storage.sqlite import chunk_rows

# Vectors of consecutive chunks are stored together, so many at a time.
PACKED_CHUNKS_MAX = 256
_FLOAT_BYTES = 4


def begin(connection: sqlite3.Connection, entry: int) -> int:
    """Begin an edition of an entry and return its number."""
    row = connection.execute("INSERT INTO editions (entry) VALUES (?)", (entry,))
    assert row.lastrowid is not None
    return row.lastrowid


def extend(connection: sqlite3.Connection, edition: int, batch: Sequence[IndexedChunk]) -> None:
    """Add chunks to an edition. Raises Unavailable when somebody has dropped it."""
    ordinal, text_bytes = _size(connection, edition)
    first_chunk = _next_chunk(connection)
    chunk_rows.insert(connection, edition, first_chunk, ordinal, [one.chunk for one in batch])
    connection.executemany(
        "INSERT INTO terms (rowid, stems) VALUES (?, ?)",
        ((first_chunk + place, one.terms) for place, one in enumerate(batch)),
    )
    _insert_vectors(connection, edition, first_chunk, [one.vector for one in batch])
    text_bytes += sum(len(chunk_rows.encoded(one.chunk.text)) for one in batch)
    connection.execute(
        "UPDATE editions SET chunks = ?, text_bytes = ? WHERE id = ?",
        (ordinal + len(batch), text_bytes, edition),
    )


def _insert_vectors(
    connection: sqlite3.Connection,
    edition: int,
    first_chunk: int,
    vectors: Sequence[Vector | None],
) -> None:
    """Store the vectors of consecutive chunks; some may have none."""
    for (model, size), numbered in groupby(enumerate(vectors, first_chunk), _space):
        run = [(chunk, vector.packed) for chunk, vector in numbered if vector is not None]
        for start in range(0, len(run), PACKED_CHUNKS_MAX):
            some = run[start : start + PACKED_CHUNKS_MAX]
            packed = b"".join(vector for _, vector in some)
            connection.execute(
                "INSERT INTO vectors (first_chunk, edition, model, dimensions, chunks, packed)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (some[0][0], edition, model, size // _FLOAT_BYTES, len(some), packed),
            )


def _space(numbered: tuple[int, Vector | None]) -> tuple[str, int]:
    """Return what vectors have in common that are stored together: the model and the size."""
    _, vector = numbered
    return (vector.model, len(vector.packed)) if vector else ("", 0)


def publish(connection: sqlite3.Connection, entry: int, edition: int) -> IndexSize:
    """Let an edition be found in place of the entry's older ones, unless a newer one is."""
    chunks, text_bytes = _size(connection, edition)
    newer = connection.execute(
        "SELECT 1 FROM editions WHERE entry = ? AND id > ? AND published IS NOT NULL",
        (entry, edition),
    )
    if newer.fetchone():
        withdraw(connection, edition)
    else:
        remove(connection, entry, before=edition)
        connection.execute("UPDATE state SET publications = publications + 1")
        connection.execute(
            "UPDATE editions SET published = (SELECT publications FROM state) WHERE id = ?",
            (edition,),
        )
    return IndexSize(text_bytes=text_bytes, chunks=chunks)


def without_vectors(connection: sqlite3.Connection, model: str) -> Sequence[int]:
    """Return the entries that have chunks without a vector of the model."""
    found = connection.execute(
        "SELECT entry FROM editions WHERE published IS NOT NULL AND chunks > "
        "(SELECT coalesce(sum(vectors.chunks), 0) FROM vectors "
        "WHERE edition = editions.id AND model = ?) ORDER BY entry",
        (model,),
    )
    return [entry for (entry,) in found]


def remove(connection: sqlite3.Connection, entry: int, before: int | None = None) -> None:
    """Remove the editions of an entry, or those older than ``before``."""
    rows = connection.execute("SELECT id FROM editions WHERE entry = ?", (entry,)).fetchall()
    for (edition,) in rows:
        if before is None or edition < before:
            withdraw(connection, edition)


def withdraw(connection: sqlite3.Connection, edition: int) -> None:
    """Remove one edition."""
    spans = connection.execute(
        "SELECT first_chunk, last_chunk FROM spans WHERE edition = ?", (edition,)
    ).fetchall()
    for first_chunk, last_chunk in spans:
        connection.execute("DELETE FROM chunks WHERE id BETWEEN ? AND ?", (first_chunk, last_chunk))
        connection.execute(
            "DELETE FROM terms WHERE rowid BETWEEN ? AND ?", (first_chunk, last_chunk)
        )
    for table in ("spans", "vectors"):
        connection.execute(f"DELETE FROM {table} WHERE edition = ?", (edition,))
    connection.execute(
        "UPDATE state SET drops = drops + 1"
        " WHERE (SELECT published FROM editions WHERE id = ?) IS NOT NULL",
        (edition,),
    )
    connection.execute("DELETE FROM editions WHERE id = ?", (edition,))


def _size(connection: sqlite3.Connection, edition: int) -> tuple[int, int]:
    row: tuple[int, int] | None = connection.execute(
        "SELECT chunks, text_bytes FROM editions WHERE id = ?", (edition,)
    ).fetchone()
    if row is None:
        raise Unavailable("The passages were dropped while they were being stored. Try again.")
    return row


def _next_chunk(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    return row[0] + 1 if row else 1
