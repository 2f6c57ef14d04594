"""Slides, each a page: its shapes in their order, tables by rows, and the speaker's notes."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pptx
from pptx.shapes.group import GroupShape
from pptx.slide import Slide
from pptx.table import Table

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.archive import check
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the text of all slides."""
    check(path, limits)
    manuscript = Manuscript(limits)
    for slide in pptx.Presentation(str(path)).slides:
        manuscript.add_page("\n".join(text for text in _texts(slide) if text.strip()))
    return manuscript.document()


def _texts(slide: Slide) -> Iterator[str]:
    yield from _shape_texts(slide.shapes)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None:
        yield frame.text


def _shape_texts(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _shape_texts(shape.shapes)
        elif shape.has_text_frame:
            yield shape.text_frame.text
        elif shape.has_table:
            yield from _rows(shape.table)


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        cells = [" ".join(cell.text.split()) for cell in row.cells]
        if any(cells):
            yield " | ".join(cells)
