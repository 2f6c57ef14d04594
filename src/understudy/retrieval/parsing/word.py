"""Word documents: paragraphs and tables in their order, then the notes.

python-docx opens the package. Its ``Paragraph.text`` leaves out what stands in content controls,
tracked insertions and text boxes, so the text is collected from the elements themselves.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.parts.document import DocumentPart
from lxml import etree

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.archive import check
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript

_PARAGRAPH, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_TEXT = qn("w:t")
_SIGNS = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
}
# A text box stands in the file twice, the second time for programs that do not know the first way.
_SKIPPED = {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
# A tab among these is a tab stop and no text.
_PROPERTIES = {qn("w:pPr"), qn("w:rPr")}
_NOTES = (RELATIONSHIP_TYPE.FOOTNOTES, RELATIONSHIP_TYPE.ENDNOTES)


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the text of the document."""
    check(path, limits)
    part = docx.Document(str(path)).part
    manuscript = Manuscript(limits)
    for root in (part.element, *_notes(part)):
        for block in _blocks(root):
            manuscript.add(f"{block}\n\n")
    return manuscript.document()


def _notes(part: DocumentPart) -> Iterator[etree._Element]:
    for relationship in part.rels.values():
        if relationship.reltype in _NOTES and not relationship.is_external:
            yield parse_xml(relationship.target_part.blob)


def _blocks(parent: Iterable[etree._Element]) -> Iterator[str]:
    """Yield paragraphs and tables that are not empty, however deep they are wrapped."""
    for element in parent:
        if element.tag == _PARAGRAPH:
            text = _paragraph(element).strip()
        elif element.tag == _TABLE:
            text = "\n".join(_rows(element))
        else:
            yield from _blocks(element)
            continue
        if text:
            yield text


def _rows(table: etree._Element) -> Iterator[str]:
    for row in _nearest(table, _ROW):
        cells = [" ".join(" ".join(_blocks(cell)).split()) for cell in _nearest(row, _CELL)]
        if any(cells):
            yield " | ".join(cells)


def _nearest(parent: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Yield the elements of a tag below the parent, but none within another of them."""
    for child in parent:
        if child.tag == tag:
            yield child
        else:
            yield from _nearest(child, tag)


def _paragraph(paragraph: etree._Element) -> str:
    return "".join(_pieces(paragraph))


def _pieces(element: etree._Element) -> Iterator[str]:
    for child in element:
        if child.tag == _TEXT:
            yield child.text or ""
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag == _PARAGRAPH:
            yield f"\n{_paragraph(child)}\n"
        elif child.tag not in _SKIPPED and child.tag not in _PROPERTIES:
            yield from _pieces(child)
