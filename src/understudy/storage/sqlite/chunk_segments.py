"""Segments: which of some consecutive chunks have which terms.

Every writing appends segments. Small ones are joined to larger ones, as in any log-structured
index: a posting is rewritten once for each level, and a search looks into few segments.

Chunks are counted off in pages of 65,536 ids, and no segment lies in two pages. So a posting names
a chunk by the 16 bits of its place in the page, joining postings is joining bytes, and a search
needs one array of a bounded size for each page.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from understudy.storage.sqlite.chunk_weights import weights

PAGE_CHUNKS = 65_536
FAN_IN = 8
BYTES_OF_HIT = 3
_COLUMNS = "id, edition, first_chunk, last_chunk, chunks, dropped"

Array = np.ndarray[Any, Any]


class Segment(Struct, frozen=True):
    """A row of ``segments``."""

    id: int
    edition: int | None
    first_chunk: int
    last_chunk: int
    chunks: int
    dropped: bytes | None

    @property
    def page(self) -> int:
        """The number of the page that the chunks are in."""
        return self.first_chunk // PAGE_CHUNKS

    @property
    def gone(self) -> Array | None:
        """Which of the page's chunks were dropped; None when none was."""
        if self.dropped is None:
            return None
        bits = np.frombuffer(self.dropped, np.uint8)
        return np.unpackbits(bits, count=PAGE_CHUNKS, bitorder="little").astype(bool)


def listed(connection: sqlite3.Connection) -> Sequence[Segment]:
    """Return all segments in the order of their chunks."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM segments ORDER BY first_chunk")
    return [Segment(*row) for row in rows]


def room(first_chunk: int) -> int:
    """Return how many chunks, from this one on, may be in one segment."""
    return PAGE_CHUNKS - first_chunk % PAGE_CHUNKS


def append(
    connection: sqlite3.Connection, edition: int, first_chunk: int, terms: Sequence[str]
) -> None:
    """Store the terms of consecutive chunks of one page."""
    last_chunk = first_chunk + len(terms) - 1
    segment = _insert_segment(connection, edition, first_chunk, last_chunk, len(terms))
    _insert_postings(connection, segment, _inverted(terms, first_chunk % PAGE_CHUNKS))


def split(hits: bytes) -> tuple[Array, Array]:
    """Return the places and the weights of a posting."""
    count = len(hits) // BYTES_OF_HIT
    return np.frombuffer(hits, "<u2", count), np.frombuffer(hits, np.uint8, count, 2 * count)


def mark_dropped(connection: sqlite3.Connection, first_chunk: int, last_chunk: int) -> None:
    """Let nobody find these chunks; segments that are mostly dropped are rewritten."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM segments WHERE first_chunk <= ? AND last_chunk >= ?",
        (last_chunk, first_chunk),
    ).fetchall()
    for segment in (Segment(*row) for row in rows):
        first = max(first_chunk, segment.first_chunk)
        _mark(connection, segment, first, min(last_chunk, segment.last_chunk))


def join_some(connection: sqlite3.Connection) -> bool:
    """Join segments if there are too many small ones, and say whether there were."""
    due = _due(listed(connection))
    if due:
        _join(connection, due)
    return bool(due)


def _mark(connection: sqlite3.Connection, segment: Segment, first: int, last: int) -> None:
    bits = int.from_bytes(segment.dropped or b"", "little")
    bits |= ((1 << (last - first + 1)) - 1) << first % PAGE_CHUNKS
    dropped = bits.to_bytes(PAGE_CHUNKS // 8, "little")
    connection.execute("UPDATE segments SET dropped = ? WHERE id = ?", (dropped, segment.id))
    if bits.bit_count() * 2 > segment.chunks:
        _join(connection, [msgspec.structs.replace(segment, dropped=dropped)])


def _due(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Return neighbours that would make a segment of the next size, the smallest first."""
    size = FAN_IN
    while size <= PAGE_CHUNKS:
        for neighbours in _runs(segments, size):
            if len(neighbours) > 1 and sum(one.chunks for one in neighbours) >= size:
                return neighbours
        size *= FAN_IN
    return ()


def _runs(segments: Sequence[Segment], size: int) -> Iterator[Sequence[Segment]]:
    """Yield neighbours in one page that are smaller than this and found by the same people."""
    for (_, _, small), run in groupby(
        segments, lambda one: (one.edition, one.page, one.chunks < size)
    ):
        if small:
            yield list(run)


def _join(connection: sqlite3.Connection, segments: Sequence[Segment]) -> None:
    """Replace neighbours by one segment without what was dropped."""
    first, last = segments[0].first_chunk, segments[-1].last_chunk
    chunks = sum(_kept(one) for one in segments)
    if chunks:
        joined = _insert_segment(connection, segments[0].edition, first, last, chunks)
        _insert_postings(connection, joined, _joined(connection, segments))
    for one in segments:
        connection.execute("DELETE FROM postings WHERE segment = ?", (one.id,))
        connection.execute("DELETE FROM segments WHERE id = ?", (one.id,))


def _kept(segment: Segment) -> int:
    return segment.chunks - int.from_bytes(segment.dropped or b"", "little").bit_count()


def _joined(
    connection: sqlite3.Connection, segments: Sequence[Segment]
) -> Iterator[tuple[str, bytes]]:
    """Yield the postings of neighbours as if they were one segment."""
    order = {one.id: place for place, one in enumerate(segments)}
    gone = {one.id: one.gone for one in segments if one.dropped is not None}
    rows = connection.execute(
        "SELECT term, segment, hits FROM postings WHERE segment IN"
        " (SELECT value FROM json_each(?)) ORDER BY term",
        (msgspec.json.encode(list(order)).decode(),),
    )
    for term, same in groupby(rows, itemgetter(0)):
        parts = sorted(
            (order[segment], _without(hits, gone.get(segment))) for _, segment, hits in same
        )
        places = [hits[: 2 * (len(hits) // BYTES_OF_HIT)] for _, hits in parts]
        found = [hits[2 * (len(hits) // BYTES_OF_HIT) :] for _, hits in parts]
        if hits := b"".join(places + found):
            yield term, hits


def _without(hits: bytes, gone: Array | None) -> bytes:
    if gone is None:
        return hits
    places, found = split(hits)
    kept = ~gone[places]
    return places[kept].tobytes() + found[kept].tobytes()


def _inverted(terms: Sequence[str], first_place: int) -> Iterable[tuple[str, bytes]]:
    postings: dict[str, tuple[array[int], bytearray]] = {}
    for place, of_chunk in enumerate(terms, first_place):
        for term, weight in weights(of_chunk):
            posting = postings.get(term)
            if posting is None:
                posting = postings[term] = (array("H"), bytearray())
            posting[0].append(place)
            posting[1].append(weight)
    for term in sorted(postings):
        places, found = postings[term]
        yield term, places.tobytes() + found


def _insert_segment(
    connection: sqlite3.Connection,
    edition: int | None,
    first_chunk: int,
    last_chunk: int,
    chunks: int,
) -> int:
    row = connection.execute(
        "INSERT INTO segments (edition, first_chunk, last_chunk, chunks) VALUES (?, ?, ?, ?)",
        (edition, first_chunk, last_chunk, chunks),
    )
    assert row.lastrowid is not None
    return row.lastrowid


def _insert_postings(
    connection: sqlite3.Connection, segment: int, postings: Iterable[tuple[str, bytes]]
) -> None:
    connection.executemany(
        "INSERT INTO postings (segment, term, hits) VALUES (?, ?, ?)",
        ((segment, term, hits) for term, hits in postings),
    )
