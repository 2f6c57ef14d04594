"""A file as text, and why a file could not be made into text."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from understudy.errors import UnderstudyError

UnreadableCode = Literal["server_error", "unsupported_file", "invalid_file"]


class Document(Struct, frozen=True, kw_only=True):
    """The text of a file.

    ``page_starts`` are the places (in code points) where pages or slides begin, the first one at
    0; empty for formats that have no pages.
    """

    text: str
    page_starts: Sequence[int] = ()


class Unreadable(UnderstudyError):
    """The file cannot be made into text; ``code`` and ``message`` are for its owner (VS-08).

    ``detail`` is for the log of the server, as is ``str`` of it all; it quotes no file.
    """

    def __init__(self, code: UnreadableCode, message: str, detail: str = "") -> None:
        super().__init__(f"{message} ({detail})" if detail else message)
        self.code: UnreadableCode = code
        self.message = message
        self.detail = detail


UNSUPPORTED = "The file type is not supported."
TOO_LARGE = "The file could not be parsed because it is too large."
