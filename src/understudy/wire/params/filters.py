"""Filters by the attributes of files, as clients send them (VS-11)."""

from typing import Annotated

from msgspec import Meta, Struct

from understudy.errors import InvalidRequest

LEVELS_MAX = 10
FILTERS_MAX = 1_000

Key = Annotated[str, Meta(max_length=64)]
Scalar = Annotated[str, Meta(max_length=512)] | bool | int | float
Scalars = Annotated[list[Annotated[str, Meta(max_length=512)] | int | float], Meta(max_length=1000)]


class _Comparison(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    key: Key


class Equal(_Comparison, frozen=True, tag="eq"):
    """The attribute is the value."""

    value: Scalar


class NotEqual(_Comparison, frozen=True, tag="ne"):
    """The attribute is another value, or is not there."""

    value: Scalar


class Greater(_Comparison, frozen=True, tag="gt"):
    """The attribute is greater than the value."""

    value: Scalar


class GreaterOrEqual(_Comparison, frozen=True, tag="gte"):
    """The attribute is the value or greater."""

    value: Scalar


class Less(_Comparison, frozen=True, tag="lt"):
    """The attribute is less than the value."""

    value: Scalar


class LessOrEqual(_Comparison, frozen=True, tag="lte"):
    """The attribute is the value or less."""

    value: Scalar


class OneOf(_Comparison, frozen=True, tag="in"):
    """The attribute is one of the values."""

    value: Scalars


class NoneOf(_Comparison, frozen=True, tag="nin"):
    """The attribute is none of the values, or is not there."""

    value: Scalars


class _Compound(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    filters: Annotated[list["Filter"], Meta(min_length=1, max_length=FILTERS_MAX)]


class AllOf(_Compound, frozen=True, tag="and"):
    """Every one of the filters fits."""


class AnyOf(_Compound, frozen=True, tag="or"):
    """One of the filters fits, or several."""


Filter = (
    Equal
    | NotEqual
    | Greater
    | GreaterOrEqual
    | Less
    | LessOrEqual
    | OneOf
    | NoneOf
    | AllOf
    | AnyOf
)


def check_filter(sent: Filter | None, path: str = "filters") -> Filter | None:
    """Return the filter. Raises InvalidRequest when it is too deep or too large to be applied."""
    level = [sent] if sent is not None else []
    count = 0
    for _ in range(LEVELS_MAX):
        count += len(level)
        level = [one for each in level if isinstance(each, _Compound) for one in each.filters]
    if level:
        raise _unfit(path, f"nested too deeply. Expected at most {LEVELS_MAX} levels.")
    if count > FILTERS_MAX:
        raise _unfit(path, f"too many filters. Expected at most {FILTERS_MAX}, but got {count}.")
    return sent


def _unfit(path: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{path}': {problem}", param=path, code="invalid_value")
