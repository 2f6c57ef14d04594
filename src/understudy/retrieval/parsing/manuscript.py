"""A document in the making: pages, or pieces of one, are added until all are there."""

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.cleaning import cleaned
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.refusals import invalid, too_large

_PAGE_BREAK = "\n\n"


class Manuscript:
    """Collects clean text, and refuses more of it than the limits allow."""

    def __init__(self, limits: ParsingLimits) -> None:
        self._limits = limits
        self._pieces: list[str] = []
        self._page_starts: list[int] = []
        self._chars = 0
        self._has_text = False

    @property
    def has_text(self) -> bool:
        """Whether anything but white space was added."""
        return self._has_text

    def add(self, text: str) -> None:
        """Append text as it is, but for cleaning. Raises Unreadable when it is too much."""
        text = cleaned(text)
        self._chars += len(text)
        if self._chars > self._limits.text_chars_max:
            raise too_large()
        self._has_text = self._has_text or bool(text.strip())
        self._pieces.append(text)

    def add_page(self, text: str) -> None:
        """Append a page, which may be empty and still counts."""
        self.begin_page()
        self.add(text)

    def begin_page(self) -> None:
        """Let a page begin with what is added next. Raises Unreadable when there are too many."""
        if self._page_starts:
            self.add(_PAGE_BREAK)
        if len(self._page_starts) == self._limits.pages_max:
            raise too_large()
        self._page_starts.append(self._chars)

    def document(self, without_text: str = "it contains no text.") -> Document:
        """Return all of it; ``without_text`` says what is wrong with a file that has none."""
        if not self._has_text:
            raise invalid(without_text)
        return Document(text="".join(self._pieces), page_starts=tuple(self._page_starts))
