"""How much a file may ask of the parsers."""

from msgspec import Struct

MEBIBYTE = 1024 * 1024


class ParsingLimits(Struct, frozen=True, kw_only=True):
    """Beyond any of these a file is too large.

    ``expanded_bytes_max`` is for all members of an archive together. A text of
    ``text_chars_max`` fits into the memory that a reading process gets.
    """

    text_chars_max: int = 40_000_000
    pages_max: int = 20_000
    archive_members_max: int = 20_000
    expanded_bytes_max: int = 512 * MEBIBYTE
