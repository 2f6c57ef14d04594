"""How long a search takes in stores of 1,000 to 1,000,000 passages, and what such stores take.

Each search runs in a process of its own, so that memory is that of one store alone. Words are
drawn as in natural text: the n-th commonest one n times as seldom as the commonest.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from bisect import bisect
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random

from bench.figure import Figure, figure, percentile
from bench.lab import Lab
from bench.loop import run
from understudy.storage.chunks import Chunk, IndexedChunk
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex

CASE = "search speed"
STORE = "vs_bench"
VOCABULARY = 100_000
TERMS_PER_CHUNK = 400
BATCH = 64
SEARCHES = 200
LIMIT = 20
# The ranks of a question's words among all words, by how common they are, and how many.
QUESTIONS: Mapping[str, tuple[int, int, int]] = {
    "rare words": (5_000, VOCABULARY, 6),
    "mixed words": (50, 20_000, 8),
    "common words": (0, 60, 8),
    "a pasted page": (50, VOCABULARY, 200),
}


def measure(lab: Lab) -> list[Figure]:
    """Fill one store for each size, and search it; a million passages only in full."""
    sizes = {"quick": (1_000, 10_000), "full": (1_000, 100_000, 1_000_000)}
    figures = []
    for size in sizes.get(lab.scale.name, (1_000, 100_000)):
        folder = lab.data_folder()
        figures += _filled(folder, size)
        figures += _searched(folder, size)
        shutil.rmtree(folder)
    return figures


def _filled(folder: Path, size: int) -> list[Figure]:
    author = _Author(size)
    started = time.process_time()
    run(_put(folder, author))
    seconds = time.process_time() - started - author.seconds
    path = folder / f"{STORE}.sqlite3"
    name = f"{size:,} passages"
    return [
        figure(CASE, f"{name}, writing", "CPU ms/passage", [seconds * 1000 / size]),
        figure(CASE, f"{name}, file", "MB", [path.stat().st_size / 1e6]),
    ]


async def _put(folder: Path, author: "_Author") -> None:
    index = SqliteChunkIndex(folder)
    await index.put(STORE, 1, author.batches())
    await index.close()


class _Author:
    """Writes passages, and knows how much CPU that took."""

    def __init__(self, passages: int) -> None:
        self.seconds = 0.0
        self._passages = passages
        self._random = Random(20)
        self._odds = list(accumulate(1 / (rank + 10) for rank in range(VOCABULARY)))

    async def batches(self) -> AsyncIterator[Sequence[IndexedChunk]]:
        for start in range(0, self._passages, BATCH):
            started = time.process_time()
            batch = [self._passage() for _ in range(min(BATCH, self._passages - start))]
            self.seconds += time.process_time() - started
            yield batch

    def _passage(self) -> IndexedChunk:
        whole = self._odds[-1]
        ranks = (bisect(self._odds, self._random.random() * whole) for _ in range(TERMS_PER_CHUNK))
        text = " ".join(map(_word, ranks))
        chunk = Chunk(text=text, start=0, end=len(text), tokens=800)
        return IndexedChunk(chunk=chunk, terms=text)


def _word(rank: int) -> str:
    return f"w{rank * 2_654_435_761 % 2**32:x}"


def _searched(folder: Path, size: int) -> list[Figure]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.cases.search_speed", folder],
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
        cwd=Path(__file__).parents[2],
    )
    answer = json.loads(done.stdout)
    figures = [
        figure(CASE, f"{size:,} passages, {name}, p{percent}", "ms", [percentile(times, percent)])
        for name, times in answer["milliseconds"].items()
        for percent in (50, 99)
    ]
    name = f"{size:,} passages, memory of a process that searches"
    return [*figures, figure(CASE, name, "MB", [answer["resident_bytes"] / 1e6])]


async def _search(folder: Path) -> dict[str, list[float]]:
    index = SqliteChunkIndex(folder)
    random = Random(21)
    times: dict[str, list[float]] = {}
    for name, (commonest, rarest, count) in QUESTIONS.items():
        times[name] = []
        for search in range(SEARCHES + 1):
            terms = [_word(random.randrange(commonest, rarest)) for _ in range(count)]
            started = time.perf_counter()
            hits = await index.search(STORE, terms, LIMIT)
            took = (time.perf_counter() - started) * 1000
            assert hits or name == "rare words"
            if search:  # the first one opens the file
                times[name].append(took)
    await index.close()
    return times


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(
        json.dumps(
            {"milliseconds": run(_search(Path(sys.argv[1]))), "resident_bytes": _resident_bytes()}
        )
    )
