"""One door to all parsers: what the file is decides who reads it.

Every parser takes a path and limits and returns a document. They run on hostile bytes and may need
any amount of time and memory, or bring the process down: call this only in a reading process
(``retrieval/reading``), which is bounded in all three.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from understudy.retrieval.document import Document, Unreadable
from understudy.retrieval.parsing.kinds import Kind
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.refusals import damaged, too_large
from understudy.retrieval.parsing.sniffing import kind_of

Parser = Callable[[Path, ParsingLimits], Document]

_MODULES: Mapping[Kind, str] = {
    "plain": "plain",
    "csv": "csv_table",
    "html": "web_page",
    "pdf": "pdf",
    "docx": "word",
    "doc": "word_97",
    "pptx": "slides",
    "workbook": "workbook",
    "epub": "book",
}


def parse(path: Path, filename: str, limits: ParsingLimits) -> Document:
    """Return the text of a file. Raises Unreadable when there is none to be had."""
    try:
        return parser_of(kind_of(path, filename))(path, limits)
    except Unreadable:
        raise
    except MemoryError as error:
        raise too_large() from error
    except Exception as error:
        raise damaged() from error


def parser_of(kind: Kind) -> Parser:
    """Return the parser of a kind; its libraries are imported now."""
    parser: Parser = import_module(f"{__package__}.{_MODULES[kind]}").read
    return parser


def import_all() -> None:
    """Import the parsers of all kinds, so that later ones begin at once."""
    for kind in _MODULES:
        parser_of(kind)
