"""Which files a search may find, judged by their attributes (VS-11)."""

import operator
from collections.abc import Callable
from typing import Any

from understudy.wire.objects.vector_stores import Attributes
from understudy.wire.params.filters import (
    AllOf,
    AnyOf,
    Equal,
    Filter,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    NoneOf,
    NotEqual,
    OneOf,
    Scalar,
    Scalars,
)

_ORDERS: dict[type[Filter], Callable[[Any, Any], bool]] = {
    Greater: operator.gt,
    GreaterOrEqual: operator.ge,
    Less: operator.lt,
    LessOrEqual: operator.le,
}


def matches(wanted: Filter, attributes: Attributes) -> bool:
    """Return whether the attributes are as the filter wants them.

    Numbers are compared with numbers and strings with strings, by code points; a boolean is no
    number and has no order. What cannot be compared, or is not there, is unequal to everything.
    """
    match wanted:
        case AllOf():
            return all(matches(one, attributes) for one in wanted.filters)
        case AnyOf():
            return any(matches(one, attributes) for one in wanted.filters)
        case Equal() | OneOf():
            return _is_one_of(attributes.get(wanted.key), wanted.value)
        case NotEqual() | NoneOf():
            return not _is_one_of(attributes.get(wanted.key), wanted.value)
        case _:
            return _is_in_order(attributes.get(wanted.key), wanted)


def _is_one_of(present: object, value: Scalar | Scalars) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(_kind(present) == _kind(one) and present == one for one in values)


def _is_in_order(present: object, wanted: Greater | GreaterOrEqual | Less | LessOrEqual) -> bool:
    kind = _kind(present)
    if kind not in {str, float} or kind != _kind(wanted.value):
        return False
    return _ORDERS[type(wanted)](present, wanted.value)


def _kind(value: object) -> type:
    """Return the type that a value is compared as; all numbers are of one kind."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
