"""PDF by PDFium, which is fast and forgiving; by pypdf when PDFium cannot open the file."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pypdfium2 as pdfium
from pypdf import PdfReader
from pypdfium2 import raw

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript
from understudy.retrieval.parsing.refusals import encrypted, too_large

_NO_TEXT = "it contains no text. It may be a scan; recognise its text first, and upload the result."
_LOCKED = (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
# PDFium puts this for a hyphen at the end of a line, within a word.
_HYPHENATION = re.compile(r"[\x02\ufffe](?:\r?\n)?")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the text of all pages."""
    try:
        return _document(_pages(path, limits), limits)
    except pdfium.PdfiumError as error:
        if error.err_code in _LOCKED:
            raise encrypted() from error
    return _document(_pages_by_pypdf(path, limits), limits)


def _document(pages: Iterator[str], limits: ParsingLimits) -> Document:
    manuscript = Manuscript(limits)
    for text in pages:
        manuscript.add_page(_HYPHENATION.sub("", text).translate(_LIGATURES))
    return manuscript.document(_NO_TEXT)


def _pages(path: Path, limits: ParsingLimits) -> Iterator[str]:
    with closing(pdfium.PdfDocument(path)) as document:
        if len(document) > limits.pages_max:
            raise too_large()
        for number in range(len(document)):
            yield _page_text(document, number)


def _page_text(document: pdfium.PdfDocument, number: int) -> str:
    """Return the text of a page; a broken one has none, and does not spoil the others."""
    try:
        with closing(document[number]) as page, closing(page.get_textpage()) as text:
            return str(text.get_text_range())
    except pdfium.PdfiumError:
        return ""


def _pages_by_pypdf(path: Path, limits: ParsingLimits) -> Iterator[str]:
    with PdfReader(path) as reader:
        if reader.is_encrypted and not reader.decrypt(""):
            raise encrypted()
        if len(reader.pages) > limits.pages_max:
            raise too_large()
        for page in reader.pages:
            yield page.extract_text()
