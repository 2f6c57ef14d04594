"""Web pages: the article by trafilatura, or all that a page shows where that finds too little."""

import re
from pathlib import Path

import trafilatura

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.encoding import read_text
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript
from understudy.retrieval.parsing.markup import parsed_html, shown_text

# A page of which less is an article (a reference, a form, a list) is worth more whole than in part;
# one of which more is has nothing around it, and its tables are better kept whole.
_ARTICLE_MIN, _ARTICLE_MAX = 0.6, 0.95
_WORD = re.compile(r"\w+")


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the text of the page without what surrounds it."""
    source = read_text(path, limits)
    manuscript = Manuscript(limits)
    if source.strip():
        manuscript.add(_page_text(source))
    return manuscript.document()


def _page_text(source: str) -> str:
    """Return the title and the text of a page."""
    root = parsed_html(source.encode())
    title = " ".join((root.findtext(".//title") or "").split())
    text = _article_or_all(source, shown_text(root))
    return text if title in text else f"{title}\n\n{text}"


def _article_or_all(source: str, shown: str) -> str:
    article = trafilatura.extract(
        source, output_format="markdown", favor_recall=True, include_comments=True
    )
    share = _words(article or "") / max(_words(shown), 1)
    return article if article and _ARTICLE_MIN <= share < _ARTICLE_MAX else shown


def _words(text: str) -> int:
    return len(_WORD.findall(text))
