"""The three seed documents, as section 16 of the contract resolves them (D-01 to D-21).

Two describe ``Create run`` and one ``List runs``, all of v1. The requests are made in the seeds'
own form, with raw bytes and the headers that the pages show.
"""

import json
from typing import Any

import pytest

from .client import JSON, Client, Error
from .conftest import House
from .puppet import on_stage

# The fields of the answers on both v1 pages (seeds 000 and 002), in their order.
SEED_FIELDS = (
    *("id", "object", "created_at", "assistant_id", "thread_id", "status", "started_at"),
    *("expires_at", "cancelled_at", "failed_at", "completed_at", "last_error", "model"),
    *("instructions", "incomplete_details", "tools", "file_ids", "metadata", "usage"),
    *("temperature", "top_p", "max_prompt_tokens", "max_completion_tokens"),
    *("truncation_strategy", "response_format", "tool_choice"),
)
JSON_TYPE = {"Content-Type": "application/json"}


async def test_create_run_as_seed_000_shows_it(v1: Client) -> None:
    """D-03, D-04, D-08 to D-12: only the assistant is sent, and every field comes back."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    body = b'{\n"assistant_id": "%b"\n}' % assistant["id"].encode()
    answer = await v1.send("POST", f"/threads/{thread['id']}/runs", body, headers=JSON_TYPE)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    run = answer.json
    assert set(SEED_FIELDS) <= set(run)
    assert set(run) - set(SEED_FIELDS) == {"required_action"}  # D-10
    assert run["required_action"] is None
    # D-04: a queued run has neither started nor completed, whatever the sample says.
    assert (run["status"], run["started_at"], run["completed_at"]) == ("queued", None, None)
    assert run["expires_at"] == run["created_at"] + 600
    # D-03, D-06, D-08: null until there is something.
    for name in ("cancelled_at", "failed_at", "last_error", "instructions", "usage"):
        assert run[name] is None
    assert (run["max_prompt_tokens"], run["max_completion_tokens"]) == (None, None)
    assert run["truncation_strategy"] == {"type": "auto", "last_messages": None}
    assert (run["response_format"], run["tool_choice"]) == ("auto", "auto")  # D-09
    assert b'"temperature":1.0,"top_p":1.0' in answer.body  # D-07, GEN-04


async def test_create_run_as_seed_001_shows_it(v1: Client) -> None:
    """D-01, D-12, D-17, D-18: thread_id in the body too, with all fields that the page lists."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    tools = [
        {"type": "code_interpreter"},
        {"type": "retrieval"},
        {
            "type": "function",
            "function": {"name": "f", "description": "Does f.", "parameters": {"type": "object"}},
        },
    ]
    run = await v1.post(
        f"/threads/{thread['id']}/runs",
        {
            "thread_id": thread["id"],
            "assistant_id": assistant["id"],
            "model": "scripted",
            "instructions": "Be brief.",
            "additional_instructions": "And kind.",
            "tools": tools,
            "metadata": {"a": "b"},
        },
    )
    assert (run["model"], run["instructions"]) == ("scripted", "Be brief.\nAnd kind.")
    assert (run["tools"], run["metadata"]) == (tools, {"a": "b"})


async def test_create_run_with_nullable_fields_of_seed_001(v1: Client) -> None:
    """D-12, RUN-29: the page calls them nullable."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    names = ("model", "instructions", "additional_instructions", "tools", "metadata")
    body = {"assistant_id": assistant["id"], **dict.fromkeys(names)}
    run = await v1.post(f"/threads/{thread['id']}/runs", body)
    assert (run["model"], run["metadata"]) == ("scripted", {})


async def test_thread_id_in_the_body_has_to_be_that_of_the_path(either: Client) -> None:
    """D-01, THR-06: accepted when equal, unknown otherwise."""
    assistant, thread = await either.assistant(), await either.thread("Hello")
    body = {"assistant_id": assistant["id"], "thread_id": "thread_other"}
    error = await either.refused("POST", f"/threads/{thread['id']}/runs", body)
    message = "Unknown parameter: 'thread_id'."
    assert error == Error(400, message, param="thread_id", code="unknown_parameter")
    body["thread_id"] = thread["id"]
    assert await either.post(f"/threads/{thread['id']}/runs", body)


async def test_a_run_may_have_as_many_tools_as_an_assistant(either: Client) -> None:
    """D-02: 128, inherited or given; one more is refused (ERR-27)."""
    tools = [{"type": "function", "function": {"name": f"f{n}"}} for n in range(129)]
    assistant = await either.assistant(tools=tools[:128])
    thread = await either.thread("Hello")
    path = f"/threads/{thread['id']}/runs"
    body: JSON = {"assistant_id": assistant["id"]}
    error = await either.refused("POST", path, {**body, "tools": tools})
    assert (error.status, error.param, error.code) == (400, "tools", "array_above_max_length")
    run = await either.settled(await either.post(path, body))
    assert len(run["tools"]) == 128
    run = await either.post(path, {**body, "tools": tools[:128]})
    assert len(run["tools"]) == 128


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.7),
        ("top_p", 0),
        ("max_prompt_tokens", 1000),
        ("max_completion_tokens", 1000),
        ("truncation_strategy", {"type": "last_messages", "last_messages": 3}),
        ("response_format", {"type": "json_object"}),
        ("tool_choice", "none"),
    ],
)
async def test_fields_that_only_the_later_schema_lists(v1: Client, field: str, value: Any) -> None:
    """D-07, D-08, D-09, D-12: the union of what the documents of the era allow."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    run = await v1.run(thread["id"], assistant["id"], **{field: value})
    assert run[field] == value


async def test_additional_messages_and_streams_in_v1(v1: Client) -> None:
    """D-12: SPEC1 has them, the seeds do not."""
    assistant, thread = await v1.assistant(), await v1.thread()
    body = {
        "assistant_id": assistant["id"],
        "additional_messages": [{"role": "user", "content": "Hi"}],
    }
    events = await v1.events(f"/threads/{thread['id']}/runs", body)
    assert [event.name for event in events][-2:] == ["thread.run.completed", "done"]


async def test_list_runs_as_seed_002_shows_it(v1: Client, house: House) -> None:
    """D-05, D-06, D-13, D-14: a GET with a Content-Type and an empty body, in v1."""
    stage = await on_stage(house, "v1")
    made = []
    for tokens in (1, 2):
        run, call = await stage.begin()
        call.say("x")
        call.end(123 * tokens, 456 * tokens)
        made.append(await v1.settled(run))
    answer = await v1.send("GET", f"{stage.path}/runs", b"", headers=JSON_TYPE)
    assert answer.status == 200
    page = answer.json
    assert list(page) == ["object", "data", "first_id", "last_id", "has_more"]
    assert page == {
        "object": "list",
        "data": made[::-1],
        "first_id": made[1]["id"],
        "last_id": made[0]["id"],
        "has_more": False,
    }
    for run in page["data"]:
        assert set(SEED_FIELDS) <= set(run)
        assert (run["status"], run["expires_at"]) == ("completed", None)  # D-05
        assert run["completed_at"] >= run["started_at"] >= run["created_at"]
    assert page["data"][1]["usage"] == {
        "prompt_tokens": 123,
        "completion_tokens": 456,
        "total_tokens": 579,
    }


async def test_list_runs_of_an_empty_thread(v1: Client) -> None:
    """LIST-01: the ids are null, though the seed calls them strings."""
    thread = await v1.thread()
    assert await v1.get(f"/threads/{thread['id']}/runs", headers=JSON_TYPE) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_beta_header_is_required(house: House, v1: Client, method: str) -> None:
    """D-15, ERR-10: as the later pages say, against the older one."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    body = json.dumps({"assistant_id": assistant["id"]}).encode() if method == "POST" else b""
    error = await house.client(None).refused(method, f"/threads/{thread['id']}/runs", body)
    assert (error.status, error.param, error.code) == (400, None, "invalid_beta")
    assert error.message.startswith(
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. "
        "Please try again by setting the header 'OpenAI-Beta: assistants=v"
    )


async def test_a_null_body_is_no_body(v1: Client) -> None:
    """D-16: the page of seed 001 renders the body as null, which nobody meant."""
    thread = await v1.thread("Hello")
    error = await v1.refused("POST", f"/threads/{thread['id']}/runs", b"null")
    assert error.status == 400


async def test_a_default_version_can_be_configured(build: Any) -> None:
    """D-15: for the callers of seed 001, who send no header."""
    house = await build(default_beta="v1")
    bare = house.client(None)
    assistant, thread = await bare.assistant(), await bare.thread("Hello")
    run = await bare.run(thread["id"], assistant["id"])
    assert "file_ids" in run


async def test_any_model_name_is_a_string(build: Any) -> None:
    """D-21: gpt-4-turbo of the samples is mapped to what is configured."""
    house = await build(aliases={"gpt-4-turbo": "scripted"})
    v1 = house.client("v1")
    assistant, thread = await v1.assistant(model="gpt-4-turbo"), await v1.thread("Hello")
    run = await v1.settled(await v1.run(thread["id"], assistant["id"]))
    assert (run["model"], run["status"]) == ("gpt-4-turbo", "completed")
