"""Finding chunks by their vectors, which are packed by stores in memory."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import numpy as np

from understudy.storage.sqlite.chunk_best import Array, Best, Span, within

READ_CHUNKS = 4_096
PARTS_MAX = 8
_FLOAT_BYTES = 4

Part = tuple[Array, Array]  # ids, and a row for each


def nearest(
    parts: Iterable[Part], vector: bytes, limit: int, spans: Sequence[Span] | None
) -> Sequence[tuple[int, float]]:
    """Return (chunk, cosine cut off at 0), the best first."""
    wanted = np.frombuffer(vector, "<f4")
    best = Best(limit)
    for ids, rows in parts:
        scores = np.clip(rows @ wanted, 0, 1)
        if spans is not None:
            scores[~within(spans, ids)] = 0
        best.add(scores, ids)
    return best.ranked()


class VectorCache:
    """Keeps the vectors of the stores that were asked last in memory, up to a number of bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._stores: OrderedDict[tuple[str, int], _Packed] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def parts(
        self, connection: sqlite3.Connection, store_id: str, dimensions: int
    ) -> Iterator[Iterable[Part]]:
        """Give the vectors of a store as the connection's transaction sees them."""
        if _bytes(connection, dimensions) > self._bytes_max:
            self._forget(store_id, dimensions)
            yield _read(connection, dimensions, 0)
            return
        yield self._packed(store_id, dimensions).refreshed(connection, dimensions)
        self._shrink()

    def drop(self, store_id: str) -> None:
        """Forget the vectors of a store."""
        with self._lock:
            for key in [one for one in self._stores if one[0] == store_id]:
                del self._stores[key]

    def _packed(self, store_id: str, dimensions: int) -> "_Packed":
        with self._lock:
            packed = self._stores.setdefault((store_id, dimensions), _Packed())
            self._stores.move_to_end((store_id, dimensions))
            return packed

    def _forget(self, store_id: str, dimensions: int) -> None:
        with self._lock:
            self._stores.pop((store_id, dimensions), None)

    def _shrink(self) -> None:
        with self._lock:
            while self._stores and sum(one.size for one in self._stores.values()) > self._bytes_max:
                self._stores.popitem(last=False)


class _Packed:
    """The vectors of a store, as of some number of publications and drops."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: tuple[Part, ...] = ()
        self._publications = 0
        self._drops = 0
        self._lock = Lock()

    def refreshed(self, connection: sqlite3.Connection, dimensions: int) -> Sequence[Part]:
        """Read what was published since the last time; all of it after a drop."""
        publications, drops = connection.execute("SELECT publications, drops FROM state").fetchone()
        with self._lock:
            if drops < self._drops or publications < self._publications:
                # Another thread has seen more than this transaction does.
                return list(_read(connection, dimensions, 0))
            if drops != self._drops:
                self._parts, self._publications = (), 0
            if publications != self._publications:
                self._extend(_read(connection, dimensions, self._publications))
            self._publications, self._drops = publications, drops
            return self._parts

    def _extend(self, more: Iterable[Part]) -> None:
        parts = [*self._parts, *more]
        if len(parts) > PARTS_MAX:
            parts = [_joined(parts)]
        self._parts = tuple(parts)
        self.size = sum(ids.nbytes + rows.nbytes for ids, rows in parts)


def _joined(parts: Sequence[Part]) -> Part:
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([rows for _, rows in parts])


def _read(connection: sqlite3.Connection, dimensions: int, after: int) -> Iterator[Part]:
    """Yield the vectors of editions published after a number of publications, some at a time."""
    cursor = connection.execute(
        "SELECT first_chunk, packed FROM editions CROSS JOIN vectors ON edition = editions.id"
        " WHERE published > ? AND dimensions = ?",
        (after, dimensions),
    )
    some: list[tuple[int, bytes]] = []
    waiting = 0
    for first_chunk, packed in cursor:
        some.append((first_chunk, packed))
        waiting += len(packed) // (dimensions * _FLOAT_BYTES)
        if waiting >= READ_CHUNKS:
            yield _part(some, dimensions)
            some, waiting = [], 0
    if some:
        yield _part(some, dimensions)


def _part(some: Sequence[tuple[int, bytes]], dimensions: int) -> Part:
    size = dimensions * _FLOAT_BYTES
    ids = [np.arange(first, first + len(packed) // size) for first, packed in some]
    rows = np.frombuffer(b"".join(packed for _, packed in some), "<f4").reshape(-1, dimensions)
    return np.concatenate(ids), rows


def _bytes(connection: sqlite3.Connection, dimensions: int) -> int:
    count: int = connection.execute(
        "SELECT coalesce(sum(chunks), 0) FROM vectors WHERE dimensions = ?", (dimensions,)
    ).fetchone()[0]
    return count * dimensions * _FLOAT_BYTES
