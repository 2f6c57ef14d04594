"""Text as it is kept: one kind of line end, and no characters that only machines see."""

import re

# Control characters, lone surrogates (which cannot be stored), byte order marks, noncharacters.
_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]+")
_LINE_END = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")


def cleaned(text: str) -> str:
    """Return the text with newlines for all line ends and without what nobody sees."""
    return _UNSEEN.sub("", _LINE_END.sub("\n", text))
