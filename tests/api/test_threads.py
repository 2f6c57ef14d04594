"""Threads (contract section 7)."""

import asyncio
import json
from typing import Any

import pytest

from .client import JSON, Client, Error
from .conftest import Build, House

USER = {"role": "user", "content": "hello"}
HANGS = "rules: [{hang: true}]"
KEYS: dict[str, list[str]] = {
    "v1": ["id", "object", "created_at", "metadata"],
    "v2": ["id", "object", "created_at", "metadata", "tool_resources"],
}


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_the_wire_has_the_recorded_keys_in_their_order(house: House, era: Any) -> None:
    """THR-01, GEN-05: tool_resources is last, and only in v2."""
    client = house.client(era)
    made = await client.thread("hello", metadata={"a": "b"})
    path = f"/threads/{made['id']}"
    for shown in (made, await client.get(path), await client.post(path, {})):
        assert list(shown) == KEYS[era]
        assert shown == made
    assert (made["object"], made["metadata"]) == ("thread", {"a": "b"})


async def test_tool_resources_have_one_form(v2: Client) -> None:
    """THR-02: {} when nothing is attached, in POST, GET and the stream alike."""
    made = await v2.thread()
    path = f"/threads/{made['id']}"
    modified = await v2.post(path, {"metadata": {}})
    shown = (made, await v2.get(path), modified)
    assert [one["tool_resources"] for one in shown] == [{}, {}, {}]
    assistant = await v2.assistant()
    body = {"assistant_id": assistant["id"], "thread": {"messages": [USER]}}
    events = await v2.events("/threads/runs", body)
    assert events[0].name == "thread.created"
    assert events[0].data == await v2.get(f"/threads/{events[0].data['id']}")
    assert events[0].data["tool_resources"] == {}


async def test_messages_come_with_the_thread_in_order(either: Client) -> None:
    """THR-03: one second, their order kept; the response does not include them."""
    answer = {"role": "assistant", "content": "hi", "metadata": {"k": "v"}}
    made = await either.post("/threads", {"messages": [USER, answer, USER]})
    assert "messages" not in made
    messages = await either.listed(f"/threads/{made['id']}/messages?order=asc")
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    assert messages[1]["metadata"] == {"k": "v"}
    assert {one["created_at"] for one in messages} == {made["created_at"]}


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"metadata": None}, {"metadata": {}}])
async def test_everything_is_optional(either: Client, body: JSON) -> None:
    """THR-03: no messages and [] are both accepted."""
    made = await either.post("/threads", body)
    assert made["metadata"] == {}
    assert await either.listed(f"/threads/{made['id']}/messages") == []


async def test_a_thread_keeps_its_files(v2: Client) -> None:
    """THR-03, THR-04: tool_resources are stored at creation and replaced by a modification."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    first = {"code_interpreter": {"file_ids": [one["id"]]}}
    made = await v2.thread(tool_resources=first)
    assert made["tool_resources"] == first
    path = f"/threads/{made['id']}"
    second = {"code_interpreter": {"file_ids": [two["id"]]}}
    assert (await v2.post(path, {"tool_resources": second}))["tool_resources"] == second
    assert (await v2.post(path, {"metadata": {"a": "b"}}))["tool_resources"] == second
    assert (await v2.get(path))["metadata"] == {"a": "b"}


async def test_v1_modifies_metadata_only(v1: Client) -> None:
    """THR-04, ERR-21: tool_resources are unknown to v1."""
    made = await v1.thread(metadata={"a": "1"})
    path = f"/threads/{made['id']}"
    assert (await v1.post(path, {"metadata": {"b": "2"}}))["metadata"] == {"b": "2"}
    error = await v1.refused("POST", path, {"tool_resources": {}})
    assert (error.status, error.param, error.code) == (400, "tool_resources", "unknown_parameter")
    assert (await v1.refused("POST", path, {"messages": []})).param == "messages"


@pytest.mark.parametrize(("era", "value"), [("v1", "True"), ("v2", None)])
async def test_v1_turns_scalars_of_metadata_into_text(
    house: House, era: Any, value: str | None
) -> None:
    """THR-04 (D-18): v1 writes them as Python does, v2 refuses them."""
    client = house.client(era)
    if value is None:
        error = await client.refused("POST", "/threads", {"metadata": {"a": True}})
        text = "Invalid type for 'metadata.a': expected a string, but got a boolean instead."
        assert error == Error(400, text, param="metadata.a", code="invalid_type")
    else:
        made = await client.post("/threads", {"metadata": {"a": True, "b": 1, "c": 0.5}})
        assert made["metadata"] == {"a": value, "b": "1", "c": "0.5"}


async def test_a_deleted_thread_takes_everything_with_it(either: Client) -> None:
    """THR-05: the answer to a delete; then messages, runs and steps are 404; twice is 404."""
    run = await either.turn("hello")
    thread_id, path = run["thread_id"], f"/threads/{run['thread_id']}"
    (message, _) = await either.listed(f"{path}/messages?order=asc")
    (step,) = await either.listed(f"{path}/runs/{run['id']}/steps")
    gone = {"id": thread_id, "object": "thread.deleted", "deleted": True}
    answer = await either.send("DELETE", path)
    assert (answer.status, json.dumps(answer.json)) == (200, json.dumps(gone))
    not_found = Error(404, f"No thread found with id '{thread_id}'.")
    for below in (
        "",
        "/messages",
        f"/messages/{message['id']}",
        "/runs",
        f"/runs/{run['id']}",
        f"/runs/{run['id']}/steps",
        f"/runs/{run['id']}/steps/{step['id']}",
    ):
        assert await either.refused("GET", path + below) == not_found, below
    assert await either.refused("DELETE", path) == not_found
    assert await either.refused("POST", path, {"metadata": {}}) == not_found
    assert await either.refused("POST", f"{path}/messages", USER) == not_found
    new_run = {"assistant_id": run["assistant_id"]}
    assert await either.refused("POST", f"{path}/runs", new_run) == not_found
    assert await either.refused("POST", f"{path}/runs/{run['id']}/cancel") == not_found


async def test_of_deletes_at_the_same_time_one_succeeds(either: Client) -> None:
    """THR-05, ASST-11, FILE-07: the others find nothing; none is an error of ours."""
    thread, assistant = await either.thread("hello"), await either.assistant()
    file = await either.upload()
    for path in (
        f"/threads/{thread['id']}",
        f"/assistants/{assistant['id']}",
        f"/files/{file['id']}",
    ):
        answers = await asyncio.gather(*(either.send("DELETE", path) for _ in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 404, 404, 404]


async def test_deleting_a_thread_stops_its_run(build: Build) -> None:
    """THR-05: an active run is cancelled silently, and its stream ends."""
    client = (await build(HANGS)).client()
    assistant, thread = await client.assistant(), await client.thread("hello")
    path = f"/threads/{thread['id']}"
    body = {"assistant_id": assistant["id"], "stream": True}
    async with client.streamed("POST", f"{path}/runs", body) as stream:
        events = await stream.until("thread.run.in_progress")
        await client.delete(path)
        rest = [event.name async for event in stream]
    assert rest[-1:] == ["done"], rest
    run_id = events[-1].data["id"]
    error = await client.refused("GET", f"{path}/runs/{run_id}")
    assert error == Error(404, f"No thread found with id '{thread['id']}'.")


async def test_a_thread_id_in_a_body_is_unknown(either: Client) -> None:
    """THR-06: the path names the thread; in a message's body it is an unknown parameter."""
    thread = await either.thread()
    body = {**USER, "thread_id": thread["id"]}
    error = await either.refused("POST", f"/threads/{thread['id']}/messages", body)
    assert (error.param, error.code) == ("thread_id", "unknown_parameter")


async def test_a_thread_takes_many_messages(v2: Client) -> None:
    """THR-07: no number of messages is too many, at creation or later."""
    thread = await v2.post("/threads", {"messages": [USER] * 300})
    await v2.say(thread["id"], "one more")
    count, cursor = 0, ""
    for _ in range(5):
        page = await v2.get(f"/threads/{thread['id']}/messages?limit=100{cursor}")
        count += len(page["data"])
        cursor = f"&after={page['last_id']}"
    assert count == 301


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_an_active_run_locks_its_thread(build: Build, era: Any) -> None:
    """THR-08, ERR-50, ERR-51: no message and no second run; the rest stays allowed."""
    client = (await build(HANGS)).client(era)
    assistant, thread = await client.assistant(), await client.thread("one", "two")
    path = f"/threads/{thread['id']}"
    run = await client.run(thread["id"], assistant["id"])
    busy = f"Can't add messages to {thread['id']} while a run {run['id']} is active."
    assert await client.refused("POST", f"{path}/messages", USER) == Error(400, busy)
    second = await client.refused("POST", f"{path}/runs", {"assistant_id": assistant["id"]})
    assert second == Error(400, f"Thread {thread['id']} already has an active run {run['id']}.")
    two, one = await client.listed(f"{path}/messages")
    assert (await client.post(path, {"metadata": {"a": "b"}}))["metadata"] == {"a": "b"}
    changed = await client.post(f"{path}/messages/{one['id']}", {"metadata": {"c": "d"}})
    assert changed["metadata"] == {"c": "d"}
    await client.delete(f"{path}/messages/{two['id']}")
    assert await client.listed(f"{path}/messages") == [changed]


async def test_an_ended_run_unlocks_its_thread(either: Client) -> None:
    """THR-08: after a terminal state messages and runs are taken again."""
    run = await either.turn("hello")
    await either.say(run["thread_id"], "more")
    again = await either.settled(await either.run(run["thread_id"], run["assistant_id"]))
    assert again["status"] == "completed"


async def test_another_project_sees_no_thread(v2: Client, stranger: Client) -> None:
    """GEN-18: 404 for everything in and around a foreign thread, and nothing happens to it."""
    run = await v2.turn("hello")
    path = f"/threads/{run['thread_id']}"
    thread, messages = await v2.get(path), await v2.listed(f"{path}/messages")
    message = messages[0]["id"]
    assistant = await stranger.assistant()
    not_found = Error(404, f"No thread found with id '{run['thread_id']}'.")
    requests: list[tuple[str, str, object]] = [
        ("GET", "", b""),
        ("POST", "", {"metadata": {"a": "b"}}),
        ("DELETE", "", b""),
        ("GET", "/messages", b""),
        ("POST", "/messages", USER),
        ("GET", f"/messages/{message}", b""),
        ("POST", f"/messages/{message}", {"metadata": {"a": "b"}}),
        ("DELETE", f"/messages/{message}", b""),
        ("GET", "/runs", b""),
        ("POST", "/runs", {"assistant_id": assistant["id"]}),
        ("GET", f"/runs/{run['id']}", b""),
        ("POST", f"/runs/{run['id']}", {"metadata": {"a": "b"}}),
        ("POST", f"/runs/{run['id']}/cancel", b""),
        ("POST", f"/runs/{run['id']}/submit_tool_outputs", {"tool_outputs": []}),
        ("GET", f"/runs/{run['id']}/steps", b""),
        ("GET", f"/runs/{run['id']}/events", b""),
    ]
    for method, below, body in requests:
        assert await stranger.refused(method, path + below, body) == not_found, (method, below)
    assert await v2.get(path) == thread
    assert await v2.listed(f"{path}/messages") == messages
    assert await v2.get(f"{path}/runs/{run['id']}") == run


async def test_more_pairs_than_metadata_has_are_refused(v2: Client) -> None:
    """ERR-28: no thread could match them."""
    query = "&".join(f"metadata[k{number}]=v" for number in range(17))
    error = await v2.refused("GET", f"/threads?{query}")
    assert (error.status, error.code) == (400, "object_above_max_properties")
