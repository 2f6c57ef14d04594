"""From the text of a file to passages of a bounded number of tokens (VS-07).

Theory of operation. semantic-text-splitter cuts at the widest border that fits: blank lines, lines,
sentences, words. It looks ahead to the next border of each kind, so a long text is given to it in
segments, several chunks long. What it makes of the end of a segment is thrown away, and the next
segment begins there; so time and memory grow with the length of a text, whatever is in it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from semantic_text_splitter import TextSplitter

from understudy.retrieval.document import TOO_LARGE, Document, Unreadable
from understudy.retrieval.tokens import (
    TOKENIZER_MODEL,
    count_tokens,
    has_more_tokens,
    is_made_of_words,
)
from understudy.storage.chunks import Chunk

TOKENS_MAX = 5_000_000

_SEGMENT_CHARACTERS_PER_TOKEN = 16


def chunks(
    document: Document, *, size_tokens: int, overlap_tokens: int, tokens_max: int = TOKENS_MAX
) -> Iterator[Chunk]:
    """Yield the passages of a document, in order, each but the first beginning in the one before.

    Neighbours share whole sentences or paragraphs of up to ``overlap_tokens``. Passages of nothing
    but whitespace are left out, and all else is in some passage. Raises Unreadable when the text
    has more than ``tokens_max`` tokens.
    """
    if has_more_tokens(document.text, tokens_max):
        raise Unreadable("invalid_file", TOO_LARGE)
    splitter = _Splitter(size_tokens, overlap_tokens)
    segment_characters = size_tokens * _SEGMENT_CHARACTERS_PER_TOKEN
    for start, text in _passages(document.text, splitter, segment_characters):
        if not text.isspace():
            # The count can be a token above the truth in runs of letters without end.
            tokens = min(count_tokens(text), size_tokens)
            yield _chunk(document.page_starts, start, text, tokens)


class _Splitter:
    """Cuts a text that is short enough to be looked at as a whole.

    Both ways cut at the same places. With our own count, words are looked up and not tokenised
    again, which is faster; but with no words to be met again it is a hundred times slower.
    """

    def __init__(self, size_tokens: int, overlap_tokens: int) -> None:
        self._size_tokens = size_tokens
        self._of_words = TextSplitter.from_callback(
            count_tokens, size_tokens, overlap_tokens, trim=False
        )
        self._of_anything = TextSplitter.from_tiktoken_model(
            TOKENIZER_MODEL, size_tokens, overlap_tokens, trim=False
        )

    def passages(self, text: str) -> list[tuple[int, str]]:
        """Return (start, passage) in code points."""
        if not is_made_of_words(text):
            return self._of_anything.chunk_indices(text)
        if count_tokens(text) <= self._size_tokens:
            return [(0, text)]  # a small file, which the splitter would count again and again
        return self._of_words.chunk_indices(text)


def _passages(text: str, splitter: _Splitter, segment_characters: int) -> Iterator[tuple[int, str]]:
    """Yield (start, passage) as the splitter would of the whole text."""
    begin = covered = 0
    while begin < len(text):
        segment = text[begin : begin + segment_characters]
        is_last = begin + len(segment) == len(text)
        next_begin = begin + len(segment)
        for place, passage in splitter.passages(segment):
            start, end = begin + place, begin + place + len(passage)
            if end == next_begin and place > 0 and not is_last:
                next_begin = start  # it ends where the segment does, for no better reason
                break
            if end > covered:
                yield start, passage
                covered = end
        begin = next_begin


def _chunk(page_starts: Sequence[int], start: int, text: str, tokens: int) -> Chunk:
    end = start + len(text)
    # White space at either end may stand on another page than all that can be read.
    first, last = end - len(text.lstrip()), start + len(text.rstrip()) - 1
    return Chunk(
        text=text,
        start=start,
        end=end,
        tokens=tokens,
        page_first=_page(page_starts, first),
        page_last=_page(page_starts, last),
    )


def _page(page_starts: Sequence[int], place: int) -> int | None:
    """Return the page on which the place is; pages count from 1."""
    return bisect_right(page_starts, place) if page_starts else None
