"""Finds the sentences that a question is about, in any language, without understanding them.

Theory of operation. Texts are compared by the short runs of letters that they share: those of
``allergy`` are nearly those of ``allergies``, and a script that puts no space between words has
them too. A run counts the more, the fewer of the sentences have it.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from understudy.upstream.passages import Passage

QUOTES_MAX = 3
QUOTE_CHARACTERS_MAX = 300
# Search has put the best passages first.
_PASSAGES_READ_MAX = 5
# A further sentence is worth quoting when it is nearly as much to the point as the best one.
_SHARE_OF_BEST_MIN = 0.75
_SHARE_OF_FULL_LINE_MIN = 0.6

# What ends a sentence, also in Arabic, Urdu and Hindi; and in scripts that put no space behind it.
_END = ".!?…\u061f\u06d4\u0964\u0965"
_CLOSE = r"\"'\u201d\u2019»)\]"
_WIDE_END = "\u3002\uff01\uff1f\uff61"
_WIDE_CLOSE = "」』\u201d\uff09"
# An end is followed by space and no small letter, as "e.g. this" has none. Possessive quantifiers,
# and ends looked for only where they begin, keep the time linear in whatever a file may contain.
_SENTENCE = re.compile(
    rf"\S.*?(?:(?<![{_END}])[{_END}]++[{_CLOSE}]*+(?=\s++(?![a-z])|\Z)"
    rf"|[{_WIDE_END}]++[{_WIDE_CLOSE}]*+|(?=\n\s*\n)|\Z)",
    re.DOTALL,
)
_PUNCTUATION = r"!-/:-@\[-`{-~¡«»¿\u060c\u061b\u2000-\u206f\u3000-\u3003\u3008-\u3020\u30fb"
_WORD = re.compile(rf"[^\s{_PUNCTUATION}{_END}]+")
_FIRST_IDEOGRAPHIC = "\u2e80"


class Quote(Struct, frozen=True):
    """Words of a file, and the marker that cites them."""

    text: str
    marker: str


def best_quotes(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """Return one to three quotes, the best first; none only if there are no passages."""
    quotes = list(_quotes(passages[:_PASSAGES_READ_MAX]))
    scores = _scores(question, [quote.text for quote in quotes])
    ranked = sorted(range(len(quotes)), key=lambda number: -scores[number])
    worth = [n for n in ranked[1:] if scores[n] > scores[ranked[0]] * _SHARE_OF_BEST_MIN]
    return [quotes[number] for number in [*ranked[:1], *worth][:QUOTES_MAX]]


def _quotes(passages: Iterable[Passage]) -> Iterator[Quote]:
    """Yield each sentence once: passages of a file overlap."""
    seen = set()
    for passage in passages:
        for text in _sentences(passage.text):
            if text not in seen:
                seen.add(text)
                yield Quote(text, passage.marker)


def _sentences(text: str) -> Iterator[str]:
    """Yield the sentences, or the lines of what is too long for one, such as a table."""
    for match in _SENTENCE.finditer(_in_blocks(text)):
        sentence = " ".join(match[0].split())
        if len(sentence) <= QUOTE_CHARACTERS_MAX:
            yield sentence
        else:
            yield from (_shortened(" ".join(x.split())) for x in match[0].splitlines() if x.strip())


def _in_blocks(text: str) -> str:
    """Return the text with a blank line below each line that is too short to go on in the next.

    So a heading is no part of the sentence below it, and the items of a list are none of another.
    """
    lines = text.splitlines()
    full = max(map(len, lines), default=0) * _SHARE_OF_FULL_LINE_MIN
    return "\n".join(line if len(line) >= full else f"{line}\n" for line in lines)


def _shortened(line: str) -> str:
    return line if len(line) <= QUOTE_CHARACTERS_MAX else line[: QUOTE_CHARACTERS_MAX - 1] + "…"


def _scores(question: str, texts: Sequence[str]) -> list[float]:
    asked = _runs(question)
    shared = [_runs(text) & asked for text in texts]
    known = Counter(run for runs in shared for run in runs)
    weights = {run: math.log(1 + len(texts) / count) for run, count in known.items()}
    # math.fsum gives the same sum in whatever order a set is walked.
    return [math.fsum(weights[run] for run in runs) for runs in shared]


def _runs(text: str) -> set[str]:
    """Return the runs of three letters of the words, or of two where letters are ideographs."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return {run for word in words for run in _runs_of_word(word)}


def _runs_of_word(word: str) -> Iterator[str]:
    length = 2 if max(word) >= _FIRST_IDEOGRAPHIC else 3
    spelt = word if length == 2 else f" {word} "  # noqa: PLR2004 - words end where spaces are
    return (spelt[at : at + length] for at in range(max(1, len(spelt) - length + 1)))
