"""The encodings in which text is taken: UTF-8, UTF-16 and ASCII (FILE-09)."""

import codecs
from pathlib import Path
from typing import Literal

from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.refusals import invalid, too_large

Encoding = Literal["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]

_SAMPLE_BYTES = 4096
# In UTF-16, the text of many languages has a zero in most of its pairs of bytes, always the same.
_ZEROS_MIN = 0.3
_CHAR_BYTES_MAX = 4
_WHITE_SPACE = "\t\n\v\f\r\x1b"  # and escape, which colours the output of programs
_CONTROLS_MAX = 0.02


def encoding_of(head: bytes) -> Encoding:
    """Return the encoding that the first bytes speak for; UTF-8 when they do not."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:_SAMPLE_BYTES]
    pairs = max(len(sample) // 2, 1)
    even, odd = sample[::2].count(0) / pairs, sample[1::2].count(0) / pairs
    if odd > _ZEROS_MIN > even:
        return "utf-16-le"
    if even > _ZEROS_MIN > odd:
        return "utf-16-be"
    return "utf-8-sig"


def looks_like_text(head: bytes) -> bool:
    """Return whether the first bytes are text in one of the encodings."""
    encoding = encoding_of(head)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    controls = sum(char < " " and char not in _WHITE_SPACE for char in text)
    return controls <= len(text) * _CONTROLS_MAX


def read_text(path: Path, limits: ParsingLimits) -> str:
    """Return the text of a file. Raises Unreadable when it is too long or in another encoding."""
    if path.stat().st_size > limits.text_chars_max * _CHAR_BYTES_MAX:
        raise too_large()
    content = path.read_bytes()
    try:
        return content.decode(encoding_of(content))
    except UnicodeDecodeError as error:
        raise invalid(
            "its text is not encoded in UTF-8, UTF-16 or ASCII "
            f"(byte {error.start} cannot be decoded). Save it as UTF-8 and upload it again."
        ) from error
