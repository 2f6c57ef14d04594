"""Recognises markers in text as a model writes it, however it is cut (ANN-02, ANN-03).

Text flows through until a bracket that may begin a marker, which is held back until the marker is
whole or cannot become one. So what is passed on depends on the text alone and not on its pieces.
A marker that stands for a passage becomes a citation in the one form that clients know, however
sloppily it was written; one that stands for nothing is left out, since clients would show it. Other
text in such brackets is none of our business.
"""

import re

from msgspec import Struct

from understudy.runs.citations import Source, Sources, marker


class Citation(Struct, frozen=True):
    """A marker and what it stands for."""

    marker: str
    source: Source


# Some languages have wider colons, commas and spaces of their own.
_SPACE = r"[ \u00a0\u3000]{0,4}"
_NUMBER = r"[0-9]{1,9}"
_COLON = r"[:\uff1a]"
_COMMA = r",;\u3001\uff0c\uff1b"
_DAGGER = r"[†‡]"
# Behind the numbers models write "source" or the file's name, and sometimes a list of markers.
_TAIL = r"[^【】\n]{0,300}"
_TAIL_OF_PAIR = f"[†‡|{_COMMA}]{_TAIL}"

# "【4:0†source】" and its like, or "【13†source】" as older models were taught.
_MARKER = re.compile(
    f"【{_SPACE}{_NUMBER}{_SPACE}"
    f"(?:{_COLON}{_SPACE}{_NUMBER}{_SPACE}(?:{_TAIL_OF_PAIR})?|{_DAGGER}{_TAIL})】"
)
# Every beginning of a marker, and nothing else.
_BEGINNING = re.compile(
    f"【{_SPACE}(?:{_NUMBER}{_SPACE}(?:{_DAGGER}{_TAIL}|{_COLON}{_SPACE}"
    f"(?:{_NUMBER}{_SPACE}(?:{_TAIL_OF_PAIR})?)?)?)?"
)
_PAIR = re.compile(
    f"[【{_COMMA}]{_SPACE}({_NUMBER}){_SPACE}{_COLON}{_SPACE}({_NUMBER}){_SPACE}(?=[†‡|{_COMMA}】])"
)
_TIME_OF_DAY = re.compile(f"【(?:[01]?[0-9]|2[0-3]){_COLON}[0-5][0-9]】")
_SURELY_BEGUN = re.compile(f"{_COLON}|{_DAGGER}")


class Citing:
    """A filter for the text of one message part after the other."""

    __slots__ = ("_held", "_sources")

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._held = ""

    def take(self, text: str) -> list[str | Citation]:
        """Take a piece and return what can be passed on: text, never empty, and citations."""
        text, self._held = self._held + text, ""
        passed_on: list[str | Citation] = []
        told, at = 0, text.find("【")
        while at >= 0:
            marker_ = _MARKER.match(text, at)
            meant = self._meant(marker_[0]) if marker_ else None
            if marker_ and meant is not None:
                passed_on += [text[told:at], *meant]
                told = marker_.end()
            elif _BEGINNING.fullmatch(text, at):
                text, self._held = text[:at], text[at:]
            at = text.find("【", max(told, at + 1))
        return [each for each in [*passed_on, text[told:]] if each]

    def end(self) -> list[str]:
        """Return what was held back, unless it is a marker that the text breaks off in."""
        held, self._held = self._held, ""
        return [held] if held and not _SURELY_BEGUN.search(held) else []

    def _meant(self, written: str) -> list[Citation] | None:
        """Return the citations that a marker stands for, or None when it is a time of day."""
        pairs = [(int(place), int(index)) for place, index in _PAIR.findall(written)]
        known = [pair for pair in dict.fromkeys(pairs) if pair in self._sources]
        if not known and _TIME_OF_DAY.fullmatch(written):
            return None
        return [Citation(marker(*pair), self._sources[pair]) for pair in known]
