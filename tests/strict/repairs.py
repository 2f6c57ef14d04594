"""What the suites send that the hosted API would have refused too, and how each is put right.

A repair changes a request only, and only what a rule of the contract refuses or answers with what
the client's classes have no place for. Whatever is not named here reaches the server as the suite
wrote it, nonsense included. What of an answer is changed stands in translations.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .placeholders import Call, Ids, route_of, with_body, with_parameters

STORES = "/v1/vector_stores"
BATCHES = f"{STORES}/vector_store_id/file_batches"


@dataclass(frozen=True)
class Repair:
    """One named change to a request, the rule that makes it necessary, and the reason in words."""

    name: str
    rule: str
    why: str
    apply: Callable[[Call, Ids], Call]
    not_needed_by: tuple[str, ...] = ()
    """Versions whose suites send nothing of the kind."""


def repaired(call: Call, ids: Ids) -> tuple[Call, list[str]]:
    """Return the call that the contract accepts, and the names of the repairs that it took."""
    used: list[str] = []
    for repair in REPAIRS:
        before, call = call, repair.apply(call, ids)
        used += [repair.name] if call != before else []
    return call, used


def _limit_within_range(call: Call, _: Ids) -> Call:
    def limit(name: str, value: str) -> str:
        return "1" if (name, value) == ("limit", "0") else value

    return replace(call, query=with_parameters(call.query, limit))


def _name_the_pending_call(call: Call, ids: Ids) -> Call:
    def name_calls(body: Any) -> Any:
        if body.get("tool_outputs") == [{}]:
            return {**body, "tool_outputs": [{"tool_call_id": ids["tool_call_id"]}]}
        return body

    return with_body(call, name_calls)


def _one_source_of_stores(call: Call, _: Ids) -> Call:
    def drop_inline(search: dict[str, Any]) -> dict[str, Any]:
        if "vector_store_ids" in search:
            return {name: value for name, value in search.items() if name != "vector_stores"}
        return search

    return with_body(call, lambda body: _on_file_search(body, drop_inline))


def _true_checksum(call: Call, ids: Ids) -> Call:
    def checksum(body: Any) -> Any:
        return {**body, "md5": ids["part_md5"]} if body.get("md5") == "md5" else body

    return with_body(call, checksum)


def _a_name_for_a_store(call: Call, _: Ids) -> Call:
    if (call.method, call.path) != ("POST", STORES):
        return call
    return with_body(call, lambda body: {"name": "name", **body})


def _some_files_in_a_batch(call: Call, ids: Ids) -> Call:
    if route_of(call) != BATCHES or call.method != "POST":
        return call
    return with_body(call, lambda body: body or {"file_ids": [ids["file_id"]]})


def _one_source_of_files(call: Call, _: Ids) -> Call:
    def drop_ids(body: Any) -> Any:
        if "files" in body:
            return {name: value for name, value in body.items() if name != "file_ids"}
        return body

    return with_body(call, drop_ids)


def _on_file_search(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return the body with every tool_resources.file_search changed."""
    if not isinstance(value, dict):
        return value
    return {
        name: change(inner) if name == "file_search" else _on_file_search(inner, change)
        for name, inner in value.items()
    }


REPAIRS = (
    Repair(
        "limit-within-range",
        "LIST-02",
        "limit=0 is below the minimum of 1; 1 is asked for.",
        _limit_within_range,
    ),
    Repair(
        "name-the-pending-call",
        "RUN-41, ERR-55",
        "tool_outputs [{}] answers no call; the pending call's id is added, the output stays out.",
        _name_the_pending_call,
    ),
    Repair(
        "one-source-of-stores",
        "ASST-07",
        "vector_store_ids and vector_stores together are an error; the ids are kept.",
        _one_source_of_stores,
    ),
    Repair(
        "true-checksum",
        "UPL-02",
        "md5 is compared with the bytes; the word md5 is replaced by their checksum.",
        _true_checksum,
    ),
    Repair(
        "a-name-for-a-store",
        "VS-01",
        "The name of a nameless store is null on the wire and a string in the schema; it gets one.",
        _a_name_for_a_store,
    ),
    Repair(
        "some-files-in-a-batch",
        "VS-05",
        "A batch is made of file_ids or of files; where a body has neither, one id is added.",
        _some_files_in_a_batch,
        not_needed_by=("1.109.1",),
    ),
    Repair(
        "one-source-of-files",
        "VS-05",
        "A batch takes file_ids or files and not both; the files are kept.",
        _one_source_of_files,
        not_needed_by=("1.109.1",),
    ),
)
