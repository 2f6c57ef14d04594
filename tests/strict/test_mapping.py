"""The shim's mapping, on every request that the suites send."""

import json
import re
from dataclasses import replace

import pytest

from .placeholders import Call, fill, route_of, scene_of
from .record import recorded_calls
from .repairs import REPAIRS, Repair, repaired
from .translations import TRANSLATIONS, Translation

IDS = {
    "assistant_id": "asst_1",
    "thread_id": "thread_1",
    "message_id": "msg_1",
    "run_id": "run_1",
    "step_id": "step_1",
    "file_id": "file-1",
    "tool_call_id": "call_1",
    "vector_store_id": "vs_1",
    "upload_id": "upload_1",
    "part_id": "part_1",
    "part_md5": "0123456789abcdef0123456789abcdef",
    "batch_id": "vsfb_1",
    **{
        f"{end} of {listed}": f"{end}-{listed}"
        for end in ("first", "last")
        for listed in ("assistants", "files", "messages", "runs", "steps", "vector_stores")
    },
}
CALLS = recorded_calls()
LITERAL_ID = re.compile(
    r"/(?:assistant|thread|message|run|step|file|vector_store|batch)_id\b|/string\b"
    r"|/(?:upload_|vs_|vsfb_|file-)abc123\b"
    r'|"(?:assistant_id|file_id|tool_call_id)": ?"(?:assistant_id|file_id|tool_call_id)"'
    r'|_ids": ?\["string"\]'
    r"|after=after|before=before|run_id=run_id"
)


def _text(call: Call) -> str:
    return f"{call.path}?{call.query} {call.body.decode()}"


def _call(method: str, path: str, query: str = "", body: object = None) -> Call:
    return Call(method, path, query, b"" if body is None else json.dumps(body).encode())


def _body(call: Call) -> dict[str, object]:
    return dict(json.loads(call.body))


def test_the_recording_holds_calls_with_literals() -> None:
    """The recording is not empty and shows the problem that the shim solves."""
    assert sum(bool(LITERAL_ID.search(_text(call))) for call in CALLS) > 30


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {route_of(call)}")
def test_no_literal_id_reaches_the_server(call: Call) -> None:
    """Every literal id of a recorded call is replaced, in the path, the query and the body."""
    real, _ = repaired(fill(call, IDS), IDS)
    assert not LITERAL_ID.search(_text(real))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {route_of(call)}")
def test_a_second_filling_changes_nothing(call: Call) -> None:
    """Filling and repairing is complete after one pass."""
    real, _ = repaired(fill(call, IDS), IDS)
    assert repaired(fill(real, IDS), IDS) == (real, [])


def test_a_call_without_literals_keeps_its_bytes() -> None:
    """The suite's own bytes go through when there is nothing to replace (odd spaces included)."""
    call = Call(
        "POST",
        "/v1/threads",
        "include%5B%5D=a%5B*%5D",
        b'{ "metadata" :{"foo":"string"}}',
    )
    assert repaired(fill(call, IDS), IDS) == (call, [])


def test_a_changed_query_keeps_the_other_parameters_bytes() -> None:
    """Only the cursor is replaced; the encoding of its neighbours stays as the client chose it."""
    sent = "after=after&include%5B%5D=x%5B*%5D&order=asc"
    call = fill(_call("GET", "/v1/threads/thread_id/runs", sent), IDS)
    assert call.query == "after=first of runs&include%5B%5D=x%5B*%5D&order=asc".replace(
        "first of runs", "first-runs"
    )


def test_create_thread_and_run_is_no_thread_named_runs() -> None:
    """/threads/runs is a route of its own (RUN-21)."""
    assert fill(_call("POST", "/v1/threads/runs", "", {}), IDS).path == "/v1/threads/runs"


def test_a_file_named_string_is_a_file() -> None:
    """Older suites write "string" where newer ones write "file_id"."""
    call = _call("GET", "/v1/files/string/content")
    assert fill(call, IDS).path == "/v1/files/file-1/content"
    assert scene_of(call) == "downloadable_file"


@pytest.mark.parametrize(
    ("method", "path", "scene"),
    [
        ("GET", "/v1/threads/thread_id/runs/run_id", "library"),
        ("POST", "/v1/threads/thread_id/runs/run_id", "library"),
        ("POST", "/v1/threads/thread_id/runs/run_id/cancel", "pending_run"),
        (
            "POST",
            "/v1/threads/thread_id/runs/run_id/submit_tool_outputs",
            "pending_run",
        ),
        ("POST", "/v1/threads/thread_id/runs", "fresh_thread"),
        ("POST", "/v1/threads/thread_id/messages", "fresh_thread"),
        ("DELETE", "/v1/threads/thread_id/messages/message_id", "fresh_thread"),
        ("DELETE", "/v1/assistants/assistant_id", "fresh_assistant"),
        ("DELETE", "/v1/files/file_id", "fresh_file"),
        ("POST", "/v1/uploads", "library"),
        ("POST", "/v1/uploads/upload_abc123/parts", "pending_upload"),
        ("GET", "/v1/vector_stores/vs_abc123/files/file-abc123/content", "library"),
        ("POST", "/v1/vector_stores/vs_abc123/search", "library"),
        ("POST", "/v1/vector_stores/vs_abc123/files", "fresh_store"),
        ("DELETE", "/v1/vector_stores/vector_store_id/files/file_id", "fresh_store_file"),
        ("POST", "/v1/vector_stores/vs_abc123/file_batches/b/cancel", "fresh_batch"),
    ],
)
def test_each_route_gets_objects_in_the_state_it_needs(method: str, path: str, scene: str) -> None:
    """Cancel and submit get a pending run (RUN-42, ERR-52), writes an unlocked thread (ERR-50)."""
    assert scene_of(_call(method, path)) == scene


def test_limit_zero_is_raised_to_one() -> None:
    """LIST-02: limit is at least 1."""
    real, used = repaired(_call("GET", "/v1/assistants", "limit=0&order=asc"), IDS)
    assert (real.query, used) == ("limit=1&order=asc", ["limit-within-range"])


def test_an_empty_tool_output_gets_the_pending_call_and_no_output() -> None:
    """RUN-41: the id is needed, the output may be missing."""
    call = _call("POST", "/v1/x", "", {"tool_outputs": [{}], "stream": True})
    real, used = repaired(call, IDS)
    assert _body(real) == {"tool_outputs": [{"tool_call_id": "call_1"}], "stream": True}
    assert used == ["name-the-pending-call"]


def test_two_sources_of_stores_become_one() -> None:
    """ASST-07: vector_store_ids and vector_stores together are refused, at any depth."""
    search = {"vector_store_ids": ["vs_1"], "vector_stores": [{}]}
    call = _call("POST", "/v1/x", "", {"thread": {"tool_resources": {"file_search": search}}})
    real, used = repaired(call, IDS)
    expected = {"thread": {"tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}}}
    assert (_body(real), used) == (expected, ["one-source-of-stores"])


def test_a_store_gets_a_name() -> None:
    """VS-01: a nameless store has the name null, and the classes of the suites want a string."""
    real, used = repaired(_call("POST", "/v1/vector_stores", "", {}), IDS)
    assert (_body(real), used) == ({"name": "name"}, ["a-name-for-a-store"])
    named = _call("POST", "/v1/vector_stores", "", {"name": "mine"})
    assert repaired(named, IDS) == (named, [])


def test_a_batch_of_nothing_gets_a_file() -> None:
    """VS-05: newer suites send a batch without file_ids and without files."""
    path = "/v1/vector_stores/vs_1/file_batches"
    real, used = repaired(_call("POST", path, "", {}), IDS)
    assert (_body(real), used) == ({"file_ids": ["file-1"]}, ["some-files-in-a-batch"])


def test_two_sources_of_files_become_one() -> None:
    """VS-05: file_ids and files together are refused."""
    body = {"file_ids": ["file-1"], "files": [{"file_id": "file-1"}]}
    path = "/v1/vector_stores/vs_1/file_batches"
    real, used = repaired(_call("POST", path, "", body), IDS)
    assert (_body(real), used) == ({"files": body["files"]}, ["one-source-of-files"])


def test_every_repair_is_needed_by_some_recorded_call() -> None:
    """No repair outlives what it was made for."""
    used = {name for call in CALLS for name in repaired(fill(call, IDS), IDS)[1]}
    assert used == {repair.name for repair in REPAIRS}


def test_every_repair_cites_a_rule() -> None:
    """Nothing is changed without a rule of the contract that asks for it."""
    named: list[Repair | Translation] = [*REPAIRS, *TRANSLATIONS]
    assert all(re.match(r"[A-Z]+-\w+", one.rule) and one.why for one in named)


def test_filling_leaves_the_method_alone() -> None:
    """The shim never turns one operation into another."""
    assert all(fill(call, IDS) == replace(fill(call, IDS), method=call.method) for call in CALLS)
