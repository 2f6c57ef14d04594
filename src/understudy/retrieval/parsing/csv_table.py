"""Comma-separated values, and those separated by semicolons, tabs or bars."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.encoding import read_text
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript
from understudy.retrieval.parsing.rows import lines

_SAMPLE_LINES = 20
_SEPARATORS = ",;\t|"


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return a line for each row, its values named by the header."""
    manuscript = Manuscript(limits)
    csv.field_size_limit(limits.text_chars_max)
    for line in lines(_rows(read_text(path, limits))):
        manuscript.add(f"{line}\n")
    return manuscript.document()


def _rows(text: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=_separator(text))


def _separator(text: str) -> str:
    """Return the separator that cuts the first lines into the same number of columns."""
    sample = [line for _, line in zip(range(_SAMPLE_LINES), StringIO(text), strict=False)]

    def evenness(separator: str) -> tuple[bool, int]:
        widths = [len(row) for row in csv.reader(sample, delimiter=separator) if row]
        return len(set(widths)) == 1 and widths[0] > 1, min(widths, default=0)

    return max(_SEPARATORS, key=evenness)
