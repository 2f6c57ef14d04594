"""Reads parts of lists."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from understudy.storage.paging import Place, bounds, cut, ordering
from understudy.storage.records import Slice


def read_page(
    connection: sqlite3.Connection,
    select: str,
    values: Sequence[object],
    part: Slice,
    place_of: Callable[[str], Place],
) -> tuple[list[Any], bool]:
    """Return the rows of a part of a list, and whether there are more.

    ``select`` ends in a condition; ``place_of`` returns where an object stands, or raises
    UnknownCursor.
    """
    between, places = "", list[int]()
    for cursor, comparison in bounds(part):
        between += f" AND (created_at, sequence) {comparison} (?, ?)"
        places += place_of(cursor)
    found = connection.execute(
        f"{select}{between} {ordering(part)} LIMIT ?", (*values, *places, part.limit + 1)
    ).fetchall()
    return cut(found, part)
