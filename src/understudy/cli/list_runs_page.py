"""The List runs page of the v1 reference, as a list of the fields that it promised."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]
Types = tuple[type, ...]

_INTEGER: Types = (int,)
_NUMBER: Types = (int, float)
_TEXT: Types = (str,)
_TEXT_OR_NULL: Types = (str, type(None))
_NULL: Types = (type(None),)
_LIST: Types = (list,)
_OBJECT: Types = (dict,)

LIST_FIELDS: Mapping[str, Types] = {
    "object": _TEXT,
    "data": _LIST,
    "first_id": _TEXT,
    "last_id": _TEXT,
    "has_more": (bool,),
}
# What the page shows for a completed run that was given both token budgets.
RUN_FIELDS: Mapping[str, Types] = {
    "id": _TEXT,
    "object": _TEXT,
    "created_at": _INTEGER,
    "assistant_id": _TEXT,
    "thread_id": _TEXT,
    "status": _TEXT,
    "started_at": _INTEGER,
    "expires_at": _NULL,
    "cancelled_at": _NULL,
    "failed_at": _NULL,
    "completed_at": _INTEGER,
    "last_error": _NULL,
    "model": _TEXT,
    "instructions": _TEXT_OR_NULL,
    "incomplete_details": _NULL,
    "tools": _LIST,
    "file_ids": _LIST,
    "metadata": _OBJECT,
    "usage": _OBJECT,
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "max_prompt_tokens": _INTEGER,
    "max_completion_tokens": _INTEGER,
    "truncation_strategy": _OBJECT,
    "response_format": _TEXT,
    "tool_choice": _TEXT,
}
USAGE_FIELDS: Mapping[str, Types] = {
    "prompt_tokens": _INTEGER,
    "completion_tokens": _INTEGER,
    "total_tokens": _INTEGER,
}
TRUNCATION_FIELDS: Mapping[str, Types] = {"type": _TEXT, "last_messages": _NULL}


def departures(page: Json) -> Iterator[str]:
    """Yield a phrase for each field of the page that is missing or of another type."""
    yield from _differing("the list", page, LIST_FIELDS)
    for run in page.get("data") or ():
        where = f"run {run.get('id')}"
        yield from _differing(where, run, RUN_FIELDS)
        yield from _differing(f"usage of {where}", run.get("usage"), USAGE_FIELDS)
        strategy = run.get("truncation_strategy")
        yield from _differing(f"truncation_strategy of {where}", strategy, TRUNCATION_FIELDS)


def _differing(where: str, value: Any, fields: Mapping[str, Types]) -> Iterator[str]:
    given: Json = value if isinstance(value, Mapping) else {}
    for name, types in fields.items():
        if name not in given:
            yield f"{name} is missing in {where}"
        elif type(given[name]) not in types:
            yield f"{name} of {where} is {given[name]!r}"
