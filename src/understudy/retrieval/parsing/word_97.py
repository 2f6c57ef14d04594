"""Word documents of 1997 to 2003, by the piece table that says where their text lies.

olefile opens the container. Inside, [MS-DOC] 2.4.1 gives the way to the text: the header (FIB)
points into the table stream to the piece table, and each piece is a stretch of the main stream in
one of two encodings.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from struct import calcsize, iter_unpack, unpack_from

import olefile

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript
from understudy.retrieval.parsing.refusals import damaged, encrypted, invalid, too_large

_FLAGS_AT = 0x0A
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200
_PIECE_TABLE_AT = 0x01A2  # offset and length of the Clx in the table stream
_VERSION_AT = 0x02
_WORD_97 = 0x00C1
_PROPERTIES, _PIECES = 1, 2
_PIECE = "<HIH"
_COMPRESSED = 0x40000000
# A field is its instruction, then what it shows; fields stand in fields.
_INSTRUCTION = re.compile("\x13[^\x13\x14\x15]*\x14?")
_SIGNS = str.maketrans({"\x07": "\t", "\x0b": "\n", "\x0c": "\n", "\x1e": "-", "\xa0": " "})


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the text of the document, its notes and headers included."""
    with olefile.OleFileIO(path) as file:
        main = _stream(file, "WordDocument", limits)
        (flags,) = unpack_from("<H", main, _FLAGS_AT)
        if flags & _ENCRYPTED:
            raise encrypted()
        if unpack_from("<H", main, _VERSION_AT)[0] < _WORD_97:
            raise invalid("it was saved by a version of Word before 1997.")
        table = _stream(file, "1Table" if flags & _TABLE_1 else "0Table", limits)
    offset, length = unpack_from("<II", main, _PIECE_TABLE_AT)
    manuscript = Manuscript(limits)
    manuscript.add(_readable("".join(_texts(main, _piece_table(table[offset : offset + length])))))
    return manuscript.document()


def _stream(file: olefile.OleFileIO, name: str, limits: ParsingLimits) -> bytes:
    if file.get_size(name) > limits.expanded_bytes_max:
        raise too_large()
    with file.openstream(name) as stream:
        return bytes(stream.read())


def _piece_table(clx: bytes) -> bytes:
    """Return the piece table, which stands behind any number of formatting properties."""
    place = 0
    while clx[place] == _PROPERTIES:
        place += 3 + unpack_from("<H", clx, place + 1)[0]
    if clx[place] != _PIECES:
        raise damaged()
    (length,) = unpack_from("<I", clx, place + 1)
    return clx[place + 5 : place + 5 + length]


def _texts(main: bytes, table: bytes) -> Iterator[str]:
    """Yield the text of each piece; the table has the pieces' borders first, then their places."""
    count = (len(table) - 4) // (4 + calcsize(_PIECE))
    borders = unpack_from(f"<{count + 1}I", table)
    places = iter_unpack(_PIECE, table[4 * (count + 1) :][: count * calcsize(_PIECE)])
    for (start, end), (_, place, _) in zip(pairwise(borders), places, strict=True):
        if place & _COMPRESSED:
            begin = (place & ~_COMPRESSED) // 2
            yield main[begin : begin + end - start].decode("cp1252", "replace")
        else:
            yield main[place : place + 2 * (end - start)].decode("utf-16-le", "replace")


def _readable(text: str) -> str:
    """Return the text with fields as they show themselves."""
    while (shorter := _INSTRUCTION.sub("", text)) != text:
        text = shorter
    return text.translate(_SIGNS)
