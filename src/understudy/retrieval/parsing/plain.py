"""Text, source code and markup, as they are."""

from pathlib import Path

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.encoding import read_text
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the text of the file."""
    manuscript = Manuscript(limits)
    manuscript.add(read_text(path, limits))
    return manuscript.document()
