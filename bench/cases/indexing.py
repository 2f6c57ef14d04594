"""From the bytes of files to chunks with their terms, in reading processes, two at a time."""

import asyncio
import time
from contextlib import aclosing
from pathlib import Path

from bench.documents import Author, pdf
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.loop import run
from understudy.retrieval.reading import Reader

TEXT_BYTES = 2_000_000
PAGES = 400
SMALL_FILES = 50
AT_ONCE = 2
SIZE_TOKENS, OVERLAP_TOKENS = 800, 400


def measure(lab: Lab) -> list[Figure]:
    """Read text, a PDF and small files; the reader's first start is a figure of its own."""
    author = Author()
    folder = lab.data_folder()
    text, pages, small = folder / "text", folder / "pdf", folder / "small"
    text.write_text(author.text(TEXT_BYTES))
    pages.write_bytes(pdf(author.pages(PAGES)))
    small.write_text("A few words.")
    return run(_measure(lab.scale.rounds, text, pages, small))


async def _measure(rounds: int, text: Path, pages: Path, small: Path) -> list[Figure]:
    starts = [await _start_seconds(small) for _ in range(rounds)]
    reader = Reader()
    try:
        await _seconds(reader, small, 1)
        texts = [
            AT_ONCE * TEXT_BYTES / 1e6 / await _seconds(reader, text, AT_ONCE)
            for _ in range(rounds)
        ]
        pdfs = [AT_ONCE * PAGES / await _seconds(reader, pages, AT_ONCE) for _ in range(rounds)]
        overheads = [await _small_file_ms(reader, small) for _ in range(rounds)]
    finally:
        await reader.close()
    return [
        figure("indexing", "text, two files at once", "MB/s", texts),
        figure("indexing", "PDF, two files at once", "pages/s", pdfs),
        figure("indexing", "a file of a few words", "ms", overheads),
        figure("indexing", "the first file after a start", "s", starts),
    ]


async def _start_seconds(small: Path) -> float:
    reader = Reader()
    try:
        return await _seconds(reader, small, 1)
    finally:
        await reader.close()


async def _small_file_ms(reader: Reader, small: Path) -> float:
    """Return what a file costs however small it is, one after another."""
    return sum([await _seconds(reader, small, 1) for _ in range(SMALL_FILES)]) / SMALL_FILES * 1e3


async def _seconds(reader: Reader, path: Path, at_once: int) -> float:
    started = time.monotonic()
    await asyncio.gather(*(_read(reader, path) for _ in range(at_once)))
    return time.monotonic() - started


async def _read(reader: Reader, path: Path) -> None:
    """Read a file to its end; all that is expected of it is that there are chunks."""
    filename = "a.pdf" if path.name == "pdf" else "a.txt"
    reading = reader.read(path, filename, size_tokens=SIZE_TOKENS, overlap_tokens=OVERLAP_TOKENS)
    async with aclosing(reading) as batches:
        if not sum([len(batch) async for batch in batches]):
            raise RuntimeError(f"nothing in {path.name}")
