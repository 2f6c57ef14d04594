"""How much of the right answers a search finds, on public questions, beside plain FTS5 + porter.

The folder that UNDERSTUDY_BENCH_DATA names holds ``chunking_evaluation/`` (questions with the
spans that answer them) and ``xquad/`` (questions with their passage, in five languages). A figure
is what was missed, in per cent. Questions with even numbers may be tuned on; those with odd
numbers are held out, and stand in the note.
"""

import csv
import json
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure
from bench.lab import Lab
from bench.loop import run
from understudy.retrieval.chunking import chunks
from understudy.retrieval.document import Document
from understudy.retrieval.terms import index_terms, query_terms
from understudy.storage.chunks import Chunk, IndexedChunk
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex

VARIABLE = "UNDERSTUDY_BENCH_DATA"
CASE = "retrieval quality"
STORE = "vs_bench"
# Size and overlap of chunks, how many are returned, and the recall to beat.
SPAN_RECALLS = (
    (800, 400, 20, 0.993),
    (800, 400, 5, 0.955),
    (400, 200, 5, 0.935),
    (400, 0, 5, 0.931),
    (200, 0, 10, 0.909),
)
# The language, and the shares to beat among the first and the first five.
HITS = (("en", 0.929, 0.987), ("es", None, None), ("zh", None, None), ("ar", None, None),
        ("hi", None, None))  # fmt: skip

Span = tuple[int, int]
Find = Callable[[str, int], Awaitable[Sequence[int]]]  # a question's chunks, the best first


@dataclass(frozen=True)
class Passages:
    """The chunks of some documents, and which document each is of."""

    documents: Sequence[str]
    chunks: Sequence[Chunk]


@dataclass(frozen=True)
class Question:
    """A question, and the spans of a document that answer it."""

    text: str
    document: str
    answers: Sequence[Span]


def measure(lab: Lab) -> list[Figure]:
    """Ask all questions, or say what is missing."""
    named = os.environ.get(VARIABLE, "")
    if not named or not Path(named).is_dir():
        print(f" skipped, {VARIABLE} names no folder ...", end="", flush=True)
        return [Figure(CASE, f"skipped: set {VARIABLE}", "", 0, 0, 0, 0)]
    return run(_measure(lab, Path(named)))


async def _measure(lab: Lab, data: Path) -> list[Figure]:
    figures = []
    for size, overlap, limit, goal in SPAN_RECALLS:
        passages, questions = _evaluation(data / "chunking_evaluation", size, overlap)
        name = f"{size}/{overlap}, {limit} chunks: answer's text"
        figures += await _compared(lab, name, passages, questions, limit, goal)
    for language, first, five in HITS:
        passages, questions = _xquad(data / "xquad" / f"xquad.{language}.json")
        for limit, to_beat in ((1, first), (5, five)):
            name = f"XQuAD {language}: passage among {limit}"
            figures += await _compared(lab, name, passages, questions, limit, to_beat)
    return figures


async def _compared(
    lab: Lab,
    name: str,
    passages: Passages,
    questions: Sequence[Question],
    limit: int,
    goal: float | None,
) -> list[Figure]:
    index = SqliteChunkIndex(lab.data_folder())
    await index.put(STORE, 1, _batches(passages.chunks))

    async def ours(question: str, limit: int) -> Sequence[int]:
        hits = await index.search(STORE, query_terms(question), limit)
        return [hit.ordinal for hit in hits]

    with closing(_plain(passages.chunks)) as plain:

        async def porter(question: str, limit: int) -> Sequence[int]:
            return _search_plain(plain, question, limit)

        found = await _recalls(ours, passages, questions, limit)
        found_plainly = await _recalls(porter, passages, questions, limit)
    await index.close()
    ceiling = None if goal is None else (1 - goal) * 100
    return [_missed(name, found, ceiling), _missed(f"{name}, plain porter", found_plainly, None)]


def _missed(name: str, recalls: Sequence[float], ceiling: float | None) -> Figure:
    whole, even, odd = (
        100 * (1 - sum(part) / len(part)) for part in (recalls, recalls[::2], recalls[1::2])
    )
    note = f"tuned on {even:.2f}, held out {odd:.2f}"
    low, high = min(even, odd), max(even, odd)
    return Figure(CASE, f"missed, {name}", "%", whole, low, high, 2, ceiling, note)


async def _recalls(
    find: Find, passages: Passages, questions: Sequence[Question], limit: int
) -> list[float]:
    recalls = []
    for question in questions:
        spans = [
            (passages.chunks[place].start, passages.chunks[place].end)
            for place in await find(question.text, limit)
            if passages.documents[place] == question.document
        ]
        recalls.append(_covered(question.answers, spans))
    return recalls


def _covered(answers: Sequence[Span], spans: Sequence[Span]) -> float:
    """Return the share of the answers' characters that stand in one of the spans."""
    wanted = {place for start, end in answers for place in range(start, end)}
    got = {
        place
        for start, end in spans
        for answer_start, answer_end in answers
        for place in range(max(start, answer_start), min(end, answer_end))
    }
    return len(got) / len(wanted)


def _evaluation(
    folder: Path, size_tokens: int, overlap_tokens: int
) -> tuple[Passages, Sequence[Question]]:
    names: list[str] = []
    made: list[Chunk] = []
    for path in sorted((folder / "corpora").glob("*.md")):
        document = Document(text=path.read_text())
        some = list(chunks(document, size_tokens=size_tokens, overlap_tokens=overlap_tokens))
        names += [path.stem] * len(some)
        made += some
    csv.field_size_limit(10_000_000)
    with (folder / "questions.csv").open() as rows:
        questions = [
            Question(row["question"], row["corpus_id"], _spans(row["references"]))
            for row in csv.DictReader(rows)
        ]
    return Passages(names, made), questions


def _spans(references: str) -> Sequence[Span]:
    return [(one["start_index"], one["end_index"]) for one in json.loads(references)]


def _xquad(path: Path) -> tuple[Passages, Sequence[Question]]:
    """Every passage is a document of one chunk."""
    paragraphs = [
        paragraph
        for article in json.loads(path.read_text())["data"]
        for paragraph in article["paragraphs"]
    ]
    made = [
        Chunk(text=one["context"], start=0, end=1, tokens=len(one["context"]) // 4)
        for one in paragraphs
    ]
    questions = [
        Question(asked["question"], str(place), [(0, 1)])
        for place, one in enumerate(paragraphs)
        for asked in one["qas"]
    ]
    return Passages([str(place) for place in range(len(made))], made), questions


async def _batches(made: Sequence[Chunk]) -> AsyncIterator[Sequence[IndexedChunk]]:
    yield [IndexedChunk(chunk=one, terms=index_terms(one.text)) for one in made]


def _plain(made: Sequence[Chunk]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE plain USING fts5(text, tokenize = 'porter unicode61')")
    connection.executemany(
        "INSERT INTO plain (rowid, text) VALUES (?, ?)",
        ((place, one.text) for place, one in enumerate(made)),
    )
    return connection


def _search_plain(connection: sqlite3.Connection, question: str, limit: int) -> Sequence[int]:
    words: Iterator[str] = (f'"{word}"' for word in re.findall(r"\w+", question))
    rows = connection.execute(
        "SELECT rowid FROM plain WHERE plain MATCH ? ORDER BY rank, rowid LIMIT ?",
        (" OR ".join(words), limit),
    )
    return [place for (place,) in rows]
