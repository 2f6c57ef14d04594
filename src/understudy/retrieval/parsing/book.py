"""EPUB: the chapters in the order of reading."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zipfile import ZipFile

from lxml import etree

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.archive import check
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript
from understudy.retrieval.parsing.markup import parsed_html, parsed_xml, shown_text
from understudy.retrieval.parsing.refusals import encrypted

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_RIGHTS = "META-INF/rights.xml"
_MARKUP = {"application/xhtml+xml", "text/html"}


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the text of all chapters."""
    check(path, limits)
    manuscript = Manuscript(limits)
    with ZipFile(path) as archive:
        # Encrypted fonts are common and harmless, encrypted chapters come with rights.
        if {_ENCRYPTION, _RIGHTS} <= set(archive.namelist()):
            raise encrypted()
        for chapter in _chapters(archive):
            content = archive.read(chapter)
            if content.strip():
                manuscript.add(f"{shown_text(parsed_html(content))}\n\n")
    return manuscript.document()


def _chapters(archive: ZipFile) -> Iterator[str]:
    """Yield the names of the spine's members that are there."""
    package_name = _find(parsed_xml(archive.read(_CONTAINER)), "rootfile")[0].get("full-path", "")
    package = parsed_xml(archive.read(package_name))
    members = {
        item.get("id"): _member(package_name, item.get("href", ""))
        for item in _find(package, "item")
        if item.get("media-type") in _MARKUP
    }
    present = set(archive.namelist())
    for reference in _find(package, "itemref"):
        name = members.get(reference.get("idref"))
        if name in present:
            yield name


def _member(package_name: str, href: str) -> str:
    """Return the member that a reference in the package means."""
    folder = posixpath.dirname(package_name)
    return posixpath.normpath(posixpath.join(folder, unquote(urlsplit(href).path)))


def _find(root: etree._Element, name: str) -> list[etree._Element]:
    return list(root.iterfind(f".//{{*}}{name}"))
