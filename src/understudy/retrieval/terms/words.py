"""A text as words, and the words that stand inside a word."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

# Marks that belong to the word they stand in: ``\w`` leaves out vowel signs of many scripts.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670"
    "\u0900-\u0963\u0966-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    "\u0f18-\u0fbc\u102b-\u109f\u135d-\u135f\u17b4-\u17d3\u200c\u200d\u3099\u309a"
)
_PLAIN = rf"\w[\w{_MARKS}]*"
# A hyphen may stand at the end of a line. Points and commas join digits only.
_WORD = re.compile(rf"{_PLAIN}(?:(?:[-\u2010]\n?|['\u2019]|(?<=[0-9])[.,](?=[0-9])){_PLAIN})*")
_INVISIBLE = {0xAD: None, 0x200B: None, 0x2060: None, 0xFEFF: None, 0x640: None}
_JOINT = re.compile("[-\u2010\n_'\u2019]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GROUPED_NUMBER = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{3})+")
_APOSTROPHE = re.compile("['\u2019]")
_CONTRACTION_CHARACTERS_MAX = 2
WORD_CHARACTERS_MAX = 64


def words(text: str) -> list[str]:
    """Return the words of a text as they stand there, in Unicode's compatible form."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_INVISIBLE)
    return _WORD.findall(text)


def parts(word: str) -> Iterator[str]:
    """Yield a word in lower case; after a compound's parts, the compound without its joints.

    ``getUserName``, ``get_user_name`` and ``get-user-name`` are the same four words.
    """
    if word[0].isdecimal() and ("," in word or "." in word):
        yield _number(word)
        return
    pieces = [hump for piece in _joined(word) if piece for hump in _HUMP.split(piece)]
    yield from (piece.casefold() for piece in pieces)
    whole = "".join(pieces)
    if len(pieces) > 1 and len(whole) <= WORD_CHARACTERS_MAX:
        yield whole.casefold()


def _joined(word: str) -> Sequence[str]:
    before, *rest = _APOSTROPHE.split(word)
    if rest and len(rest[-1]) <= _CONTRACTION_CHARACTERS_MAX:
        # company's and don't end in what says little; l'eau and dell'acqua begin with it.
        word = "".join((before, *rest[:-1])) + ("" if rest[-1] in ("s", "S") else rest[-1])
    return _JOINT.split(word)


def _number(word: str) -> str:
    if _GROUPED_NUMBER.fullmatch(word):
        return word.replace(",", "").replace(".", "")
    return _JOINT.sub("", word).replace(",", ".").casefold()
