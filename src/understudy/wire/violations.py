"""What is wrong with a request, in the words of the hosted API (ERR-20 to ERR-29).

msgspec decodes a request in a few microseconds but describes a refusal in words of its own. So
only a refused request comes here: ``first_violation`` walks the untyped JSON beside the type and
raises the first thing that it finds, known keys in the order of the fields and unknown keys last
(ERR-05).
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from math import inf
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import inspect

from understudy.errors import InvalidRequest

_SHOWN_CHARACTERS_MAX = 200
_GUESSED_CHARACTERS_MAX = 64


def missing(path: str) -> InvalidRequest:
    """Say that a required parameter is not there (ERR-20)."""
    return InvalidRequest(
        f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter"
    )


def unknown(path: str, near: str | None = None) -> InvalidRequest:
    """Say that nobody knows a parameter, and which one may have been meant (ERR-21)."""
    guess = f" Did you mean '{near}'?" if near else ""
    return InvalidRequest(
        f"Unknown parameter: '{_shown(path)}'.{guess}",
        param=_shown(path),
        code="unknown_parameter",
    )


def wrong_type(path: str, expected: Sequence[str], got: str) -> InvalidRequest:
    """Say that a value has another JSON type than the expected ones (ERR-22)."""
    where = f" for '{_shown(path)}'" if path else ""
    one = expected[0] if len(expected) == 1 else f"one of {_listed(expected, 'or', oxford=False)}"
    return InvalidRequest(
        f"Invalid type{where}: expected {one}, but got {got} instead.",
        param=_shown(path) or None,
        code="invalid_type",
    )


def unsupported(path: str, value: str, supported: Sequence[str]) -> InvalidRequest:
    """Say that a value is not one of a closed set (ERR-23)."""
    values = _listed([f"'{each}'" for each in supported], "and")
    return InvalidRequest(
        f"Invalid value: '{_shown(value)}'. Supported values are: {values}.",
        param=path,
        code="invalid_value",
    )


def wrong_prefix(path: str, value: str, prefix: str) -> InvalidRequest:
    """Say that an id is not of the expected kind (ERR-24)."""
    return InvalidRequest(
        f"Invalid '{path}': '{_shown(value)}'. Expected an ID that begins with '{prefix}'.",
        param=path,
        code="invalid_value",
    )


def wrong_id_characters(path: str, value: str) -> InvalidRequest:
    """Say that an id holds characters that no id has (ERR-25)."""
    return InvalidRequest(
        f"Invalid '{path}': '{_shown(value)}'. Expected an ID that contains letters, numbers,"
        " underscores, or dashes, but this value contained additional characters.",
        param=path,
        code="invalid_value",
    )


def string_too_long(path: str, maximum: int, length: int) -> InvalidRequest:
    """Say that a string is too long (ERR-26)."""
    return InvalidRequest(
        f"Invalid '{_shown(path)}': string too long. Expected a string with maximum length"
        f" {maximum}, but got a string with length {length} instead.",
        param=_shown(path),
        code="string_above_max_length",
    )


def string_too_short(path: str, minimum: int, length: int) -> InvalidRequest:
    """Say that a string is too short (ERR-26)."""
    return InvalidRequest(
        f"Invalid '{path}': string too short. Expected a string with minimum length"
        f" {minimum}, but got a string with length {length} instead.",
        param=path,
        code="string_below_min_length",
    )


def wrong_pattern(path: str, pattern: str) -> InvalidRequest:
    """Say that a string does not have the expected form."""
    return InvalidRequest(
        f"Invalid '{path}': string does not match pattern. Expected a string that matches the"
        f" pattern '{pattern}'.",
        param=path,
        code="invalid_value",
    )


def array_too_long(path: str, maximum: int, length: int) -> InvalidRequest:
    """Say that an array is too long (ERR-27)."""
    return InvalidRequest(
        f"Invalid '{path}': array too long. Expected an array with maximum length {maximum},"
        f" but got an array with length {length} instead.",
        param=path,
        code="array_above_max_length",
    )


def empty_array(path: str, minimum: int) -> InvalidRequest:
    """Say that an array has no entries but needs some."""
    return InvalidRequest(
        f"Invalid '{path}': empty array. Expected an array with minimum length {minimum}, but got"
        " an empty array instead.",
        param=path,
        code="empty_array",
    )


def too_many_properties(path: str, maximum: int, count: int) -> InvalidRequest:
    """Say that an object has too many keys (ERR-28)."""
    return InvalidRequest(
        f"Invalid '{path}': too many properties. Expected an object with at most {maximum}"
        f" properties, but got an object with {count} properties instead.",
        param=path,
        code="object_above_max_properties",
    )


def above_maximum(
    path: str, maximum: float, got: float, kind: Literal["integer", "decimal"] = "integer"
) -> InvalidRequest:
    """Say that a number is too large (ERR-29)."""
    return InvalidRequest(
        f"Invalid '{path}': {kind} above maximum value. Expected a value <= {maximum}, but got"
        f" {_shown(str(got))} instead.",
        param=path,
        code=f"{kind}_above_max_value",
    )


def below_minimum(
    path: str, minimum: float, got: float, kind: Literal["integer", "decimal"] = "integer"
) -> InvalidRequest:
    """Say that a number is too small (ERR-29)."""
    return InvalidRequest(
        f"Invalid '{path}': {kind} below minimum value. Expected a value >= {minimum}, but got"
        f" {_shown(str(got))} instead.",
        param=path,
        code=f"{kind}_below_min_value",
    )


def _shown(text: str) -> str:
    """Return the text, cut short if a client sent something enormous."""
    if len(text) <= _SHOWN_CHARACTERS_MAX:
        return text
    return text[:_SHOWN_CHARACTERS_MAX] + "..."


def _listed(words: Sequence[str], conjunction: Literal["and", "or"], *, oxford: bool = True) -> str:
    """Join words as in 'a', 'b', and 'c'."""
    *firsts, last = words
    if not firsts:
        return last
    comma = "," if oxford and len(firsts) > 1 else ""
    return f"{', '.join(firsts)}{comma} {conjunction} {last}"


def first_violation(raw: object, type_: type[Any]) -> None:
    """Raise the first violation of the type that the decoded JSON holds, if there is one."""
    _Walk().visit(raw, inspect.type_info(type_), "")


class _Walk:
    """One walk over a value and its type, side by side."""

    def __init__(self) -> None:
        # msgspec sorts the values of a Literal; clients were told them in the declared order.
        self._declared: dict[frozenset[object], Sequence[str]] = {}

    def visit(self, value: object, type_: inspect.Type, path: str) -> None:
        members = type_.types if isinstance(type_, inspect.UnionType) else (type_,)
        fitting = [member for member in members if _admits(member, value)]
        if not fitting:
            raise wrong_type(path, _names(members), _name_of(value))
        if isinstance(value, dict):
            self._visit_object(value, fitting, path)
        elif isinstance(value, list):
            self._visit_array(value, fitting[0], path)
        elif isinstance(value, str):
            self._visit_string(value, fitting[0], path)
        elif isinstance(value, int | float):
            _visit_number(value, fitting[0], path)

    def _visit_object(
        self, value: dict[str, object], fitting: Sequence[inspect.Type], path: str
    ) -> None:
        structs = [member for member in fitting if isinstance(member, inspect.StructType)]
        if structs:
            self._visit_struct(value, _tagged(value, structs, path), path)
        elif isinstance(fitting[0], inspect.DictType):
            self._visit_mapping(value, fitting[0], path)

    def _visit_struct(self, value: dict[str, object], type_: inspect.StructType, path: str) -> None:
        self._learn_literals(type_.cls)
        for field in type_.fields:
            at = _child(path, field.encode_name)
            if field.encode_name in value:
                self.visit(value[field.encode_name], field.type, at)
            elif field.required:
                raise missing(at)
        if type_.forbid_unknown_fields:
            _refuse_unknown(value, type_, path)

    def _visit_mapping(self, value: dict[str, object], type_: inspect.DictType, path: str) -> None:
        if type_.max_length is not None and len(value) > type_.max_length:
            raise too_many_properties(path, type_.max_length, len(value))
        for key, each in value.items():
            self.visit(key, type_.key_type, path)
            self.visit(each, type_.value_type, _child(path, key))

    def _visit_array(self, value: list[object], type_: inspect.Type, path: str) -> None:
        if not isinstance(type_, inspect.ListType):
            return
        if type_.min_length is not None and len(value) < type_.min_length:
            raise empty_array(path, type_.min_length)
        if type_.max_length is not None and len(value) > type_.max_length:
            raise array_too_long(path, type_.max_length, len(value))
        for index, each in enumerate(value):
            self.visit(each, type_.item_type, f"{path}[{index}]")

    def _visit_string(self, value: str, type_: inspect.Type, path: str) -> None:
        if isinstance(type_, inspect.LiteralType) and value not in type_.values:
            values = [str(each) for each in type_.values]
            raise unsupported(path, value, self._declared.get(frozenset(values), values))
        if not isinstance(type_, inspect.StrType):
            return
        if type_.min_length is not None and len(value) < type_.min_length:
            raise string_too_short(path, type_.min_length, len(value))
        if type_.max_length is not None and len(value) > type_.max_length:
            raise string_too_long(path, type_.max_length, len(value))
        if type_.pattern is not None and not re.search(type_.pattern, value):
            raise wrong_pattern(path, type_.pattern)

    def _learn_literals(self, struct: type[Any]) -> None:
        for hint in get_type_hints(struct).values():
            for values in _literals(hint):
                self._declared[frozenset(values)] = values


def _literals(hint: object) -> Iterator[tuple[str, ...]]:
    """Yield the values of every Literal in a type hint, in their declared order."""
    if get_origin(hint) is Literal:
        yield get_args(hint)
        return
    for part in get_args(hint):
        yield from _literals(part)


def _tagged(
    value: dict[str, object], structs: Sequence[inspect.StructType], path: str
) -> inspect.StructType:
    """Return the struct that the value's tag names."""
    tag_field = structs[0].tag_field
    if tag_field is None:
        return structs[0]
    at = _child(path, tag_field)
    if tag_field not in value:
        raise missing(at)
    tag = value[tag_field]
    if not isinstance(tag, str):
        raise wrong_type(at, ["a string"], _name_of(tag))
    for struct in structs:
        if struct.tag == tag:
            return struct
    raise unsupported(at, tag, [str(struct.tag) for struct in structs])


def _refuse_unknown(value: dict[str, object], type_: inspect.StructType, path: str) -> None:
    known = {field.encode_name: field.type for field in type_.fields}
    # A field that takes anything is only tolerated (D-01), so nobody is advised to use it.
    wanted = [key for key, each in known.items() if not isinstance(each, inspect.AnyType)]
    for key in value:
        if key not in known and key != type_.tag_field:
            raise unknown(_child(path, key), _near(key, wanted))


def _near(key: str, known: Iterable[str]) -> str | None:
    # The comparison takes quadratic time, so an enormous key gets no guess.
    if len(key) > _GUESSED_CHARACTERS_MAX:
        return None
    return next(iter(get_close_matches(key, known, n=1, cutoff=0.7)), None)


def _visit_number(value: float, type_: inspect.Type, path: str) -> None:
    kind: Literal["integer", "decimal"]
    if isinstance(type_, inspect.IntType):
        kind = "integer"
    elif isinstance(type_, inspect.FloatType):
        kind = "decimal"
    else:
        return
    if type_.ge is not None and value < type_.ge:
        raise below_minimum(path, type_.ge, value, kind)
    if type_.le is not None and value > type_.le:
        raise above_maximum(path, type_.le, value, kind)
    if value == inf:
        raise above_maximum(path, sys.float_info.max, value, kind)
    if value == -inf:
        raise below_minimum(path, -sys.float_info.max, value, kind)


# What the JSON values of a Python type, and the types of a parameter, are called in ERR-22. A
# parameter that is a decimal takes integers too.
_NAMES_OF_VALUES = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_NAMES_OF_TYPES: dict[type[inspect.Type], tuple[str, ...]] = {
    inspect.NoneType: ("null",),
    inspect.BoolType: ("a boolean",),
    inspect.IntType: ("an integer",),
    inspect.FloatType: ("a decimal", "an integer"),
    inspect.StrType: ("a string",),
    inspect.LiteralType: ("a string",),
    inspect.ListType: ("an array",),
    inspect.DictType: ("an object",),
    inspect.StructType: ("an object",),
}


def _admits(type_: inspect.Type, value: object) -> bool:
    """Tell whether the value has a JSON type that the parameter takes; Any takes all of them."""
    names = _NAMES_OF_TYPES.get(type(type_))
    return names is None or _name_of(value) in names


def _names(types: Iterable[inspect.Type]) -> list[str]:
    """Return what the types are called in ERR-22, each once; null goes without saying."""
    names = (_NAMES_OF_TYPES[type(each)][0] for each in types)
    return list(dict.fromkeys(name for name in names if name != "null"))


def _name_of(value: object) -> str:
    return _NAMES_OF_VALUES[type(value)]


def _child(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
