"""Keyset pagination by row-value comparison on (created_at, sequence) (LIST-02 to LIST-06)."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from understudy.storage.records import Slice

Place = tuple[int, int]


def read_page(
    connection: sqlite3.Connection,
    select: str,
    values: Sequence[object],
    part: Slice,
    place_of: Callable[[str], Place],
) -> tuple[list[Any], bool]:
    """Return the rows of a part of a list, and whether there are more.

    ``select`` ends in a condition; ``place_of`` returns where an object stands, or raises
    UnknownCursor. ``before`` alone reads backwards from its object and turns the result round, so
    that the nearest items are taken (LIST-05).
    """
    backwards = part.before is not None and part.after is None
    descending = (part.order == "desc") != backwards
    bounds, places = _bounds(part, place_of)
    direction = "DESC" if descending else "ASC"
    found = connection.execute(
        f"{select}{bounds} ORDER BY created_at {direction}, sequence {direction} LIMIT ?",
        (*values, *places, part.limit + 1),
    ).fetchall()
    rows = found[: part.limit]
    if backwards:
        rows.reverse()
    return rows, len(found) > part.limit


def _bounds(part: Slice, place_of: Callable[[str], Place]) -> tuple[str, list[int]]:
    sql = ""
    places: list[int] = []
    later, earlier = ("<", ">") if part.order == "desc" else (">", "<")
    for cursor, comparison in ((part.after, later), (part.before, earlier)):
        if cursor is not None:
            sql += f" AND (created_at, sequence) {comparison} (?, ?)"
            places += place_of(cursor)
    return sql, places
