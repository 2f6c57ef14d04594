"""Ingestion: the files of vector stores are read into the index of chunks, as durably as runs.

An entry in progress is claimed with an attempt and a lease. Its chunks are written to the index
first, in place of whatever an earlier attempt had written; then the row is completed if it still
is in progress at that attempt. A crash costs a lease. A file that cannot be read fails alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import structlog

from understudy.errors import Refusal, Unavailable
from understudy.operations.ports import Ports
from understudy.retrieval.document import Unreadable
from understudy.retrieval.embedding import with_vectors
from understudy.retrieval.reading.reader import Reader
from understudy.storage.base import ClaimEntry, EndEntry, StoredEntry
from understudy.wire.objects.vector_stores import StoreFileError

log = structlog.get_logger("understudy.engine")

ATTEMPTS_MAX = 5
SORRY = "Sorry, something went wrong."


class Ingestion:
    """Ingests entries, at most ``ingestions_max`` at a time."""

    def __init__(self, ports: Ports, reader: Reader) -> None:
        self._ports = ports
        self._storage = ports.storage
        self._reader = reader
        self._embedder = ports.embedder
        self._folder = ports.settings.reading_folder
        self._lease_seconds = ports.settings.lease_seconds
        self._sweep_seconds = ports.settings.sweep_seconds
        self._places_max = ports.settings.ingestions_max
        self._attempts: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._place_is_free = asyncio.Event()

    async def take_entries(self) -> None:
        """Ingest what there is, until cancelled; a database that is down is only logged."""
        _empty(self._folder)
        while True:
            try:
                await self._start_some()
            except Refusal as refusal:
                log.warning("entries_not_taken", cause=refusal.message)
            await self._wait_for_more()

    async def _start_some(self) -> None:
        free = self._places_max - len(self._tasks)
        if not free:
            return
        for entry in await self._storage.ingestible(self._ports.clock.now(), free):
            if entry.entry not in self._attempts:
                await self._claim(entry)

    async def _claim(self, entry: StoredEntry) -> None:
        until = self._ports.clock.now() + self._lease_seconds
        order = ClaimEntry(entry=entry.entry, attempt=entry.attempt, lease_until=until)
        if not (await self._storage.write(order)).applied:
            return
        self._attempts[entry.entry] = entry.attempt + 1
        task = asyncio.create_task(self._ingest(entry), name=f"entry {entry.entry}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, entry.entry))

    def _ended(self, entry: int, task: asyncio.Task[None]) -> None:
        del self._attempts[entry]
        self._tasks.discard(task)
        self._place_is_free.set()
        if not task.cancelled() and task.exception() is not None:
            # The row is as it was: the entry is taken again when its lease is over.
            log.error("ingestion_broke", entry=entry, exc_info=task.exception())

    async def _wait_for_more(self) -> None:
        """Wait for an announcement or an end; what nobody announced is found after a while."""
        announced = asyncio.ensure_future(self._ports.dispatch.entries_announced())
        freed = asyncio.ensure_future(self._place_is_free.wait())
        try:
            await asyncio.wait(
                {announced, freed},
                timeout=self._sweep_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            announced.cancel()
            freed.cancel()
        self._place_is_free.clear()

    async def keep_leases(self) -> None:
        """Prolong the leases of all entries in work, three times per lease."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            until = self._ports.clock.now() + self._lease_seconds
            try:
                await self._storage.renew_entry_leases(dict(self._attempts), until)
            except Unavailable as error:
                log.warning("entry_leases_not_renewed", cause=error.message)

    async def stop(self) -> None:
        """Let go of what is in work; it is taken up again from its beginning."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ingest(self, entry: StoredEntry) -> None:
        error: StoreFileError | None = None
        usage_bytes = 0
        try:
            usage_bytes = await self._read_into_index(entry)
        except Unreadable as unreadable:
            error = StoreFileError(unreadable.code, unreadable.message)
        except Exception:
            if entry.attempt + 1 < ATTEMPTS_MAX:
                raise
            log.exception("ingestion_failed", file_id=entry.file_id)
            error = StoreFileError("server_error", SORRY)
        await self._end(entry, usage_bytes, error)

    async def _read_into_index(self, entry: StoredEntry) -> int:
        path = self._folder / f"{entry.entry}-{entry.attempt}"
        try:
            await self._fetch(entry, path)
            batches = self._reader.read(
                path,
                entry.filename,
                size_tokens=entry.size_tokens,
                overlap_tokens=entry.overlap_tokens,
            )
            async with aclosing(with_vectors(batches, self._embedder)) as indexed:
                size = await self._ports.chunks.put(entry.store_id, entry.entry, indexed)
        finally:
            path.unlink(missing_ok=True)
        return size.text_bytes

    async def _fetch(self, entry: StoredEntry, path: Path) -> None:
        """Copy the bytes of the file to where its reader finds them."""
        try:
            await _copy(self._ports.files.read(entry.file_id), path)
        except KeyError as error:
            raise Unreadable("server_error", "The file has been deleted.") from error

    async def _end(
        self, entry: StoredEntry, usage_bytes: int, error: StoreFileError | None
    ) -> None:
        order = EndEntry(
            entry=entry.entry, attempt=entry.attempt + 1, usage_bytes=usage_bytes, error=error
        )
        written = await self._storage.write(order)
        if not written.applied:
            # Removed or cancelled meanwhile: nothing of it may stay behind.
            await self._ports.chunks.drop_entry(entry.store_id, entry.entry)
        elif error is not None:
            log.info("file_not_ingested", file_id=entry.file_id, cause=error.message)


async def _copy(chunks: AsyncIterator[bytes], path: Path) -> None:
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)


def _empty(folder: Path) -> None:
    """Make the folder, without what a killed process left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
