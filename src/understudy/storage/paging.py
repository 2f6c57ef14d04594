"""Keyset pagination by row-value comparison on (created_at, sequence) (LIST-02 to LIST-06)."""

from collections.abc import Sequence
from typing import Any, Literal

from understudy.storage.records import Slice

Place = tuple[int, int]
Comparison = Literal["<", ">"]


def bounds(part: Slice) -> list[tuple[str, Comparison]]:
    """Return the objects between which the part lies, each with how places compare to its own."""
    later: Comparison = "<" if part.order == "desc" else ">"
    earlier: Comparison = ">" if part.order == "desc" else "<"
    found = [(part.after, later), (part.before, earlier)]
    return [(cursor, comparison) for cursor, comparison in found if cursor is not None]


def ordering(part: Slice) -> str:
    """Return the order in which rows are read."""
    descending = (part.order == "desc") != _is_backwards(part)
    direction = "DESC" if descending else "ASC"
    return f"ORDER BY created_at {direction}, sequence {direction}"


def cut(found: Sequence[Any], part: Slice) -> tuple[list[Any], bool]:
    """Return the rows of the part, of which one more was asked for, and whether there are more."""
    rows = [*found[: part.limit]]
    if _is_backwards(part):
        rows.reverse()
    return rows, len(found) > part.limit


def _is_backwards(part: Slice) -> bool:
    """``before`` alone reads backwards from its object, so that the nearest are taken (LIST-05)."""
    return part.before is not None and part.after is None
