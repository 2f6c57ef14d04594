"""What a DELETE answers."""

from msgspec import Struct


class Deleted(Struct, kw_only=True):
    """Says that an object is gone; ``object`` ends in ``.deleted`` except for files (FILE-07)."""

    id: str
    object: str
    deleted: bool = True
