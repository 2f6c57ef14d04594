"""Which language a text is in, told by the commonest words of each language.

Only languages of the Latin script need telling apart; the others show by their letters.
"""

from collections.abc import Collection, Mapping, Sequence

from understudy.retrieval.terms.stop_words import STOP_WORDS

FALLBACK = "english"
LATIN = tuple(name for name, words in STOP_WORDS.items() if "a" <= min(words) <= "z")
# What a question without any common word is tried as: the languages that most texts are in.
WIDESPREAD = ("english", "german", "french", "spanish", "portuguese", "italian", "dutch")


def main_language(words: Collection[str]) -> str:
    """Return the language of the Latin script whose common words occur most."""
    hits = _hits(words)
    best = max(LATIN, key=hits.__getitem__)
    return best if hits[best] else FALLBACK


def likely_languages(words: Collection[str]) -> tuple[str, ...]:
    """Return the languages that a short text may be in, the likeliest first."""
    hits = _hits(words)
    most = max(hits.values())
    if not most:
        return WIDESPREAD
    likely = [name for name in LATIN if hits[name] * 2 > most]
    likely.sort(key=hits.__getitem__, reverse=True)
    return (*likely, *(() if FALLBACK in likely else (FALLBACK,)))


def is_common(word: str, languages: Collection[str]) -> bool:
    """Return whether the word says nothing of what a text of these languages is about."""
    return any(word in STOP_WORDS[name] for name in languages)


def _hits(words: Collection[str]) -> Mapping[str, int]:
    hits = dict.fromkeys(LATIN, 0)
    for word in _SPEAKERS.keys() & words:
        for name in _SPEAKERS[word]:
            hits[name] += 1
    return hits


def _speakers() -> Mapping[str, Sequence[str]]:
    """Return in which languages each common word is one."""
    every = frozenset().union(*(STOP_WORDS[name] for name in LATIN))
    return {word: [name for name in LATIN if word in STOP_WORDS[name]] for word in every}


_SPEAKERS = _speakers()
