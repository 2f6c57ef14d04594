"""Parts of statements: values with their places, and arrays that stand for rows."""

from collections.abc import Iterable, Sequence


class Values:
    """The values of a statement that is put together."""

    def __init__(self, *values: object) -> None:
        self.all: list[object] = [*values]

    def place(self, value: object) -> str:
        """Add a value and return its place in the statement: ``$3``."""
        self.all.append(value)
        return f"${len(self.all)}"


def unnest(*types: str) -> str:
    """Return the rows that arrays of these types make up, one array for each column."""
    places = (f"${number}::{column}[]" for number, column in enumerate(types, start=1))
    return f"unnest({', '.join(places)})"


def arrays(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Return the columns of the rows; there must be a row."""
    return [list(column) for column in zip(*rows, strict=True)]


class Call:
    """A statement with its values, which is a transaction of its own."""

    __slots__ = ("sql", "values")

    def __init__(self, sql: str, *values: object) -> None:
        self.sql = sql
        self.values = values
