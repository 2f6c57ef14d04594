"""Ingestion: the files of vector stores are read into the index of chunks, as durably as runs.

An entry in progress is claimed with an attempt and a lease. Its chunks are written to the index
first, in place of whatever an earlier attempt had written; then the row is completed if it still
is in progress at that attempt. A crash costs a lease. A file that cannot be read fails alone.

Nothing is removed from the index here. Whoever finds that an entry is not wanted any more, or is
another attempt's by now, only lets go of it: what it wrote is then either what the other attempt
writes, too, or is dropped by the sweeper, who alone knows that nobody is writing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path

import structlog

from understudy.engine.duties import Duties
from understudy.engine.index_recovery import recover_indexes
from understudy.errors import Refusal, Unavailable
from understudy.operations.ports import Ports
from understudy.retrieval.document import Unreadable
from understudy.retrieval.embedding import with_vectors
from understudy.retrieval.reading.reader import Reader
from understudy.storage.changes import ClaimEntry, EndEntry, ReleaseEntry
from understudy.storage.records import StoredEntry, Turns
from understudy.wire.objects.vector_stores import StoreFileError

log = structlog.get_logger("understudy.engine")

ATTEMPTS_MAX = 5
OUTAGE_ATTEMPTS_MAX = 1_000  # with leases of 15 seconds, some four hours
SORRY = "Sorry, something went wrong."


class Ingestion:
    """Ingests entries, at most ``ingestions_max`` at a time; projects take turns."""

    def __init__(self, ports: Ports, reader: Reader, duties: Duties) -> None:
        self._ports = ports
        self._storage = ports.storage
        self._reader = reader
        self._duties = duties
        self._embedder = ports.embedder
        self._folder = ports.settings.reading_folder
        self._lease_seconds = ports.settings.lease_seconds
        self._sweep_seconds = ports.settings.sweep_seconds
        self._places_max = ports.settings.ingestions_max
        self._attempts: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._places_held: Counter[str] = Counter()
        self._place_is_free = asyncio.Event()
        self._last_project = ""
        self._last_stores: dict[str, str] = {}

    async def take_entries(self) -> None:
        """Ingest what there is, until cancelled; a database that is down is only logged."""
        _empty(self._folder)
        await self._recover_indexes()
        while True:
            try:
                await self._start_some()
            except Refusal as refusal:
                log.warning("entries_not_taken", cause=refusal.message)
            await self._wait_for_more()

    async def _recover_indexes(self) -> None:
        ports = self._ports
        try:
            if not await self._duties.is_mine("recover indexes"):
                return
            await recover_indexes(ports.storage, ports.chunks, ports.dispatch, self._embedder)
        except Refusal as refusal:
            log.warning("indexes_not_recovered", cause=refusal.message)

    async def _start_some(self) -> None:
        if len(self._tasks) >= self._places_max:
            return
        now = self._ports.clock.now()
        turns = Turns(project_id=self._last_project, stores=self._last_stores)
        waiting = await self._storage.ingestible(now, self._places_max, turns)
        # An entry in work is among them when its lease could not be renewed in time.
        free = [entry for entry in waiting if entry.entry not in self._tasks]
        for entry in free:
            if self._has_place(entry, free):
                await self._claim(entry)

    def _has_place(self, entry: StoredEntry, waiting: Sequence[StoredEntry]) -> bool:
        """Return whether a place is free for the entry; one project does not take the last one.

        Otherwise two files that take minutes would hold up all other projects.
        """
        project_id = entry.project_id
        others_wait = any(one.project_id != project_id for one in waiting)
        share = self._places_max - 1 if others_wait else self._places_max
        is_free = len(self._tasks) < self._places_max
        return is_free and self._places_held[project_id] < max(share, 1)

    async def _claim(self, entry: StoredEntry) -> None:
        until = self._ports.clock.now() + self._lease_seconds
        order = ClaimEntry(entry=entry.entry, attempt=entry.attempt, lease_until=until)
        if not (await self._storage.write(order)).applied:
            return
        self._last_project = entry.project_id
        self._last_stores[entry.project_id] = entry.store_id
        self._places_held[entry.project_id] += 1
        self._attempts[entry.entry] = entry.attempt + 1
        task = asyncio.create_task(self._ingest(entry), name=f"entry {entry.entry}")
        self._tasks[entry.entry] = task
        task.add_done_callback(partial(self._ended, entry))

    def _ended(self, entry: StoredEntry, task: asyncio.Task[None]) -> None:
        del self._attempts[entry.entry]
        del self._tasks[entry.entry]
        self._places_held[entry.project_id] -= 1
        self._place_is_free.set()
        if not task.cancelled() and task.exception() is not None:
            # The row is as it was: the entry is taken again when its lease is over.
            log.error("ingestion_broke", entry=entry.entry, exc_info=task.exception())

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
            if self._attempts:
                await self._renew(dict(self._attempts))

    async def _renew(self, attempts: dict[int, int]) -> None:
        """Prolong leases, and give up the entries that nobody waits for any more."""
        until = self._ports.clock.now() + self._lease_seconds
        try:
            wanted = await self._storage.renew_entry_leases(attempts, until)
        except Unavailable as error:
            log.warning("entry_leases_not_renewed", cause=error.message)
            return
        for entry in attempts.keys() - wanted:
            if entry in self._tasks:
                self._tasks[entry].cancel()

    async def stop(self) -> None:
        """Let go of what is in work; it can be taken up at once, from its beginning."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ingest(self, entry: StoredEntry) -> None:
        """Bring an entry to its end, or let go of it."""
        try:
            ending = await self._ending(entry)
            if (await self._storage.write(ending)).applied:
                return
        except (Unavailable, OSError, Unreadable) as error:
            log.warning("ingestion_put_off", file_id=entry.file_id, cause=str(error))
            return  # until its lease is over
        except asyncio.CancelledError:
            await self._let_go(entry)
            raise
        await self._let_go(entry)

    async def _ending(self, entry: StoredEntry) -> EndEntry:
        """Return how the ingestion has ended. Raises what is worth another attempt."""
        attempt = entry.attempt + 1
        try:
            usage_bytes = await self._read_into_index(entry)
        except Exception as error:
            if attempt < _attempts_max(error):
                raise
            log.info("file_not_ingested", file_id=entry.file_id, cause=str(error))
            return EndEntry(entry=entry.entry, attempt=attempt, error=_last_error(error))
        return EndEntry(entry=entry.entry, attempt=attempt, usage_bytes=usage_bytes)

    async def _let_go(self, entry: StoredEntry) -> None:
        """Give the entry back; if even that fails, its lease runs out."""
        with suppress(Unavailable):
            await self._storage.write(ReleaseEntry(entry=entry.entry, attempt=entry.attempt + 1))

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
            with_them = with_vectors(
                batches, self._embedder, store_id=entry.store_id, file_id=entry.file_id
            )
            async with aclosing(with_them) as indexed:
                size = await self._ports.chunks.put(entry.store_id, entry.entry, indexed)
        finally:
            path.unlink(missing_ok=True)
        return size.text_bytes

    async def _fetch(self, entry: StoredEntry, path: Path) -> None:
        """Copy the bytes of the file to where its reader finds them."""
        try:
            await _copy(self._ports.files.read(entry.file_id), path)
        except KeyError as error:
            raise _FileGone("server_error", "The file has been deleted.") from error


class _FileGone(Unreadable):
    """Nothing is under the key of the file, and nothing comes back there."""


def _attempts_max(error: Exception) -> int:
    """Return how often a file is read that ends like this."""
    if isinstance(error, Unavailable | OSError):
        # The database, the files or the disk are down for a while: the file is not to blame.
        return OUTAGE_ATTEMPTS_MAX
    if isinstance(error, _FileGone):
        return 1
    if isinstance(error, Unreadable) and error.code != "server_error":
        # The file's own fault. A reader that somebody else has stopped says server_error.
        return 1
    return ATTEMPTS_MAX


def _last_error(error: Exception) -> StoreFileError:
    """Return what the file shows of an error (VS-08)."""
    if isinstance(error, Unreadable):
        return StoreFileError(error.code, error.message)
    return StoreFileError("server_error", SORRY)


async def _copy(chunks: AsyncIterator[bytes], path: Path) -> None:
    # Opened here: a thread could not hand the file over to somebody who has been cancelled.
    with path.open("wb") as file:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)


def _empty(folder: Path) -> None:
    """Make the folder, without what a killed process left in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
