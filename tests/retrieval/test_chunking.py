"""From texts to passages (VS-07)."""

import socket
from itertools import pairwise
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

from understudy.retrieval.chunking import chunks
from understudy.retrieval.document import TOO_LARGE, Document, Unreadable
from understudy.retrieval.tokens import TOKENIZER_MODEL, count_tokens
from understudy.storage.chunks import Chunk

PARAGRAPH = "The quick brown fox jumps over the lazy dog. It does so every morning at nine. "


def cut(text: str, size: int = 100, overlap: int = 50, **fields: int) -> list[Chunk]:
    document = Document(text=text)
    return list(chunks(document, size_tokens=size, overlap_tokens=overlap, **fields))


def left_out(text: str, found: list[Chunk]) -> str:
    """Return the characters that are in no chunk."""
    end, rest = 0, ""
    for chunk in found:
        rest += text[end : chunk.start]
        end = max(end, chunk.end)
    return rest + text[end:]


def check(text: str, found: list[Chunk], size: int) -> None:
    """Check all that holds for the chunks of any text."""
    for chunk in found:
        assert chunk.text == text[chunk.start : chunk.end]
        assert 0 < chunk.tokens <= size
        assert not chunk.text.isspace()
    for one, following in pairwise(found):
        assert one.start < following.start
        assert one.end < following.end
    assert not left_out(text, found).strip()


# Words, sentences and paragraphs of several scripts, and what is none of these.
PIECES = st.sampled_from(
    [
        "word ",
        "End of a sentence. ",
        "\n",
        "\n\n",
        "\r\n",
        "   ",
        "\f",
        "黑豹队的防守只丢了分。",
        "السلام عليكم ",
        "किए।",
        "👩‍👩‍👧",
        "e\u0301",
        "x" * 300,
        "0123456789abcdef" * 30,
        PARAGRAPH * 3,
    ]
)


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(PIECES | st.text(max_size=5), max_size=60).map("".join),
    st.sampled_from([(100, 0), (100, 50), (130, 20), (800, 400)]),
)
def test_every_character_is_in_a_chunk_of_bounded_size(text: str, sizes: tuple[int, int]) -> None:
    found = cut(text, *sizes)
    check(text, found, sizes[0])


@settings(max_examples=20, deadline=None, phases=[Phase.generate])
@given(st.lists(PIECES, min_size=20, max_size=60), st.integers(0, 2**32))
def test_long_texts_are_cut_in_segments_without_a_seam(pieces: list[str], seed: int) -> None:
    text = "".join(Random(seed).choices(pieces, k=300))
    check(text, cut(text), 100)


def test_a_long_text_is_cut_as_if_it_were_looked_at_as_a_whole() -> None:
    text = "\n\n".join(f"Number {n}. {PARAGRAPH * (n % 7)}" for n in range(400))
    whole = TextSplitter.from_tiktoken_model(TOKENIZER_MODEL, 100, 50, trim=False)
    found = cut(text)
    assert [(one.start, one.text) for one in found] == whole.chunk_indices(text)
    assert [one.tokens for one in found] == [count_tokens(one.text) for one in found]


def test_neighbours_overlap_by_no_more_than_asked() -> None:
    found = cut(PARAGRAPH * 200, 100, 50)
    overlaps = [
        count_tokens(one.text[following.start - one.start :]) for one, following in pairwise(found)
    ]
    assert all(0 < tokens <= 50 for tokens in overlaps)
    apart = cut(PARAGRAPH * 200, 100, 0)
    assert all(one.end == following.start for one, following in pairwise(apart))
    assert "".join(one.text for one in apart) == PARAGRAPH * 200


def test_a_text_that_fits_is_one_chunk() -> None:
    (only,) = cut("Just this.")
    assert only == Chunk(text="Just this.", start=0, end=10, tokens=3)


@pytest.mark.parametrize("text", ["", " ", "\n" * 20_000, "\u3000\t" * 20_000])
def test_nothing_but_white_space_is_no_chunk(text: str) -> None:
    assert cut(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "ab" * 50_000,
        "\U0001f1e9\U0001f1ea" * 20_000,
        "a" + "\u0301" * 50_000,
        " " * 100_000 + "x",
        "\u4e2d\u6587" * 20_000,
        "." * 100_000,
        "\0" * 50_000,
        "\u202e\u0627\u0644" * 20_000,
        "ab\r\n" * 20_000,
    ],
    ids=["a", "ab", "flags", "accents", "spaces", "cjk", "dots", "nul", "rtl", "crlf"],
)
def test_texts_without_words_are_cut_all_the_same(text: str) -> None:
    check(text, cut(text, 800, 400), 800)


def test_pages_are_those_of_what_can_be_read() -> None:
    """A page's passage that begins with the blank line before the page is on that page."""
    pages = [f"Page {n}. " + PARAGRAPH * 4 for n in range(1, 6)]
    starts = [sum(len(page) + 2 for page in pages[:n]) for n in range(5)]
    document = Document(text="\n\n".join(pages), page_starts=starts)
    found = list(chunks(document, size_tokens=100, overlap_tokens=0))
    assert [(one.page_first, one.page_last) for one in found] == [(n, n) for n in range(1, 6)]
    (whole,) = chunks(document, size_tokens=800, overlap_tokens=0)
    assert (whole.page_first, whole.page_last) == (1, 5)


def test_a_text_of_too_many_tokens_is_refused_before_anything_is_cut() -> None:
    """VS-08."""
    text = PARAGRAPH * 100
    tokens = count_tokens(text)
    assert cut(text, tokens_max=tokens + 1)
    document = Document(text=text)
    found = chunks(document, size_tokens=100, overlap_tokens=0, tokens_max=tokens - 1)
    with pytest.raises(Unreadable, match=TOO_LARGE) as refused:
        next(found)
    assert refused.value.code == "invalid_file"


def test_no_network_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert cut(PARAGRAPH * 20)
