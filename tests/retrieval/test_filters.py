"""Filters by attributes: how they are read, and what they let through (VS-11)."""

from typing import Any

import msgspec
import pytest

from understudy.errors import InvalidRequest
from understudy.retrieval.filters import matches
from understudy.wire import validation
from understudy.wire.objects.vector_stores import Attributes
from understudy.wire.params.filters import FILTERS_MAX, Filter, check_filter

BOOK: Attributes = {"author": "Ada", "year": 1843, "price": 2.5, "rare": True}


class Body(msgspec.Struct, forbid_unknown_fields=True):
    filters: Filter | None = None


def parsed(sent: dict[str, Any]) -> Filter:
    found = check_filter(validation.decode(msgspec.json.encode({"filters": sent}), Body).filters)
    assert found is not None
    return found


def fits(type_: str, key: str, value: Any) -> bool:
    return matches(parsed({"type": type_, "key": key, "value": value}), BOOK)


def refusal(sent: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parsed(sent)
    return caught.value


@pytest.mark.parametrize(
    ("type_", "key", "value", "expected"),
    [
        ("eq", "author", "Ada", True),
        ("eq", "author", "ada", False),
        ("eq", "year", 1843.0, True),
        ("eq", "rare", True, True),
        ("ne", "author", "Bob", True),
        ("ne", "author", "Ada", False),
        ("gt", "year", 1842, True),
        ("gt", "year", 1843, False),
        ("gte", "year", 1843, True),
        ("gte", "year", 1844, False),
        ("lt", "price", 3, True),
        ("lt", "price", 2.5, False),
        ("lte", "price", 2.5, True),
        ("lte", "price", 2, False),
        ("gt", "author", "A", True),
        ("lt", "author", "Adb", True),
        ("in", "author", ["Bob", "Ada"], True),
        ("in", "author", ["Bob"], False),
        ("in", "year", [1843], True),
        ("in", "year", [], False),
        ("nin", "author", ["Bob"], True),
        ("nin", "author", ["Bob", "Ada"], False),
    ],
)
def test_comparisons(type_: str, key: str, value: Any, *, expected: bool) -> None:
    assert fits(type_, key, value) is expected


@pytest.mark.parametrize("type_", ["eq", "gt", "gte", "lt", "lte"])
def test_what_is_not_there_matches_no_comparison(type_: str) -> None:
    assert not fits(type_, "publisher", "x")
    assert not fits(type_, "publisher", 0)


def test_what_is_not_there_is_different_from_everything() -> None:
    assert fits("ne", "publisher", "x")
    assert fits("nin", "publisher", ["x"])
    assert not fits("in", "publisher", ["x"])


@pytest.mark.parametrize(("key", "value"), [("year", "1843"), ("author", 0), ("rare", 1)])
def test_values_of_different_types_are_neither_equal_nor_in_order(key: str, value: Any) -> None:
    """A boolean is no number."""
    for type_ in ("eq", "gt", "gte", "lt", "lte"):
        assert not fits(type_, key, value)
    assert fits("ne", key, value)


def test_a_boolean_has_no_order() -> None:
    assert not fits("gte", "rare", value=True)
    assert not fits("gt", "rare", value=False)


def test_compound_filters_nest() -> None:
    old = {"type": "lt", "key": "year", "value": 1900}
    bob = {"type": "eq", "key": "author", "value": "Bob"}
    rare = {"type": "eq", "key": "rare", "value": True}
    either = {"type": "or", "filters": [bob, rare]}
    assert matches(parsed({"type": "and", "filters": [old, either]}), BOOK)
    assert not matches(parsed({"type": "and", "filters": [old, bob]}), BOOK)
    assert not matches(parsed({"type": "or", "filters": [bob]}), BOOK)


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(levels - 1):
        inner = {"type": "and", "filters": [inner]}
    return inner


def test_filters_are_bounded_in_depth_and_number() -> None:
    assert parsed(nested(10))
    assert "nested too deeply" in refusal(nested(11)).message
    leaf = nested(1)
    wide = {"type": "or", "filters": [{"type": "or", "filters": [leaf] * 500}] * 3}
    assert f"at most {FILTERS_MAX}" in refusal(wide).message


@pytest.mark.parametrize(
    ("sent", "code", "param"),
    [
        ({"type": "like", "key": "a", "value": "b"}, "invalid_value", "filters.type"),
        ({"type": "eq", "value": "b"}, "missing_required_parameter", "filters.key"),
        ({"type": "eq", "key": "a"}, "missing_required_parameter", "filters.value"),
        ({"type": "eq", "key": "a", "value": ["b"]}, "invalid_type", "filters.value"),
        ({"type": "in", "key": "a", "value": "b"}, "invalid_type", "filters.value"),
        ({"type": "and", "filters": []}, "empty_array", "filters.filters"),
        ({"type": "eq", "key": "a", "value": 1, "x": 1}, "unknown_parameter", "filters.x"),
        (
            {"type": "or", "filters": [{"type": "gt", "key": 1, "value": 1}]},
            "invalid_type",
            "filters.filters[0].key",
        ),
    ],
)
def test_malformed_filters_are_refused(sent: Any, code: str, param: str) -> None:
    error = refusal(sent)
    assert (error.code, error.param) == (code, param)
