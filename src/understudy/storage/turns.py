"""Taking turns: several queues are read as one, so that a long one does not hide the others."""

from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from typing import TypeVar

T = TypeVar("T")


def in_turn(queues: Iterable[Iterator[T]]) -> Iterator[T]:
    """Yield the first of each queue, then the second of each; none is looked at before that."""
    begun = []
    for queue in queues:
        yield from islice(queue, 1)
        begun.append(queue)
    for each in zip_longest(*begun):
        yield from (one for one in each if one is not None)
