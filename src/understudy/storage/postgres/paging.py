"""Reads parts of lists."""

from collections.abc import Awaitable, Callable
from typing import Any

from understudy.storage.paging import Place, bounds, cut, ordering
from understudy.storage.postgres.reader import Reader
from understudy.storage.postgres.statements import Values
from understudy.storage.records import Slice


async def read_page(
    reader: Reader,
    select: str,
    values: Values,
    part: Slice,
    place_of: Callable[[str], Awaitable[Place]],
) -> tuple[list[Any], bool]:
    """Return the rows of a part of a list, and whether there are more.

    ``select`` ends in a condition; ``place_of`` returns where an object stands, or raises
    UnknownCursor.
    """
    between = ""
    for cursor, comparison in bounds(part):
        created_at, sequence = await place_of(cursor)
        place = f"({values.place(created_at)}::bigint, {values.place(sequence)}::bigint)"
        between += f" AND (created_at, sequence) {comparison} {place}"
    limit = values.place(part.limit + 1)
    found = await reader.rows(f"{select}{between} {ordering(part)} LIMIT {limit}", *values.all)
    return cut(found, part)
