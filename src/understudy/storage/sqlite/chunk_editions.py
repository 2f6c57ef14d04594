"""Editions: the writings of an entry, of which at most one is found.

An edition is written in several short transactions, so that others can write meanwhile and memory
stays flat, and published in one. What a killed process left behind is removed by the next edition
of the same entry, or with the entry.
"""

import sqlite3
from collections.abc import Sequence

from understudy.errors import Unavailable
from understudy.storage.chunks import IndexedChunk, IndexSize
from understudy.storage.sqlite import chunk_rows, chunk_segments, chunk_vectors


def begin(connection: sqlite3.Connection, entry: int) -> int:
    """Begin an edition of an entry and return its number."""
    row = connection.execute("INSERT INTO editions (entry) VALUES (?)", (entry,))
    assert row.lastrowid is not None
    return row.lastrowid


def extend(connection: sqlite3.Connection, edition: int, batch: Sequence[IndexedChunk]) -> None:
    """Add chunks to an edition. Raises Unavailable when somebody has dropped it."""
    ordinal, text_bytes = _size(connection, edition)
    first_chunk = _next_chunk(connection)
    room = chunk_segments.room(first_chunk)
    _insert(connection, edition, first_chunk, ordinal, batch[:room])
    if len(batch) > room:
        _insert(connection, edition, first_chunk + room, ordinal + room, batch[room:])
    text_bytes += sum(len(chunk_rows.encoded(one.chunk.text)) for one in batch)
    connection.execute(
        "UPDATE editions SET chunks = ?, text_bytes = ? WHERE id = ?",
        (ordinal + len(batch), text_bytes, edition),
    )


def _insert(
    connection: sqlite3.Connection,
    edition: int,
    first_chunk: int,
    ordinal: int,
    batch: Sequence[IndexedChunk],
) -> None:
    chunk_rows.insert(connection, edition, first_chunk, ordinal, [one.chunk for one in batch])
    chunk_segments.append(connection, edition, first_chunk, [one.terms for one in batch])
    chunk_vectors.append(connection, edition, first_chunk, [one.vector for one in batch])


def publish(connection: sqlite3.Connection, entry: int, edition: int) -> IndexSize:
    """Let an edition be found in place of the entry's older ones, unless a newer one is."""
    chunks, text_bytes = _size(connection, edition)
    newer = connection.execute(
        "SELECT 1 FROM editions WHERE entry = ? AND id > ? AND published IS NOT NULL",
        (entry, edition),
    )
    if newer.fetchone():
        _remove(connection, edition)
    else:
        remove(connection, entry, before=edition)
        connection.execute("UPDATE state SET publications = publications + 1")
        connection.execute(
            "UPDATE editions SET published = (SELECT publications FROM state) WHERE id = ?",
            (edition,),
        )
        connection.execute("UPDATE segments SET edition = NULL WHERE edition = ?", (edition,))
    return IndexSize(text_bytes=text_bytes, chunks=chunks)


def remove(connection: sqlite3.Connection, entry: int, before: int | None = None) -> None:
    """Remove the editions of an entry, or those older than ``before``."""
    rows = connection.execute("SELECT id FROM editions WHERE entry = ?", (entry,)).fetchall()
    for (edition,) in rows:
        if before is None or edition < before:
            _remove(connection, edition)


def _remove(connection: sqlite3.Connection, edition: int) -> None:
    spans = connection.execute(
        "SELECT first_chunk, last_chunk FROM spans WHERE edition = ?", (edition,)
    ).fetchall()
    for first_chunk, last_chunk in spans:
        connection.execute("DELETE FROM chunks WHERE id BETWEEN ? AND ?", (first_chunk, last_chunk))
        chunk_segments.mark_dropped(connection, first_chunk, last_chunk)
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
