"""Vector stores whose files are really read: rows, index and reading processes, without HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from understudy.clock import Clock, SystemClock
from understudy.dispatch.in_process import InProcessDispatch
from understudy.engine.duties import AllDuties
from understudy.engine.ingestion import Ingestion
from understudy.engine.sweeper import Sweeper
from understudy.errors import IndexUnreadable
from understudy.files.base import Files
from understudy.files.opening import files_from
from understudy.ids import new_file_id
from understudy.operations import vector_store_files, vector_stores
from understudy.operations.ports import Caller, Ports
from understudy.retrieval.reading.reader import Reader
from understudy.retrieval.searching import Searching, Wanted
from understudy.settings import Settings
from understudy.storage.changes import Insert
from understudy.storage.chunks import Chunk, ChunkIndex, Hit, IndexedChunk, IndexSize, Vector
from understudy.storage.records import StoredEntry
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex
from understudy.storage.sqlite.store import SqliteStorage
from understudy.upstream.base import Embedder
from understudy.wire.encoding import encode
from understudy.wire.objects.files import File
from understudy.wire.objects.vector_stores import VectorStore
from understudy.wire.params.vector_store_files import NewStoreFile
from understudy.wire.params.vector_stores import NewVectorStore

from .puppet import BOUND, Puppet

ME = Caller(project_id="proj_1", era="v2")
SETTINGS = {"sweep_seconds": 0.05, "lease_seconds": 60.0}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(BOUND):
        while not await condition():  # noqa: ASYNC110 - what is waited for are rows
            await asyncio.sleep(0.005)


class Door:
    """Stands open until a test closes it."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._reached = asyncio.Semaphore(0)

    def close(self) -> None:
        """Let everybody wait who comes from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let all go on."""
        self._open.set()

    async def reached(self) -> None:
        """Wait until somebody comes to the closed door."""
        await asyncio.wait_for(self._reached.acquire(), BOUND)

    async def passed(self) -> None:
        """Go through, if need be when it is opened."""
        if not self._open.is_set():
            self._reached.release()
        await self._open.wait()


class Bytes:
    """Stored bytes, behind a door; ``error`` is raised by all reads as long as it is set.

    ``doors`` are those of single files.
    """

    def __init__(self, files: Files) -> None:
        self.door = Door()
        self.doors: dict[str, Door] = {}
        self.error: Exception | None = None
        self._files = files

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """See the port."""
        return await self._files.write(key, chunks)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """See the port."""
        await self.doors.get(key, self.door).passed()
        if self.error is not None:
            raise self.error
        async for piece in self._files.read(key):
            yield piece

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._files.delete(key)

    async def check(self) -> None:
        """See the port."""
        await self._files.check()


class Index:
    """The index of chunks; whoever has put an entry comes to a door before it hears of it."""

    def __init__(self, index: ChunkIndex) -> None:
        self.door = Door()
        self._index = index

    async def put(
        self, store_id: str, entry: int, batches: AsyncIterator[Sequence[IndexedChunk]]
    ) -> IndexSize:
        """See the port."""
        size = await self._index.put(store_id, entry, batches)
        await self.door.passed()
        return size

    async def search(
        self,
        store_id: str,
        terms: Sequence[str],
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        """See the port."""
        return await self._index.search(store_id, terms, limit, entries)

    async def nearest(
        self,
        store_id: str,
        vector: Vector,
        limit: int,
        entries: Collection[int] | None = None,
    ) -> Sequence[Hit]:
        """See the port."""
        return await self._index.nearest(store_id, vector, limit, entries)

    async def chunks(
        self, store_id: str, entry: int, *, after: int = -1, limit: int
    ) -> Sequence[tuple[int, Chunk]]:
        """See the port."""
        return await self._index.chunks(store_id, entry, after=after, limit=limit)

    async def entries_without_vectors(self, store_id: str, model: str) -> Sequence[int]:
        """See the port."""
        return await self._index.entries_without_vectors(store_id, model)

    async def entries(self, store_id: str) -> Collection[int] | None:
        """See the port."""
        return await self._index.entries(store_id)

    async def drop_entry(self, store_id: str, entry: int) -> None:
        """See the port."""
        await self._index.drop_entry(store_id, entry)

    async def drop_store(self, store_id: str) -> None:
        """See the port."""
        await self._index.drop_store(store_id)

    async def close(self) -> None:
        """See the port."""
        await self._index.close()


class Librarian:
    """Somebody who ingests, with own processes and an own way to the bytes and to the index."""

    def __init__(self, ports: Ports, files: Bytes, index: Index) -> None:
        self.files = files
        self.index = index
        self._reader = Reader()
        self.ingestion = Ingestion(ports, self._reader, AllDuties())
        self._duties = [
            asyncio.create_task(self.ingestion.take_entries()),
            asyncio.create_task(self.ingestion.keep_leases()),
        ]

    async def leave(self) -> None:
        """Stop in an orderly way."""
        await self.vanish()
        await self.ingestion.stop()
        await self._reader.close()

    async def vanish(self) -> None:
        """Take no more entries, but go on with those in work."""
        for duty in self._duties:
            duty.cancel()
        await asyncio.gather(*self._duties, return_exceptions=True)


class Shelf:
    """The vector stores of a project, and those who work on them."""

    def __init__(self, ports: Ports, files: Files, index: ChunkIndex) -> None:
        self.ports = ports
        self.storage = ports.storage
        self.sweeper = Sweeper(ports, AllDuties())
        self.librarians: list[Librarian] = []
        self._files = files
        self._index = index

    def hire(self, **settings: Any) -> Librarian:
        """Let one more ingest, who has a desk of its own to read at."""
        folder = self.ports.settings.data_dir / f"desk-{len(self.librarians)}"
        files, index = Bytes(self._files), Index(self._index)
        ports = Ports(
            **{
                **vars(self.ports),
                "files": files,
                "chunks": index,
                "settings": Settings(**{**SETTINGS, "data_dir": folder, **settings}),
            }
        )
        librarian = Librarian(ports, files, index)
        self.librarians.append(librarian)
        return librarian

    async def file(self, content: str | bytes, name: str = "a.txt", caller: Caller = ME) -> str:
        """Upload a file."""

        async def pieces() -> AsyncIterator[bytes]:
            yield content.encode() if isinstance(content, str) else content

        file_id, now = new_file_id(), self.ports.now
        size = await self._files.write(file_id, pieces())
        file = File(id=file_id, purpose="assistants", filename=name, bytes=size, created_at=now)
        insert = Insert(
            kind="file",
            project_id=caller.project_id,
            id=file_id,
            created_at=now,
            body=encode(file),
            purpose="assistants",
        )
        await self.storage.write(insert)
        return file_id

    async def lose(self, file_id: str) -> None:
        """Remove the bytes of a file, and leave its row."""
        await self._files.delete(file_id)

    async def store(self, *file_ids: str, caller: Caller = ME, **fields: Any) -> str:
        """Make a vector store with these files."""
        new = NewVectorStore(file_ids=[*file_ids], **fields)
        return (await vector_stores.create(self.ports, caller, new)).id

    async def add(self, store_id: str, file_id: str) -> None:
        """Add a file to a store."""
        await vector_store_files.create(self.ports, ME, store_id, NewStoreFile(file_id=file_id))

    async def shown(self, store_id: str, caller: Caller = ME) -> VectorStore:
        """Return the store as clients see it."""
        return await vector_stores.get(self.ports, caller, store_id)

    async def entry(self, store_id: str, file_id: str) -> StoredEntry:
        """Return a file of a store, which has to be there."""
        entry = await self.storage.entry(ME.project_id, store_id, file_id)
        assert entry is not None
        return entry

    async def settled(self, store_id: str, caller: Caller = ME) -> VectorStore:
        """Wait until nothing of a store is in progress, and return it."""

        async def is_settled() -> bool:
            return (await self.shown(store_id, caller)).file_counts.in_progress == 0

        await until(is_settled)
        return await self.shown(store_id, caller)

    async def found(self, store_id: str, question: str) -> list[str]:
        """Return the files that a search finds."""
        wanted = Wanted(queries=[question], max_results=50)
        found = await self.ports.searching.search(ME.project_id, [store_id], wanted)
        return [one.file_id for one in found]

    async def finds(self, store_id: str, question: str, *file_ids: str) -> None:
        """Wait until a search finds these files."""

        async def is_found() -> bool:
            with suppress(IndexUnreadable):
                return await self.found(store_id, question) == [*file_ids]
            return False

        await until(is_found)

    def close_index_files(self) -> None:
        """Close what the index keeps open, as a stopped server does."""
        self._index._files.close()  # type: ignore[attr-defined]
        self._index._files._closed = False  # type: ignore[attr-defined]

    async def kept(self, entry: StoredEntry) -> list[str]:
        """Return what the index keeps of an entry, whether it can be found or not."""
        found = await self._index.chunks(entry.store_id, entry.entry, limit=10_000)
        return [chunk.text for _, chunk in found]

    def index_file(self, store_id: str) -> Path:
        """Return where the passages of a store are."""
        return self.ports.settings.indexes_folder / f"{store_id}.sqlite3"

    def desks(self) -> list[Path]:
        """Return the files that lie around to be read."""
        return [*self.ports.settings.data_dir.glob("desk-*/reading/*")]


@asynccontextmanager
async def shelved(
    folder: Path, *, clock: Clock | None = None, embedder: Embedder | None = None
) -> AsyncIterator[Shelf]:
    """Open a shelf in the folder, at which nobody works yet."""
    storage = SqliteStorage(folder / "understudy.db")
    index = SqliteChunkIndex(folder / "indexes")
    files = files_from("memory://")
    ports = Ports(
        storage=storage,
        chunks=index,
        searching=Searching(storage, index, embedder),
        embedder=embedder,
        dispatch=InProcessDispatch(),
        files=files,
        models=Puppet(),
        clock=clock or SystemClock(),
        settings=Settings(data_dir=folder),
    )
    shelf = Shelf(ports, files, index)
    try:
        yield shelf
    finally:
        for librarian in shelf.librarians:
            await librarian.leave()
        await index.close()
        await storage.close()
