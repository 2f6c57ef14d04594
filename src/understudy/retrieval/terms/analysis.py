"""Texts and questions as terms."""

from collections.abc import Sequence
from functools import cache

from understudy.retrieval.terms.languages import is_common, likely_languages, main_language
from understudy.retrieval.terms.stems import is_unspaced, stems, unspaced_letters
from understudy.retrieval.terms.words import WORD_CHARACTERS_MAX, parts, words

SAMPLE_WORDS = 200
QUERY_CHARACTERS_MAX = 20_000
QUERY_TERMS_MAX = 256
KNOWN_WORDS_MAX = 50_000


class _Vocabulary(dict[str, str]):
    """The terms of each word of a language, made when the word is met first."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language

    def __missing__(self, word: str) -> str:
        terms = [term for part in parts(word) for term in stems(part, self._language)]
        joined = " ".join(terms)
        # Half a sentence, in scripts without spaces, or half a file is hardly met again.
        if len(word) <= WORD_CHARACTERS_MAX and not is_unspaced(word):
            if len(self) >= KNOWN_WORDS_MAX:
                self.clear()
            self[word] = joined
        return joined


_vocabulary = cache(_Vocabulary)


def index_terms(text: str) -> str:
    """Return the terms of a passage, separated by spaces, in the passage's order."""
    found = words(text)
    language = main_language([word.casefold() for word in found[:SAMPLE_WORDS]])
    terms = " ".join(map(_vocabulary(language).__getitem__, found))
    if terms.isascii():
        return terms
    # Questions of one character find it, too. Once is enough: pairs tell how often.
    return " ".join((terms, *unspaced_letters("".join(found))))


def query_terms(text: str) -> list[str]:
    """Return the distinct terms of a question, most of its common words left out.

    A term may have several spellings, separated by ``|``, of which a passage has one or another:
    the same word stemmed by the rules of each language that the question may be in.
    """
    found = [part for word in words(text[:QUERY_CHARACTERS_MAX]) for part in parts(word)]
    languages = likely_languages(found)
    telling = [word for word in found if not is_common(word, languages[:1])]
    terms = (term for word in telling or found for term in _spellings(word, languages))
    return list(dict.fromkeys(terms))[:QUERY_TERMS_MAX]


def _spellings(word: str, languages: Sequence[str]) -> Sequence[str]:
    if is_unspaced(word):
        return stems(word, languages[0])
    spelt = "|".join(dict.fromkeys(s for language in languages for s in stems(word, language) if s))
    return (spelt,) if spelt else ()
