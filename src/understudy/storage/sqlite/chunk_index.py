"""The chunk index in SQLite: one file for each vector store, worked on in threads.

How chunks are written is told in ``chunk_editions.py``, how they are found in ``chunk_search.py``
and ``chunk_vectors.py``. The latter needs numpy, whose import takes time and memory; so it is
imported by the first search for vectors, in its thread.
"""

import asyncio
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

import structlog

from understudy.errors import IndexUnreadable, Misconfigured, Unavailable
from understudy.storage.chunks import Chunk, Hit, IndexedChunk, IndexSize, Vector
from understudy.storage.portions import in_portions
from understudy.storage.sqlite import chunk_editions as editions
from understudy.storage.sqlite import chunk_rows, chunk_search
from understudy.storage.sqlite.chunk_files import ChunkFiles

if TYPE_CHECKING:
    from understudy.storage.sqlite.chunk_vectors import VectorCache

log = structlog.get_logger("understudy.storage")

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Spans = Sequence[tuple[int, int]]
Ranking = Sequence[tuple[int, float]]

# One transaction: a megabyte or two of text, so that memory stays flat and others get a turn.
WRITE_CHUNKS = 500
READERS_MAX = 4
VECTOR_CACHE_BYTES_MAX = 256 * 1024 * 1024


class SqliteChunkIndex:
    """Passages of all stores, in the files of a folder."""

    def __init__(
        self, folder: Path, *, vector_cache_bytes_max: int = VECTOR_CACHE_BYTES_MAX
    ) -> None:
        self._files = ChunkFiles(folder, self._forget_vectors)
        self._writing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Threads of their own, so that writes and whatever else is slow never stop searches.
        self._readers = ThreadPoolExecutor(READERS_MAX, "index-reader")
        self._vector_cache_bytes_max = vector_cache_bytes_max
        self._vectors: VectorCache | None = None

    @property
    def only_words(self) -> str | None:
        return None

    async def put(
        self, store_id: str, entry: int, batches: AsyncIterator[Sequence[IndexedChunk]]
    ) -> IndexSize:
        begin = partial(editions.begin, entry=entry)
        edition = await self._write(store_id, begin, create=True)
        try:
            async for some in in_portions(batches, WRITE_CHUNKS):
                await self._write(store_id, partial(editions.extend, edition=edition, batch=some))
            publish = partial(editions.publish, entry=entry, edition=edition)
            size = await self._write(store_id, publish)
        except BaseException as error:
            await asyncio.shield(self._abandon(store_id, edition))
            if isinstance(error, FileNotFoundError):
                raise Unavailable("The vector store was dropped meanwhile.") from error
            raise
        return size

    async def search(
        self,
        store_id: str,
        terms: Sequence[str],
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        def work(connection: sqlite3.Connection) -> Sequence[Hit]:
            ranking = chunk_search.search(connection, terms, limit, entries)
            return _hits(connection, ranking)

        if not terms or limit < 1:
            return ()
        return await self._read(store_id, work, ())

    async def nearest(
        self,
        store_id: str,
        vector: Vector,
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        def work(connection: sqlite3.Connection) -> Sequence[Hit]:
            from understudy.storage.sqlite.chunk_vectors import nearest, space_of  # noqa: PLC0415

            spans = _spans(connection, entries)
            with self._cache().parts(connection, store_id, space_of(vector)) as parts:
                return _hits(connection, nearest(parts, vector, limit, spans))

        if not vector.packed or limit < 1:
            return ()
        return await self._read(store_id, work, ())

    async def entries_without_vectors(self, store_id: str, model: str) -> Sequence[int]:
        return await self._read(store_id, partial(editions.without_vectors, model=model), ())

    async def chunks(
        self, store_id: str, entry: int, *, after: int = -1, limit: int
    ) -> Sequence[tuple[int, Chunk]]:
        return await self._read(
            store_id, lambda one: chunk_rows.of_entry(one, entry, after, limit), ()
        )

    async def entries(self, store_id: str) -> Collection[int] | None:
        try:
            return await self._read(store_id, _published, None)
        except IndexUnreadable:
            return None

    async def drop_entry(self, store_id: str, entry: int) -> None:
        with suppress(FileNotFoundError):
            await self._write(store_id, partial(editions.remove, entry=entry))

    async def drop_store(self, store_id: str) -> None:
        try:
            await asyncio.to_thread(self._files.drop, store_id)
        except OSError as error:
            raise _unreadable(store_id, error) from error
        self._forget_vectors(store_id)

    async def close(self) -> None:
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._files.close)

    async def _abandon(self, store_id: str, edition: int) -> None:
        """Remove an edition that did not succeed; what it was to replace stays."""
        with suppress(FileNotFoundError, Unavailable):
            await self._write(store_id, partial(editions.withdraw, edition=edition))

    async def _write(self, store_id: str, work: Work[T], *, create: bool = False) -> T:
        """Do the work in one transaction, in a thread. Raises FileNotFoundError or Unavailable."""

        def transaction() -> T:
            with self._files.borrow(store_id, create=create) as connection:
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                connection.execute("COMMIT")
                return result

        # Waiting here is fair and takes no thread; in SQLite, only other processes are waited for.
        async with self._writing.setdefault(store_id, asyncio.Lock()):
            return await _apart(store_id, transaction)

    async def _read(self, store_id: str, work: Work[T], unknown: T) -> T:
        """Do the work on one state of the file, in a thread. Raises Unavailable."""

        def transaction() -> T:
            with self._files.borrow(store_id) as connection:
                connection.execute("BEGIN")
                result = work(connection)
                connection.execute("COMMIT")
                return result

        try:
            return await _apart(store_id, transaction, self._readers)
        except FileNotFoundError:
            return unknown

    def _forget_vectors(self, store_id: str) -> None:
        if self._vectors is not None:
            self._vectors.drop(store_id)

    def _cache(self) -> "VectorCache":
        from understudy.storage.sqlite.chunk_vectors import VectorCache  # noqa: PLC0415

        if self._vectors is None:
            self._vectors = VectorCache(self._vector_cache_bytes_max)
        return self._vectors


def _spans(connection: sqlite3.Connection, entries: Collection[int] | None) -> Spans | None:
    """Return which chunks the entries have; None stands for all."""
    if entries is None:
        return None
    return chunk_rows.spans(connection, entries)


def _hits(connection: sqlite3.Connection, ranking: Ranking) -> Sequence[Hit]:
    found = chunk_rows.find(connection, [chunk_id for chunk_id, _ in ranking])
    hits = []
    for chunk_id, score in ranking:
        entry, ordinal, chunk = found[chunk_id]
        hits.append(Hit(entry=entry, ordinal=ordinal, score=score, chunk=chunk))
    return hits


async def _apart(store_id: str, work: Callable[[], T], threads: Executor | None = None) -> T:
    """Do the work in a thread; those that everybody shares are the default."""
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    except FileNotFoundError:
        raise
    except (sqlite3.Error, zlib.error, OSError, Misconfigured) as error:
        raise _unreadable(store_id, error) from error


def _unreadable(store_id: str, error: Exception) -> IndexUnreadable:
    log.error("chunk_index_failed", store_id=store_id, cause=str(error))
    return IndexUnreadable(
        f"The index of vector store '{store_id}' cannot be used: {error}. If this goes on, restart "
        "the server: it makes a damaged index anew from the files."
    )


def _published(connection: sqlite3.Connection) -> Collection[int]:
    """Return the entries; reads a little of everything, so that damage shows."""
    for table in ("chunks", "terms", "spans", "vectors"):
        connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
    found = connection.execute("SELECT entry FROM editions WHERE published IS NOT NULL")
    return {entry for (entry,) in found}
