"""The text of a file in a vector store, as it was read: whole, and in chunks."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from msgspec import Struct

from understudy.errors import InvalidRequest, NotFound
from understudy.operations.ports import Caller, Ports
from understudy.operations.vector_store_files import find_entry
from understudy.operations.vector_stores import usable
from understudy.storage.chunks import Chunk
from understudy.storage.records import StoredEntry
from understudy.wire.objects.vector_stores import FileContentPage, FoundText, StoredChunk

# The official clients read the first page only, so it holds all but the largest texts.
TEXT_BYTES_MAX = 64 * 1024 * 1024
# About a megabyte of text in chunks of the usual size.
CHUNKS_AT_ONCE = 500


class StoredChunks(Struct, frozen=True):
    """A page of the chunks of a file."""

    chunks: Sequence[StoredChunk]
    has_more: bool


async def text_page(
    ports: Ports, caller: Caller, store_id: str, file_id: str, first: int
) -> FileContentPage:
    """Return the parsed text from the ``first`` chunk on, without overlaps (VS-13).

    A page ends before the chunk with which it would have more than TEXT_BYTES_MAX.

    Raises NotFound for a file that is not in the store (ERR-65), InvalidRequest for one that is
    not completed, and for a store that has expired.
    """
    await usable(ports, caller, store_id)
    entry = await ports.storage.entry(caller.project_id, store_id, file_id)
    if entry is None:
        raise NotFound("Not found")
    _refuse_unread(entry)
    texts: list[str] = []
    size_bytes, next_page = 0, None
    async with aclosing(_new_parts(ports, entry, first)) as parts:
        async for ordinal, text in parts:
            size_bytes += len(text.encode("utf-8", "surrogatepass"))
            if texts and size_bytes > TEXT_BYTES_MAX:
                next_page = str(ordinal)
                break
            texts.append(text)
    return FileContentPage(
        data=[FoundText(text="".join(texts))],
        has_more=next_page is not None,
        next_page=next_page,
    )


async def _new_parts(
    ports: Ports, entry: StoredEntry, first: int
) -> AsyncGenerator[tuple[int, str]]:
    """Yield of each chunk what no chunk before it has; blanks between chunks become a line end."""
    end: int | None = None
    # The chunk before the first one tells where its text has to go on.
    after = max(first - 1, 0) - 1
    while found := await ports.chunks.chunks(
        entry.store_id, entry.entry, after=after, limit=CHUNKS_AT_ONCE
    ):
        for ordinal, chunk in found:
            known = chunk.start if end is None else end
            if ordinal >= first:
                gap = "\n" if chunk.start > known else ""
                yield ordinal, gap + chunk.text[max(0, known - chunk.start) :]
            end = max(known, chunk.end)
        after = found[-1][0]


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
