"""A count of tokens for upstreams that have no tokenizer: one per four letters of each word."""

import re

_LETTERS_PER_TOKEN = 4
_WORD = re.compile(r"\S+")


def count_tokens(text: str) -> int:
    """Return the number of tokens: each word counts one per four letters begun."""
    return sum(-(-len(word) // _LETTERS_PER_TOKEN) for word in text.split())


def length_within(text: str, tokens_max: int) -> int:
    """Return how many characters of the text fit into so many tokens."""
    left = tokens_max
    for match in _WORD.finditer(text):
        cost = -(-len(match[0]) // _LETTERS_PER_TOKEN)
        if cost > left:
            return match.start() + left * _LETTERS_PER_TOKEN
        left -= cost
    return len(text)
