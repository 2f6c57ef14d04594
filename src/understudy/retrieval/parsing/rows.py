"""Rows of a table as lines that can be understood alone, each value with its column's name."""

from collections.abc import Iterable, Iterator, Sequence

_BETWEEN = " | "


def lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a line for each row that is not empty; the first one may name the columns."""
    full = (row for row in (_stripped(row) for row in rows) if any(row))
    first = next(full, None)
    if first is None:
        return
    yield _BETWEEN.join(value for value in first if value)
    names = first if _are_names(first) else ()
    for row in full:
        yield _line(row, names)


def _stripped(row: Sequence[str]) -> list[str]:
    return [" ".join(value.split()) for value in row]


def _are_names(row: Sequence[str]) -> bool:
    """Return whether a row looks like a header: words, each once."""
    return len(row) > 1 and len(set(row)) == len(row) and not any(map(_is_number, row))


def _is_number(value: str) -> bool:
    return not value or value[0].isdigit() or (value[0] in "-+." and value[1:2].isdigit())


def _line(row: Sequence[str], names: Sequence[str]) -> str:
    """Return the values that a row has, named as far as there are names."""
    named = [f"{name}: {value}" for name, value in zip(names, row, strict=False) if value]
    return _BETWEEN.join([*named, *(value for value in row[len(names) :] if value)])
