"""Which literal of the generated suites stands for which real object.

The suites were generated to run on a mock that accepts any id, so they ask for a thread named
"thread_id" and a file named "string". Everything here is a plain function of its arguments: a call
as the suite sent it and the ids of real objects go in, the call with real ids comes out. Where
nothing is replaced the very bytes of the suite are kept.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Ids: TypeAlias = Mapping[str, str]
Scene: TypeAlias = Literal[
    "library",
    "fresh_assistant",
    "fresh_thread",
    "fresh_file",
    "downloadable_file",
    "pending_run",
    "pending_upload",
    "fresh_store",
    "fresh_store_file",
    "fresh_batch",
]

ID_AFTER_SEGMENT: Mapping[str, str] = {
    "assistants": "assistant_id",
    "threads": "thread_id",
    "messages": "message_id",
    "runs": "run_id",
    "steps": "step_id",
    "files": "file_id",
    "uploads": "upload_id",
    "vector_stores": "vector_store_id",
    "file_batches": "batch_id",
}
"""The segment of a path, and the kind of id that follows it."""

NOT_AN_ID = frozenset({"runs"})
"""Words that follow such a segment and are part of the route: /threads/runs."""

ID_FIELDS = frozenset({"assistant_id", "file_id", "tool_call_id"})
"""Body fields whose value is one id; the suites write the field's own name there."""

ID_LIST_FIELDS: Mapping[str, str] = {
    "file_ids": "file_id",
    "part_ids": "part_id",
    "vector_store_ids": "vector_store_id",
}
"""Body fields whose value is a list of ids; the suites write ["string"] there."""

CURSORS: Mapping[str, str] = {"after": "first", "before": "last"}
"""List cursors; the suites write the parameter's own name there."""

SCENES: Mapping[tuple[str, str], Scene] = {
    ("POST", "/v1/assistants/assistant_id"): "fresh_assistant",
    ("DELETE", "/v1/assistants/assistant_id"): "fresh_assistant",
    ("DELETE", "/v1/files/file_id"): "fresh_file",
    ("GET", "/v1/files/file_id/content"): "downloadable_file",
    ("POST", "/v1/threads/thread_id"): "fresh_thread",
    ("DELETE", "/v1/threads/thread_id"): "fresh_thread",
    ("POST", "/v1/threads/thread_id/messages"): "fresh_thread",
    ("DELETE", "/v1/threads/thread_id/messages/message_id"): "fresh_thread",
    ("POST", "/v1/threads/thread_id/runs"): "fresh_thread",
    ("POST", "/v1/threads/thread_id/runs/run_id/cancel"): "pending_run",
    ("POST", "/v1/threads/thread_id/runs/run_id/submit_tool_outputs"): "pending_run",
    ("POST", "/v1/uploads/upload_id/parts"): "pending_upload",
    ("POST", "/v1/uploads/upload_id/complete"): "pending_upload",
    ("POST", "/v1/uploads/upload_id/cancel"): "pending_upload",
    ("POST", "/v1/vector_stores/vector_store_id"): "fresh_store",
    ("DELETE", "/v1/vector_stores/vector_store_id"): "fresh_store",
    ("POST", "/v1/vector_stores/vector_store_id/files"): "fresh_store",
    ("POST", "/v1/vector_stores/vector_store_id/file_batches"): "fresh_store",
    ("POST", "/v1/vector_stores/vector_store_id/files/file_id"): "fresh_store_file",
    ("DELETE", "/v1/vector_stores/vector_store_id/files/file_id"): "fresh_store_file",
    ("POST", "/v1/vector_stores/vector_store_id/file_batches/batch_id/cancel"): "fresh_batch",
}
"""The objects that a route needs before it can be called; every other route takes the library."""


@dataclass(frozen=True)
class Call:
    """One request, each part exactly as it was sent."""

    method: str
    path: str
    query: str
    body: bytes


def without_form(call: Call) -> Call:
    """Return the call without a form for a body: forms hold no ids, and a random boundary."""
    return call if call.body.startswith(b"{") else replace(call, body=b"")


def scene_of(call: Call) -> Scene:
    """Return which objects must exist for the call to meet the state that it needs."""
    return SCENES.get((call.method, route_of(call)), "library")


def route_of(call: Call) -> str:
    """Return the path with every id segment replaced by the name of its kind."""
    return "/".join(kind or segment for segment, kind in _path_kinds(call.path))


def fill(call: Call, ids: Ids) -> Call:
    """Return the call with the ids of real objects in the place of the suite's literals."""
    path = "/".join(ids[kind] if kind else segment for segment, kind in _path_kinds(call.path))
    query = with_parameters(call.query, lambda name, value: _cursor(call, name, value, ids))
    return with_body(replace(call, path=path, query=query), lambda body: _filled(body, ids))


def with_parameters(query: str, change: Callable[[str, str], str]) -> str:
    """Return the query with changed values; a parameter that does not change keeps its bytes."""
    pairs = [pair.partition("=") for pair in query.split("&")]
    return "&".join(name + equals + change(name, value) for name, equals, value in pairs)


def with_body(call: Call, change: Callable[[Any], Any]) -> Call:
    """Return the call with a changed JSON body; one that does not change keeps its bytes."""
    if not call.body.startswith(b"{"):
        return call
    sent = json.loads(call.body)
    changed = change(sent)
    return call if changed == sent else replace(call, body=json.dumps(changed).encode())


def _path_kinds(path: str) -> list[tuple[str, str | None]]:
    """Return the segments of a path, each with the kind of id that it holds, if any."""
    segments = path.split("/")
    kinds = [None, *(ID_AFTER_SEGMENT.get(before) for before in segments)]
    return [
        (segment, None if segment in NOT_AN_ID else kind)
        for segment, kind in zip(segments, kinds, strict=False)
    ]


def _cursor(call: Call, name: str, value: str, ids: Ids) -> str:
    if name == "run_id":
        return ids["run_id"]
    if name in CURSORS:
        listed = call.path.rpartition("/")[2]
        return ids[f"{CURSORS[name]} of {listed}"]
    return value


def _filled(value: Any, ids: Ids) -> Any:
    if isinstance(value, dict):
        return {name: _field(name, inner, ids) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, ids) for inner in value]
    return value


def _field(name: str, value: Any, ids: Ids) -> Any:
    kind = ID_LIST_FIELDS.get(name)
    if name in ID_FIELDS:
        return ids[name]
    if kind is not None:
        return [ids[kind]] if kind in ids else value
    return _filled(value, ids)
