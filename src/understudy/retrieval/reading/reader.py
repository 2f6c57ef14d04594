"""Files to chunks, for a server that must not be disturbed by what is in them.

A file is read in a process of its own, forked from one that has all parsers imported (the zygote,
started with the first file, and again when it has died). Whatever becomes of that process, here it
is chunks or an ``Unreadable``. It writes no faster than chunks are taken from it, so that a file of
any size takes little memory here.
"""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from understudy.retrieval.reading.answer import Answer
from understudy.retrieval.reading.frames import Request
from understudy.retrieval.reading.limits import ReadingLimits
from understudy.retrieval.reading.nursery import Nursery
from understudy.storage.chunks import IndexedChunk

# Of a name only the extension counts.
_FILENAME_CHARS_MAX = 255


class Reader:
    """Reads any number of files at the same time, each within the limits."""

    def __init__(self, limits: ReadingLimits | None = None) -> None:
        self._limits = limits or ReadingLimits()
        self._nursery = Nursery()

    async def read(
        self, path: Path, filename: str, *, size_tokens: int, overlap_tokens: int
    ) -> AsyncGenerator[Sequence[IndexedChunk]]:
        """Yield the chunks of a file in batches. Raises Unreadable when it cannot be read.

        Closing the generator stops the reading at once. Chunks may come before the exception.
        """
        request = Request(
            path=os.fsencode(path),
            filename=filename[-_FILENAME_CHARS_MAX:],
            size_tokens=size_tokens,
            overlap_tokens=overlap_tokens,
            limits=self._limits,
        )
        with Answer(self._limits.seconds_max) as answer:
            await self._nursery.send(request, answer.child_ends)
            async with aclosing(answer.batches()) as batches:
                async for chunks in batches:
                    yield chunks

    async def close(self) -> None:
        """End all processes; readings that are under way fail."""
        await self._nursery.close()
