"""A small JSON value that a schema accepts, for upstreams that cannot think of a better one."""

import math
from typing import Any

# Required properties may refer back to their own schema, so that no finite value fits, and lengths
# may be absurd. Past these bounds parts are null or left out, and the value does not fit.
_DEPTH_MAX = 32
_PARTS_MAX = 2000
_LENGTH_MAX = 10_000

_LOW = ("minimum", "exclusiveMinimum")
_HIGH = ("maximum", "exclusiveMaximum")
_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "nobody@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def minimal_instance(schema: Any) -> Any:
    """Return a minimal value for the schema: its const, default or first enum value, if any.

    Required properties only; ``pattern``, ``not`` and ``if`` are not looked at.
    """
    return _Maker(schema).make(schema, 0)


class _Maker:
    """Makes values for the parts of one document."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = _PARTS_MAX

    def make(self, schema: Any, depth: int) -> Any:
        self._left -= 1
        if not isinstance(schema, dict) or depth > _DEPTH_MAX or self._left < 0:
            return None
        schema = self._plain(schema, depth)
        if "const" in schema:
            return schema["const"]
        if "default" in schema:
            return schema["default"]
        if schema.get("enum"):
            return schema["enum"][0]
        return self._of_type(_type_of(schema), schema, depth)

    def _plain(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """Return the schema with references followed, a branch chosen, and allOf merged."""
        for _ in range(_DEPTH_MAX):
            self._left -= 1
            if depth > _DEPTH_MAX or self._left < 0:
                break
            if "$ref" in schema:
                schema = _without(schema, "$ref") | self._target(schema["$ref"])
            elif "anyOf" in schema or "oneOf" in schema:
                key = "anyOf" if "anyOf" in schema else "oneOf"
                schema = _merged([_without(schema, key), _simplest(schema[key])])
            elif "allOf" in schema:
                parts = [self._plain(part, depth + 1) for part in schema["allOf"]]
                schema = _merged([_without(schema, "allOf"), *parts])
            else:
                break
        return schema

    def _target(self, reference: str) -> dict[str, Any]:
        node = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            node = node.get(key, {}) if isinstance(node, dict) else {}
        return node if isinstance(node, dict) else {}

    def _of_type(self, kind: str, schema: dict[str, Any], depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number":
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return False
            case "null":
                return None
            case _:
                return _string(schema)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        other = schema.get("additionalProperties")
        return {
            name: self.make(properties.get(name, other), depth + 1)
            for name in schema.get("required") or ()
        }

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems") or ()
        count = min(schema.get("minItems") or 0, max(self._left, 0))
        parts = [first[i] if i < len(first) else schema.get("items") for i in range(count)]
        return [self.make(part, depth + 1) for part in parts]


def _without(schema: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def _simplest(branches: list[Any]) -> Any:
    """Choose null where it is allowed, since optional recursive parts end with it."""
    return next((b for b in branches if b == {"type": "null"}), branches[0] if branches else {})


def _merged(parts: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, dict):
            continue
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged |= part
        merged |= {"properties": properties} if properties else {}
        merged |= {"required": list(dict.fromkeys(required))} if required else {}
    return merged


def _type_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return str(kind[0]) if kind else "string"
    if kind:
        return str(kind)
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _string(schema: dict[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), "")
    return text.ljust(min(schema.get("minLength") or 0, _LENGTH_MAX), "x")


def _number(schema: dict[str, Any], *, whole: bool) -> float:
    """Return the first that fits of: zero, the bounds, and numbers near and between them."""
    step = schema.get("multipleOf") or 1
    bounds = [schema[key] for key in (*_LOW, *_HIGH) if key in schema]
    near = [step * (math.floor(bound / step) + i) for bound in bounds for i in (-1, 0, 1, 2)]
    candidates = [0, *bounds, *near, sum(bounds) / max(len(bounds), 1)]
    return next((n for n in candidates if _fits(n, schema, whole=whole)), 0)


def _fits(number: float, schema: dict[str, Any], *, whole: bool) -> bool:
    return (
        number >= schema.get("minimum", number)
        and number <= schema.get("maximum", number)
        and number > schema.get("exclusiveMinimum", -math.inf)
        and number < schema.get("exclusiveMaximum", math.inf)
        and not (whole and number % 1)
        and not ("multipleOf" in schema and (number / schema["multipleOf"]) % 1)
    )
