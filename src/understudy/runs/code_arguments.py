"""Reads the code out of a call's arguments while the model writes them (STR-07).

Models are asked for ``{"code": "..."}``, and the string is decoded as it comes. Some write the code
itself, a JSON string, a fenced block, or JSON with line breaks in its strings; all of these are
understood, though some only at their end. What is read depends on the text and not on its pieces.
"""

import re
from typing import Literal

import msgspec

KEYS = ("code", "input", "python", "source")
# What stands before the code is short; behind so many characters one waits for the end.
OPENING_CHARACTERS_MAX = 2_000

_STRING = r'"(?:[^"\\]|\\.)*"'
_SCALAR = rf"(?:{_STRING}|[-+.\w]+)"
_MEMBERS = rf"\s*\{{\s*(?:{_STRING}\s*:\s*{_SCALAR}\s*,\s*)*"
_OPENING = re.compile(rf'{_MEMBERS}"(?:{"|".join(KEYS)})"\s*:\s*"', re.DOTALL)
# Every beginning of an opening, and of members before it.
_BEGINNING = re.compile(
    rf'\s*|{_MEMBERS}(?:"(?:[^"\\]|\\.)*\\?|{_STRING}\s*'
    rf'(?::\s*(?:"(?:[^"\\]|\\.)*\\?|{_SCALAR}\s*)?)?)?',
    re.DOTALL,
)
# An object, a string or a fence: what it holds shows at its end.
_WRAPPED = re.compile(r'\s*(?:\{\s*(?:["}]|$)|["`])')
_FENCED = re.compile(r"\s*```[ \t]*(?:\w+[ \t]*)?\n(.*?)\n?```\s*", re.DOTALL)

_HEX = "[0-9a-fA-F]"
_HIGH = rf"\\u[dD][89abAB]{_HEX}{{2}}"
_LOW = rf"\\u[dD][c-fC-F]{_HEX}{{2}}"
_TOKEN = re.compile(rf'({_HIGH}{_LOW}|\\u{_HEX}{{4}})|(\\[^u])|([^"\\]+|\\u)|"', re.DOTALL)
_UNFINISHED_TOKEN = re.compile(
    rf"\\(?:u{_HEX}{{0,3}})?|{_HIGH}(?:\\(?:u(?:[dD](?:[c-fC-F]{_HEX}?)?)?)?)?"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ITSELF = frozenset("\"'\\/")

State = Literal["before", "inside", "after", "plain", "wrapped"]


def code_in(arguments: str) -> str:
    """Return the code that whole arguments hold."""
    reader = CodeReader()
    return reader.take(arguments) + reader.end()


class CodeReader:
    """Takes arguments in pieces and gives the code in pieces."""

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._held = ""
        self._state: State = "before"

    def take(self, piece: str) -> str:
        """Take a piece and return what more of the code is known, perhaps nothing."""
        self._held += piece
        if self._state == "before":
            self._look_for_code()
        if self._state == "inside":
            return self._decoded()
        if self._state == "plain":
            return self._let_go()
        if self._state == "after":
            self._held = ""
        return ""

    def end(self) -> str:
        """Return what was held back; nothing more is taken."""
        state, self._state = self._state, "after"
        rest = self._let_go()
        return _unwrapped(rest) if state in {"before", "wrapped"} else _storable(rest)

    def _look_for_code(self) -> None:
        head = self._held[:OPENING_CHARACTERS_MAX]
        if opening := _OPENING.match(head):
            self._state = "inside"
            self._held = self._held[opening.end() :]
        elif len(head) == OPENING_CHARACTERS_MAX or not _BEGINNING.fullmatch(head):
            self._state = "wrapped" if _WRAPPED.match(head) else "plain"

    def _let_go(self) -> str:
        held, self._held = self._held, ""
        return _storable(held)

    def _decoded(self) -> str:
        """Decode as far as it is certain, at most to the end of the string."""
        code: list[str] = []
        at = 0
        while at < len(self._held):
            if self._held[at] == "\\" and _UNFINISHED_TOKEN.fullmatch(self._held, at):
                break
            token = _TOKEN.match(self._held, at)
            assert token
            at = token.end()
            if token[0] == '"':
                self._state = "after"
                at = len(self._held)
                break
            code.append(_meaning(token))
        self._held = self._held[at:]
        return "".join(code)


def _meaning(token: re.Match[str]) -> str:
    code_point, escape, plain = token.groups()
    if code_point:
        text: str = code_point.encode().decode("unicode_escape")
        return _storable(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    if escape:
        letter = escape[1]
        return letter if letter in _ITSELF else _ESCAPES.get(letter, escape)
    return _storable(plain)


def _unwrapped(text: str) -> str:
    """Return the code in an object, a string or a fence, or else the text as it is."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        fenced = _FENCED.fullmatch(text)
        return fenced[1] if fenced else text
    if isinstance(value, dict):
        known = [value[key] for key in KEYS if key in value]
        return next((one for one in [*known, *value.values()] if isinstance(one, str)), "")
    return value if isinstance(value, str) else text


def _storable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no encoding has."""
    return text.encode("utf-8", "replace").decode()
