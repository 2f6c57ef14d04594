"""The chunk index in PostgreSQL: one set of tables for all stores, told apart by their keys.

How chunks are written is told in ``chunk_editions.py``, how they are found in ``chunk_keys.py``,
``chunk_search.py`` and ``chunk_vectors.py``.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress

from understudy.errors import Unavailable
from understudy.storage.chunks import Chunk, Hit, IndexedChunk, IndexSize, Vector
from understudy.storage.portions import in_portions
from understudy.storage.postgres import chunk_editions as editions
from understudy.storage.postgres import chunk_rows, chunk_search, chunk_vectors
from understudy.storage.postgres.chunk_database import CONNECTIONS_MAX, ChunkDatabase
from understudy.storage.postgres.chunk_keys import StoreKeys
from understudy.storage.postgres.chunk_rows import Place
from understudy.storage.postgres.connecting import Database

# One transaction: a megabyte or two of text, so that memory stays flat.
WRITE_CHUNKS = 500


class PostgresChunkIndex:
    """Passages of all stores, in the tables of a database.

    ``only_words`` says why vectors are neither kept nor searched, in words for whoever looks after
    the server; None if they are.
    """

    def __init__(self, database: ChunkDatabase, only_words: str | None) -> None:
        self._database = database
        self.only_words = only_words

    @classmethod
    async def open(cls, url: str, connections_max: int = CONNECTIONS_MAX) -> "PostgresChunkIndex":
        """Connect to a database that has been migrated, and see whether it keeps vectors.

        Raises Misconfigured or Unavailable when the server cannot be reached.
        """
        database = await ChunkDatabase.open(url, connections_max)
        try:
            return cls(database, await database.read(chunk_vectors.lacking))
        except BaseException:
            await database.close()
            raise

    async def put(
        self, store_id: str, entry: int, batches: AsyncIterator[Sequence[IndexedChunk]]
    ) -> IndexSize:
        edition = await self._database.write(lambda one: editions.begin(one, store_id, entry))
        try:
            await self._extend(StoreKeys(store_id), edition, batches)
            size = await self._database.write(
                lambda one: editions.publish(one, store_id, entry, edition)
            )
        except BaseException:
            await asyncio.shield(self._abandon(store_id, edition))
            raise
        await self._delete_dropped(store_id)
        return size

    async def search(
        self,
        store_id: str,
        terms: Sequence[str],
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        async def work(connection: Database) -> Sequence[Hit]:
            ranking = await chunk_search.search(connection, store_id, terms, limit, entries)
            return await _hits(connection, store_id, ranking)

        if not terms or limit < 1:
            return ()
        return await self._database.read(work)

    async def nearest(
        self,
        store_id: str,
        vector: Vector,
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        async def work(connection: Database) -> Sequence[Hit]:
            ranking = await chunk_vectors.nearest(connection, store_id, vector, limit, entries)
            return await _hits(connection, store_id, ranking)

        if self.only_words or not vector.packed or limit < 1:
            return ()
        return await self._database.read(work)

    async def entries_without_vectors(self, store_id: str, model: str) -> Sequence[int]:
        if self.only_words:  # reading the files again would not help
            return ()
        return await self._database.read(
            lambda one: chunk_vectors.entries_without(one, store_id, model)
        )

    async def chunks(
        self, store_id: str, entry: int, *, after: int = -1, limit: int
    ) -> Sequence[tuple[int, Chunk]]:
        return await self._database.read(
            lambda one: chunk_rows.of_entry(one, store_id, entry, after, limit)
        )

    async def entries(self, store_id: str) -> Collection[int] | None:
        return await self._database.read(lambda one: editions.published(one, store_id))

    async def drop_entry(self, store_id: str, entry: int) -> None:
        await self._database.write(lambda one: editions.drop(one, store_id, entry))
        await self._delete_dropped(store_id)

    async def drop_store(self, store_id: str) -> None:
        await self._database.write(lambda one: editions.drop(one, store_id))
        await self._delete_dropped(store_id)

    async def close(self) -> None:
        await self._database.close()

    async def _extend(
        self, keys: StoreKeys, edition: int, batches: AsyncIterator[Sequence[IndexedChunk]]
    ) -> None:
        """Add all chunks to an edition."""
        ordinal = 0
        async for some in in_portions(batches, WRITE_CHUNKS):
            await self._add(keys, edition, ordinal, some)
            ordinal += len(some)

    async def _add(
        self, keys: StoreKeys, edition: int, ordinal: int, some: Sequence[IndexedChunk]
    ) -> None:
        async def work(connection: Database) -> None:
            await editions.grow(connection, edition, len(some), text_bytes)
            await chunk_rows.insert(connection, rows)
            if not self.only_words:
                await chunk_vectors.insert(connection, edition, ordinal, some)

        text_bytes = sum(len(chunk_rows.encoded(one.chunk.text)) for one in some)
        rows = await asyncio.to_thread(chunk_rows.packed, keys, edition, ordinal, some)
        await self._database.write(work)

    async def _abandon(self, store_id: str, edition: int) -> None:
        """Remove an edition that did not succeed; what it was to replace stays."""
        with suppress(Unavailable):
            await self._database.write(lambda one: editions.withdraw(one, edition))
            await self._delete_dropped(store_id)

    async def _delete_dropped(self, store_id: str) -> None:
        """Delete what nobody finds any more; what is left now is deleted the next time."""
        with suppress(Unavailable):
            dropped = await self._database.read(lambda one: editions.dropped(one, store_id))
            more = bool(dropped)
            while more:
                more = await self._database.write(lambda one: editions.delete_some(one, dropped))


async def _hits(
    connection: Database, store_id: str, ranking: Sequence[tuple[Place, float]]
) -> Sequence[Hit]:
    found: Mapping[Place, tuple[int, Chunk]] = {}
    if ranking:
        found = await chunk_rows.find(connection, store_id, [place for place, _ in ranking])
    return [
        Hit(entry=found[place][0], ordinal=place[1], score=score, chunk=found[place][1])
        for place, score in ranking
    ]
