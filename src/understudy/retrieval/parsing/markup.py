"""HTML and XML by lxml, with nothing fetched and no entity expanded."""

import re
from collections.abc import Iterator

from lxml import etree, html

_HIDDEN = {"script", "style", "noscript", "template", "head", "nav", "footer", "svg"}
_INLINE = {
    *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i"),
    *("img", "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span"),
    *("strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
}
_HEADINGS = {f"h{level}": f"\n\n{'#' * level} " for level in range(1, 7)}
_PARAGRAPHS = {*_HEADINGS, "p", "table", "ul", "ol", "pre", "blockquote"}
_LINES = {"br": "\n", "tr": "\n", "li": "\n- "}
_CELLS = {"td", "th"}
_VERBATIM = {"pre", "textarea"}
_GAP = re.compile(r"\n{3,}")
_KEPT_SPACE = "\x1f"
_WHITE_SPACE = re.compile(r"\s+")


def parsed_xml(content: bytes) -> etree._Element:
    """Return the root of an XML document."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(content, parser)


def parsed_html(content: bytes) -> etree._Element:
    """Return the root of a page in UTF-8, whatever it says of its encoding."""
    parser = html.HTMLParser(
        encoding="utf-8",
        no_network=True,
        huge_tree=True,  # or else what is nested deeply would be lost without a word
        remove_comments=True,
        remove_pis=True,
    )
    return html.document_fromstring(content, parser, ensure_head_body=True)


def shown_text(root: etree._Element) -> str:
    """Return the text that a reader of the page sees, a line for each block."""
    lines = "".join(_pieces(root)).split("\n")
    text = _GAP.sub("\n\n", "\n".join(line.strip(" ") for line in lines))
    return text.strip().replace(_KEPT_SPACE, " ")


def _pieces(root: etree._Element) -> Iterator[str]:
    hidden = verbatim = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        begins = event == "start"
        step = 1 if begins else -1
        hidden += step * (element.tag in _HIDDEN)
        verbatim += step * (element.tag in _VERBATIM)
        if hidden:
            continue
        yield _gap(element, begins=begins)
        text = element.text if begins else element.tail
        yield _kept(text or "") if verbatim else _WHITE_SPACE.sub(" ", text or "")


def _kept(text: str) -> str:
    """Return verbatim text with spaces that no stripping takes away."""
    return text.replace(" ", _KEPT_SPACE)


def _gap(element: etree._Element, *, begins: bool) -> str:
    """Return what separates an element from its neighbours."""
    if element.tag in _INLINE:
        return ""
    if element.tag in _CELLS:
        return " | " if begins and element.getprevious() is not None else ""
    if element.tag in _LINES:
        return _LINES[element.tag] if begins else ""
    if element.tag in _HEADINGS and begins:
        return _HEADINGS[element.tag]
    return "\n\n" if element.tag in _PARAGRAPHS else "\n"
