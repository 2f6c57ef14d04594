"""Files of vector stores, brought to their end by hand: what is in them is up to the test."""

from collections.abc import AsyncIterator, Sequence

from understudy.retrieval.terms import index_terms
from understudy.storage.changes import ClaimEntry, EndEntry
from understudy.storage.chunks import Chunk, IndexedChunk
from understudy.storage.records import StoredEntry
from understudy.wire.objects.vector_stores import StoreFileError

from .client import JSON, Client
from .conftest import House

UNREADABLE = StoreFileError("invalid_file", "The file could not be parsed.")


async def complete(house: House, store_id: str, file_id: str, *passages: Chunk | str) -> None:
    """Let a file be read as these passages, and be completed."""
    entry = await _claimed(house, store_id, file_id)
    chunks = _in_a_row(passages)
    if chunks:
        await house.ports.chunks.put(store_id, entry.entry, _indexed(chunks))
    usage_bytes = sum(len(chunk.text.encode()) for chunk in chunks)
    await _end(house, EndEntry(entry=entry.entry, attempt=entry.attempt, usage_bytes=usage_bytes))


async def fail(house: House, store_id: str, file_id: str) -> None:
    """Let a file be unreadable."""
    entry = await _claimed(house, store_id, file_id)
    await _end(house, EndEntry(entry=entry.entry, attempt=entry.attempt, error=UNREADABLE))


def overlapping(text: str, size: int, overlap: int) -> list[Chunk]:
    """Return the text in chunks of so many characters, each beginning in the one before."""
    starts = range(0, max(1, len(text) - overlap), size - overlap)
    return [_chunk(text[start : start + size], start) for start in starts]


async def filled(
    house: House, client: Client, *texts: str, attributes: Sequence[JSON] = ()
) -> tuple[JSON, list[str]]:
    """Return a store and its files, each of one passage, in the order of the texts."""
    store = await client.post("/vector_stores")
    file_ids = []
    for number, text in enumerate(texts):
        file_id = (await client.upload(text.encode(), f"{number}.txt"))["id"]
        given = attributes[number] if attributes else {}
        sent = {"file_id": file_id, "attributes": given}
        await client.post(f"/vector_stores/{store['id']}/files", sent)
        await complete(house, store["id"], file_id, text)
        file_ids.append(file_id)
    return store, file_ids


async def _claimed(house: House, store_id: str, file_id: str) -> StoredEntry:
    storage, project_id = house.ports.storage, await _project(house)
    entry = await storage.entry(project_id, store_id, file_id)
    assert entry is not None
    until = house.ports.clock.now() + 15
    order = ClaimEntry(entry=entry.entry, attempt=entry.attempt, lease_until=until)
    assert (await storage.write(order)).applied
    claimed = await storage.entry(project_id, store_id, file_id)
    assert claimed is not None
    return claimed


async def _end(house: House, order: EndEntry) -> None:
    assert (await house.ports.storage.write(order)).applied


async def _project(house: House) -> str:
    return await house.ports.storage.default_project(house.ports.now)


def _in_a_row(passages: Sequence[Chunk | str]) -> list[Chunk]:
    chunks: list[Chunk] = []
    for passage in passages:
        start = chunks[-1].end if chunks else 0
        chunks.append(passage if isinstance(passage, Chunk) else _chunk(passage, start))
    return chunks


def _chunk(text: str, start: int) -> Chunk:
    return Chunk(text=text, start=start, end=start + len(text), tokens=len(text.split()))


async def _indexed(chunks: Sequence[Chunk]) -> AsyncIterator[Sequence[IndexedChunk]]:
    yield [IndexedChunk(chunk=chunk, terms=index_terms(chunk.text)) for chunk in chunks]
