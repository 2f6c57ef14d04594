"""Finding chunks by their vectors, which are packed by stores in memory."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import numpy as np

from understudy.storage.chunks import Vector
from understudy.storage.sqlite.chunk_best import Array, Best, Span, within

READ_CHUNKS = 4_096
PARTS_MAX = 8
_FLOAT_BYTES = 4

Part = tuple[Array, Array]  # ids, and a row for each


class Space(NamedTuple):
    """Where vectors can be compared: those of one model and length."""

    model: str
    dimensions: int

    @property
    def vector_bytes(self) -> int:
        """Return the size of a vector."""
        return self.dimensions * _FLOAT_BYTES


def space_of(vector: Vector) -> Space:
    """Return where a vector can be compared."""
    return Space(vector.model, len(vector.packed) // _FLOAT_BYTES)


def nearest(
    parts: Iterable[Part], vector: Vector, limit: int, spans: Sequence[Span] | None
) -> Sequence[tuple[int, float]]:
    """Return (chunk, cosine cut off at 0), the best first."""
    wanted = np.frombuffer(vector.packed, "<f4")
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
        self._stores: OrderedDict[tuple[str, Space], _Packed] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def parts(
        self, connection: sqlite3.Connection, store_id: str, space: Space
    ) -> Iterator[Iterable[Part]]:
        """Give the vectors of a store as the connection's transaction sees them."""
        if _bytes(connection, space) > self._bytes_max:
            self._forget(store_id, space)
            yield _read(connection, space, 0)
            return
        yield self._packed(store_id, space).refreshed(connection, space)
        self._shrink()

    def drop(self, store_id: str) -> None:
        """Forget the vectors of a store."""
        with self._lock:
            for key in [one for one in self._stores if one[0] == store_id]:
                del self._stores[key]

    def _packed(self, store_id: str, space: Space) -> "_Packed":
        with self._lock:
            packed = self._stores.setdefault((store_id, space), _Packed())
            self._stores.move_to_end((store_id, space))
            return packed

    def _forget(self, store_id: str, space: Space) -> None:
        with self._lock:
            self._stores.pop((store_id, space), None)

    def _shrink(self) -> None:
        with self._lock:
            while self._stores and sum(one.size for one in self._stores.values()) > self._bytes_max:
                self._stores.popitem(last=False)


class _Packed:
    """The vectors of a store's file, as of some number of publications and drops."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: tuple[Part, ...] = ()
        self._identity: int | None = None
        self._publications = 0
        self._drops = 0
        self._lock = Lock()

    def refreshed(self, connection: sqlite3.Connection, space: Space) -> Sequence[Part]:
        """Read what was published since the last time; all of it after a drop."""
        identity, publications, drops = connection.execute(
            "SELECT identity, publications, drops FROM state"
        ).fetchone()
        with self._lock:
            if identity != self._identity:  # another process has made the file anew
                self._identity = identity
                self._parts, self.size, self._publications, self._drops = (), 0, 0, 0
            if drops < self._drops or publications < self._publications:
                # Another thread has seen more than this transaction does.
                return list(_read(connection, space, 0))
            if drops != self._drops:
                self._parts, self._publications = (), 0
            if publications != self._publications:
                self._extend(_read(connection, space, self._publications))
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


def _read(connection: sqlite3.Connection, space: Space, after: int) -> Iterator[Part]:
    """Yield the vectors of editions published after a number of publications, some at a time."""
    cursor = connection.execute(
        "SELECT first_chunk, packed FROM editions CROSS JOIN vectors ON edition = editions.id"
        " WHERE published > ? AND model = ? AND dimensions = ?",
        (after, *space),
    )
    some: list[tuple[int, bytes]] = []
    waiting = 0
    for first_chunk, packed in cursor:
        some.append((first_chunk, packed))
        waiting += len(packed) // space.vector_bytes
        if waiting >= READ_CHUNKS:
            yield _part(some, space)
            some, waiting = [], 0
    if some:
        yield _part(some, space)


def _part(some: Sequence[tuple[int, bytes]], space: Space) -> Part:
    size = space.vector_bytes
    ids = [np.arange(first, first + len(packed) // size) for first, packed in some]
    rows = np.frombuffer(b"".join(packed for _, packed in some), "<f4").reshape(
        -1, space.dimensions
    )
    return np.concatenate(ids), rows


def _bytes(connection: sqlite3.Connection, space: Space) -> int:
    count: int = connection.execute(
        "SELECT coalesce(sum(chunks), 0) FROM vectors WHERE model = ? AND dimensions = ?", space
    ).fetchone()[0]
    return count * space.vector_bytes
