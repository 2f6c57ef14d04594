"""Counting tokens without a network."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

from understudy.retrieval.tokens import (
    TOKENIZER_MODEL,
    count_tokens,
    has_more_tokens,
    is_made_of_words,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("お誕生日おめでとう", 9),
    ],
)
def test_counts_are_those_that_the_makers_of_the_tokenizer_publish(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=2, max_size=100))
def test_a_text_just_fits_into_its_tokens(text: str) -> None:
    """The tokenizer itself agrees, whatever the text is made of."""
    tokens = count_tokens(text)

    def pieces(capacity: int) -> int:
        splitter = TextSplitter.from_tiktoken_model(TOKENIZER_MODEL, capacity, trim=False)
        return len(splitter.chunks(text))

    assert pieces(tokens) == 1
    if tokens > 1:
        assert pieces(tokens - 1) > 1


@pytest.mark.parametrize("text", ["ए", "ए।", "क़", "\U0010ffff", "é", "x"])
def test_one_character_may_be_several_tokens(text: str) -> None:
    """A single character is never split, so that asking whether it fits does not tell."""
    assert count_tokens(text * 8 + " a") == count_tokens(text * 8) + 1
    assert 1 <= count_tokens(text) <= len(text.encode())


def test_more_tokens_than_allowed_are_noticed() -> None:
    text = "one two three " * 10_000
    tokens = count_tokens(text)
    assert has_more_tokens(text, tokens // 2)
    assert not has_more_tokens(text, tokens + 10)
    assert not has_more_tokens("", 0)


def test_prose_is_made_of_words_and_a_blob_is_not() -> None:
    assert is_made_of_words("Some words, and then 42 more of them.")
    assert is_made_of_words("黑豹队的防守只丢了三百零八分。在联赛中排名第六。")
    assert not is_made_of_words("deadbeef" * 100)
