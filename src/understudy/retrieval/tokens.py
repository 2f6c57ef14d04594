"""Counting the tokens of a text without a network (VS-14).

Theory of operation. The tokenizer (cl100k, that of ``text-embedding-3``) is compiled into
semantic-text-splitter, which does not count for us but can be asked whether a text fits into a
number of tokens. Nearly all texts are made of pieces that were met before, so the count of a piece
is searched for once and remembered; then counting is faster than tokenising.
"""

import re
from functools import cache, lru_cache

from semantic_text_splitter import TextSplitter

TOKENIZER_MODEL = "text-embedding-3-large"

_REMEMBERED_PIECES_MAX = 32_768
_LETTERS_PER_TOKEN = 5
_WORD_CHARACTERS_MAX = 32
_UTF8_BYTES_MAX = 4
_SLICE_CHARACTERS = 65_536
# The tokenizer never joins a letter or digit with a following character that is neither, so the
# tokens of a text are the sum of the tokens of these pieces. Only where a piece is cut because it
# is enormous (no spaces at all, or a page of nothing else) may the sum be off, by a token per cut.
_PIECES = re.compile(r"[\W_]{0,128}+[^\W_]{1,128}+|[\W_]{1,128}+")


def count_tokens(text: str) -> int:
    """Return how many tokens the text has."""
    return sum(map(_tokens_of_piece, _PIECES.findall(text)))


def is_made_of_words(text: str) -> bool:
    """Return whether nearly all of the text is in pieces that are likely to be met again."""
    rest = sum(len(piece) for piece in _PIECES.findall(text) if len(piece) > _WORD_CHARACTERS_MAX)
    return rest < len(text) / 20


def has_more_tokens(text: str, tokens_max: int) -> bool:
    """Return whether the text has more tokens than that, counting no further than needed."""
    if len(text) * _UTF8_BYTES_MAX <= tokens_max:  # a token is a byte at least
        return False
    tokens = 0
    for start in range(0, len(text), _SLICE_CHARACTERS):
        tokens += count_tokens(text[start : start + _SLICE_CHARACTERS])
        if tokens > tokens_max:
            return True
    return False


@lru_cache(_REMEMBERED_PIECES_MAX)
def _tokens_of_piece(piece: str) -> int:
    """Return the smallest number of tokens into which the piece fits.

    The search stays near to a guess, since it is asking for far too few tokens that costs.
    """
    fitting = guess = _guess(piece)
    step = max(1, guess // 8)
    too_few = 0
    while not _fits(piece, fitting):
        too_few, fitting = fitting, fitting + step
    while fitting - too_few > 1:
        between = max(fitting - step, (fitting + too_few) // 2)
        if _fits(piece, between):
            fitting = between
        else:
            too_few = between
    return fitting


def _guess(piece: str) -> int:
    """Guess: a word is one token or few, what is long and no word has many."""
    if not piece.isascii():
        return len(piece) + 1
    return max(1, len(piece) // 5 if len(piece) < _WORD_CHARACTERS_MAX else len(piece) // 2)


def _fits(piece: str, tokens: int) -> bool:
    if len(piece) == 1:
        # A single character is never split, whatever it takes; " a" adds exactly one token.
        return _fits(f"{piece} a", tokens + 1)
    return len(_splitter(tokens).chunks(piece)) == 1


@cache
def _splitter(tokens: int) -> TextSplitter:
    return TextSplitter.from_tiktoken_model(TOKENIZER_MODEL, tokens, trim=False)
