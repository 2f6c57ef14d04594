"""The port to the index of chunks: the passages of files, as search finds them.

The index is derived from files and can be made anew; the rows of ``base.py`` say what is in a
store. An entry is one adding of one file to one store, and has a number of its own. Whoever
searches leaves out hits whose entry is not (or no longer) in the store.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

from msgspec import Struct


class Chunk(Struct, frozen=True, kw_only=True):
    """A passage of a file.

    ``start`` and ``end`` are code points in the file's parsed text; pages count from 1 and are
    None where the format has no pages.
    """

    text: str
    start: int
    end: int
    tokens: int
    page_first: int | None = None
    page_last: int | None = None


class Vector(Struct, frozen=True):
    """What a text means to a model: a unit vector of little-endian float32.

    It says nothing to other models, and is compared with vectors of its own model only.
    """

    model: str
    packed: bytes


class IndexedChunk(Struct, frozen=True, kw_only=True):
    """A chunk with what it is found by; ``terms`` are separated by spaces."""

    chunk: Chunk
    terms: str
    vector: Vector | None = None


class Hit(Struct, frozen=True, kw_only=True):
    """A chunk that was found, the ``ordinal``-th of its entry; the score is in 0..1."""

    entry: int
    ordinal: int
    score: float
    chunk: Chunk


class IndexSize(Struct, frozen=True, kw_only=True):
    """How much an entry takes: bytes of text, and how many chunks."""

    text_bytes: int
    chunks: int


class ChunkIndex(Protocol):
    """Passages of all stores; a store is made by the first write to it."""

    @property
    def only_words(self) -> str | None:
        """Return why no vectors are kept here and how to change that, or None when they are."""
        ...

    async def put(
        self, store_id: str, entry: int, batches: AsyncIterator[Sequence[IndexedChunk]]
    ) -> IndexSize:
        """Store all chunks of an entry in place of what it had.

        Nothing of it is found until all of it is there. If the iterator raises, what the entry had
        stays and the exception goes on.
        """
        ...

    async def search(
        self,
        store_id: str,
        terms: Sequence[str],
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        """Return the chunks that match the analysed query best, best first.

        A term may have several spellings, separated by ``|``; a chunk has the term if it has one
        of them. ``entries`` names those that may be found; None means all. An unknown store has
        no hits.
        """
        ...

    async def nearest(
        self,
        store_id: str,
        vector: Vector,
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        """Return the chunks whose vectors are nearest (cosine, as 0..1), best first.

        Vectors of another model or length than the query's are passed over.
        """
        ...

    async def entries_without_vectors(self, store_id: str, model: str) -> Sequence[int]:
        """Return the entries that have chunks without a vector of the model."""
        ...

    async def chunks(
        self, store_id: str, entry: int, *, after: int = -1, limit: int
    ) -> Sequence[tuple[int, Chunk]]:
        """Return (ordinal, chunk) of an entry behind the ordinal ``after``, in order."""
        ...

    async def entries(self, store_id: str) -> Collection[int] | None:
        """Return the entries that are there, or None without a readable index of this release."""
        ...

    async def drop_entry(self, store_id: str, entry: int) -> None:
        """Remove the chunks of an entry; nothing happens when there are none."""
        ...

    async def drop_store(self, store_id: str) -> None:
        """Remove all that is kept of a store; nothing happens when there is nothing."""
        ...

    async def close(self) -> None:
        """Let go of files."""
        ...
