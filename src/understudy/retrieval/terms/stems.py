"""Words as terms: what a word has in common with its other forms, by its script."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from Stemmer import Stemmer

from understudy.retrieval.terms.words import WORD_CHARACTERS_MAX

# Scripts that are written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han, Hangul.
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")
# A letter with the vowels and tones that are written around it.
_SYLLABLE = re.compile(
    "[\u0e40-\u0e44\u0ec0-\u0ec4]?.[\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebc\u0ec8-\u0ece"
    "\u102b-\u103e\u17b4-\u17d3\u3099\u309a]*"
)
_STEMMED_SCRIPTS = (
    ("\u0370", "\u03ff", "greek"),
    ("\u1f00", "\u1fff", "greek"),
    ("\u0400", "\u04ff", "russian"),
    ("\u0530", "\u058f", "armenian"),
    ("\u0600", "\u06ff", "arabic"),
    ("\u0900", "\u097f", "hindi"),
    ("\u0b80", "\u0bff", "tamil"),
)
_LATIN_LETTER = re.compile("[\u0000-\u02ff\u1e00-\u1eff]")
_ACCENTS = re.compile("[\u0300-\u036f]+")
# Vowel points of Hebrew and Arabic, the dot below of Devanagari, joiners: left out by most writers.
_LEFT_OUT = re.compile("[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u093c\u200c\u200d]+")
_SPELLINGS = str.maketrans(
    {
        "ø": "o",
        "đ": "d",
        "ł": "l",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",  # a dotless i
        "ё": "\u0435",
        "ँ": "ं",
    }
)


def is_unspaced(word: str) -> bool:
    """Return whether words of this script stand together without spaces."""
    return _UNSPACED_LETTER.search(word) is not None


def unspaced_letters(text: str) -> Sequence[str]:
    """Return the letters of such scripts, each once, in their order."""
    return [one for one in dict.fromkeys(text) if _UNSPACED_LETTER.match(one)]


def stems(word: str, language: str) -> Sequence[str]:
    """Return the terms of one word in lower case; ``language`` counts for Latin letters."""
    if word.isascii():
        return (_stem(word[:WORD_CHARACTERS_MAX], language),)
    if is_unspaced(word):
        return [term for run in _RUN.findall(word) for term in _run_terms(run, language)]
    plain = _LEFT_OUT.sub("", word)[:WORD_CHARACTERS_MAX]
    if not plain:
        return ()
    if not _LATIN_LETTER.match(plain):
        return (_stem_of_script(plain),)
    # Whoever types without accents finds words that have them.
    return tuple(dict.fromkeys((_folded(_stem(plain, language)), _stem(_folded(plain), language))))


def _run_terms(run: str, language: str) -> Sequence[str]:
    if not is_unspaced(run):
        return stems(run, language)
    syllables: list[str] = _SYLLABLE.findall(run)
    return [first + second for first, second in pairwise(syllables)] or syllables


def _stem_of_script(word: str) -> str:
    spelt = word.translate(_SPELLINGS)
    for first, last, language in _STEMMED_SCRIPTS:
        if first <= word[0] <= last:
            return _stem(_folded(spelt) if language == "greek" else spelt, language)
    return spelt


def _stem(word: str, language: str) -> str:
    stemmed: str = _stemmer(language).stemWord(word)
    return stemmed


@cache
def _stemmer(language: str) -> Stemmer:
    # Without its own cache it has no state that threads could spoil.
    return Stemmer(language, 0)


def _folded(word: str) -> str:
    return _ACCENTS.sub("", unicodedata.normalize("NFD", word)).translate(_SPELLINGS)
