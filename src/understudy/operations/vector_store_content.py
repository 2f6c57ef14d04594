"""The text of a file in a vector store, as it was read: whole, and in chunks."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from understudy.errors import InvalidRequest, NotFound
from understudy.operations.ports import Caller, Ports
from understudy.operations.vector_store_files import find_entry
from understudy.operations.vector_stores import usable
from understudy.storage.chunks import Chunk
from understudy.storage.records import StoredEntry
from understudy.wire.objects.vector_stores import FileContentPage, FoundText, StoredChunk

# About a megabyte of text in chunks of the usual size.
CHUNKS_PER_PAGE = 500


class StoredChunks(Struct, frozen=True):
    """A page of the chunks of a file."""

    chunks: Sequence[StoredChunk]
    has_more: bool


async def text_page(
    ports: Ports, caller: Caller, store_id: str, file_id: str, first: int
) -> FileContentPage:
    """Return the parsed text from the ``first`` chunk on, without overlaps (VS-13).

    Raises NotFound for a file that is not in the store (ERR-65), InvalidRequest for one that is
    not completed, and for a store that has expired.
    """
    await usable(ports, caller, store_id)
    entry = await ports.storage.entry(caller.project_id, store_id, file_id)
    if entry is None:
        raise NotFound("Not found")
    _refuse_unread(entry)
    # The chunk before the first one tells where its text has to go on.
    before = min(first, 1)
    found = await ports.chunks.chunks(
        store_id,
        entry.entry,
        after=first - before - 1,
        limit=before + CHUNKS_PER_PAGE + 1,
    )
    known = [chunk for _, chunk in found[:before]]
    page = [chunk for _, chunk in found[before : before + CHUNKS_PER_PAGE]]
    has_more = len(found) > before + CHUNKS_PER_PAGE
    return FileContentPage(
        data=[FoundText(text="".join(_new_parts(known, page)))],
        has_more=has_more,
        next_page=str(first + CHUNKS_PER_PAGE) if has_more else None,
    )


def _new_parts(known: Sequence[Chunk], page: Sequence[Chunk]) -> Iterator[str]:
    """Yield of each chunk what no chunk before it has; blanks between chunks become a line end."""
    end = known[-1].end if known else page[0].start if page else 0
    for chunk in page:
        gap = "\n" if chunk.start > end else ""
        yield gap + chunk.text[max(0, end - chunk.start) :]
        end = max(end, chunk.end)


async def chunks_page(
    ports: Ports, caller: Caller, store_id: str, file_id: str, after: int, limit: int
) -> StoredChunks:
    """Return the chunks of a file behind the one with the index ``after`` (an extension).

    Raises NotFound for a file that is not in the store, InvalidRequest for one that is not
    completed, and for a store that has expired.
    """
    await usable(ports, caller, store_id)
    entry = await find_entry(ports, caller, store_id, file_id)
    _refuse_unread(entry)
    found = await ports.chunks.chunks(store_id, entry.entry, after=after, limit=limit + 1)
    chunks = [_shown(index, chunk) for index, chunk in found[:limit]]
    return StoredChunks(chunks, has_more=len(found) > limit)


def _shown(index: int, chunk: Chunk) -> StoredChunk:
    return StoredChunk(
        index=index,
        text=chunk.text,
        tokens=chunk.tokens,
        start=chunk.start,
        end=chunk.end,
        page_first=chunk.page_first,
        page_last=chunk.page_last,
    )


def _refuse_unread(entry: StoredEntry) -> None:
    if entry.status == "completed":
        return
    cause = f" {entry.error.message}" if entry.error else ""
    raise InvalidRequest(
        f"The file '{entry.file_id}' in vector store '{entry.store_id}' has status "
        f"'{entry.status}'.{cause} Its text can be read when it is completed."
    )
