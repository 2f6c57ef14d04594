"""What a reading process does: one file, from its bytes to chunks that are ready for the index."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from traceback import walk_tb

from understudy.retrieval.chunking import chunks
from understudy.retrieval.document import Document, Unreadable
from understudy.retrieval.parsing.parse import parse
from understudy.retrieval.parsing.refusals import too_large
from understudy.retrieval.reading.frames import (
    BATCH_CHARS,
    Batch,
    Failed,
    Finished,
    Frame,
    Request,
    Started,
)
from understudy.retrieval.terms import index_terms
from understudy.storage.chunks import IndexedChunk

Send = Callable[[Frame], None]


def warm_up() -> None:
    """Load what is loaded at first use, for all children at once."""
    for chunk in chunks(Document(text="A few words."), size_tokens=100, overlap_tokens=0):
        index_terms(chunk.text)


def work(request: Request, send: Send) -> None:
    """Send the chunks of a file, and how it ended."""
    send(Started())
    send(_outcome(request, send))


def _outcome(request: Request, send: Send) -> Finished | Failed:
    try:
        for batch in _batches(request):
            send(batch)
    except Unreadable as refusal:
        return _failed(refusal, refusal.__cause__)
    except MemoryError as error:
        return _failed(too_large(), error)
    except OSError as error:
        return _failed(Unreadable("server_error", "The file could not be read."), error)
    return Finished()


def _failed(refusal: Unreadable, cause: BaseException | None) -> Failed:
    return Failed(refusal.code, refusal.message, _described(cause) if cause else "")


def _described(error: BaseException) -> str:
    """Return what went wrong and where; what the error says itself may quote the file."""
    *_, (frame, line) = walk_tb(error.__traceback__)
    return f"{type(error).__name__} in {Path(frame.f_code.co_filename).name}, line {line}"


def _batches(request: Request) -> Iterator[Batch]:
    batch: list[IndexedChunk] = []
    size = 0
    for chunk in _indexed_chunks(request):
        batch.append(chunk)
        size += len(chunk.chunk.text) + len(chunk.terms)
        if size >= BATCH_CHARS:
            yield Batch(batch)
            batch, size = [], 0
    if batch:
        yield Batch(batch)


def _indexed_chunks(request: Request) -> Iterator[IndexedChunk]:
    path = Path(os.fsdecode(request.path))
    path.open("rb").close()  # a file that is not there is not its owner's fault
    document = parse(path, request.filename, request.limits.parsing)
    for chunk in chunks(
        document,
        size_tokens=request.size_tokens,
        overlap_tokens=request.overlap_tokens,
        tokens_max=request.limits.tokens_max,
    ):
        yield IndexedChunk(chunk=chunk, terms=index_terms(chunk.text))
