"""JSON schemas inside requests, which are kept as they are."""

from typing import Any

from understudy.errors import InvalidRequest

_LEVELS_MAX = 100


def check_depth(schema: dict[str, Any] | None, path: str) -> None:
    """Raise InvalidRequest for nesting that later readers of the schema might not survive."""
    level: list[Any] = [schema]
    for _ in range(_LEVELS_MAX):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise InvalidRequest(
        f"Invalid '{path}': nested too deeply. Expected at most {_LEVELS_MAX} levels.",
        param=path,
        code="invalid_value",
    )


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [each for each in value.values() if isinstance(each, dict | list)]
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict | list)]
    return []
