"""What the hosted API did not have, each off its surface: by a header, a query or a path of ours.

Without these, everything is as section 9 of the contract says.
"""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from understudy.dispatch.in_process import InProcessDispatch

from .accumulator import Accumulator
from .client import JSON, Client, Error, Event
from .conftest import ECHO, Build, House, _house, _settings
from .puppet import Stage, on_stage, stop_clock, texts
from .test_runs import outputs
from .test_streams import FUNCTIONS
from .transcript import joined, names

ENQUEUE = {"Understudy-Busy-Thread": "enqueue"}
INTERRUPT = {"Understudy-Busy-Thread": "interrupt"}
CANCEL = {"Understudy-On-Disconnect": "cancel"}


# GET /v1/threads


async def test_listing_threads(v2: Client) -> None:
    """GEN-18 had no such list for keys; this one is as every list (LIST-01 to LIST-05)."""
    made = [await v2.thread(metadata={"number": str(number)}) for number in range(5)]
    page = await v2.get("/threads?limit=2")
    assert page == {
        "object": "list",
        "data": [made[4], made[3]],
        "first_id": made[4]["id"],
        "last_id": made[3]["id"],
        "has_more": True,
    }
    assert await v2.listed(f"/threads?after={made[2]['id']}") == [made[1], made[0]]
    assert await v2.listed(f"/threads?order=asc&before={made[1]['id']}") == [made[0]]
    await v2.delete(f"/threads/{made[2]['id']}")
    assert await v2.listed(f"/threads?after={made[2]['id']}") == [made[1], made[0]]  # LIST-08
    assert len(await v2.listed("/threads")) == 4
    error = await v2.refused("GET", "/threads?after=thread_missing")
    assert error == Error(404, "No thread found with id 'thread_missing'.")


async def test_threads_by_metadata(v1: Client, v2: Client) -> None:
    """Every pair that is asked for has to be there; paging goes on within what matches."""
    made = [
        await v2.thread(metadata={"user": user, "topic": topic})
        for user in ("ann", "bob")
        for topic in ("cats", "dogs", "birds")
    ]
    await v2.thread()
    anns = await v2.listed("/threads?metadata[user]=ann&order=asc")
    assert anns == made[:3]
    assert await v2.listed("/threads?metadata%5Buser%5D=bob&metadata%5Btopic%5D=dogs") == [made[4]]
    assert await v2.listed("/threads?metadata[user]=ann&metadata[topic]=fish") == []
    page = await v2.get("/threads?metadata[user]=ann&limit=2")
    assert (page["data"], page["has_more"]) == ([made[2], made[1]], True)
    page = await v2.get(f"/threads?metadata[user]=ann&limit=2&after={page['last_id']}")
    assert (page["data"], page["has_more"]) == ([made[0]], False)
    assert [list(thread) for thread in await v1.listed("/threads?metadata[user]=bob")] == [
        ["id", "object", "created_at", "metadata"]
    ] * 3


@pytest.mark.parametrize(
    "key", ["a.b", 'a"b', "a'b", "a b", "ä", "a\\b", "$", "a[0]", "*", "]", "%", "a]=x&[b"]
)
async def test_any_key_of_metadata_can_be_asked_for(v2: Client, key: str) -> None:
    """A key is a name and never a path into the object."""
    wanted = await v2.thread(metadata={key: "yes"})
    await v2.thread(metadata={"a": "yes", "b": "yes"})
    found = await v2.listed(f"/threads?metadata[{quote(key, safe='')}]=yes")
    assert found == [wanted]


async def test_threads_of_others_are_not_listed(v2: Client, stranger: Client) -> None:
    """GEN-18."""
    mine, theirs = await v2.thread(metadata={"a": "b"}), await stranger.thread()
    assert await v2.listed("/threads?metadata[a]=b") == [mine]
    assert await stranger.listed("/threads") == [theirs]
    assert await stranger.listed("/threads?metadata[a]=b") == []


# GET .../runs/{id}?wait=


async def test_waiting_for_the_end_of_a_run(house: House) -> None:
    """The answer comes as soon as the run is over."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    waiting = asyncio.create_task(stage.client.get(f"{stage.path_of(run)}?wait=30"))
    assert (await stage.see(run))["status"] == "in_progress"
    assert not waiting.done()
    call.say("x")
    call.end()
    assert (await waiting)["status"] == "completed"
    again = await stage.client.get(f"{stage.path_of(run)}?wait=30")
    assert again == await stage.see(run)


async def test_waiting_for_required_action(house: House) -> None:
    """The answer comes as soon as the client has something to do."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin()
    waiting = asyncio.create_task(stage.client.get(f"{stage.path_of(run)}?wait=30"))
    assert (await stage.see(run))["status"] == "in_progress"
    call.call("call_a", "get_weather", "{}")
    call.end(reason="tool_calls")
    assert (await waiting)["status"] == "requires_action"


@pytest.mark.parametrize("end", ["completed", "failed", "incomplete", "cancelled", "expired"])
async def test_a_wait_ends_where_polls_end(house: House, end: str) -> None:
    """RUN-43, SDK-12: in every state that the SDKs' polling helpers take for an end."""
    stop_clock(house)
    stage = await on_stage(house)
    run, call = await stage.begin(headers={"Understudy-Expires-After": "1"})
    waiting = asyncio.create_task(stage.client.get(f"{stage.path_of(run)}?wait=30"))
    await stage.see(run)
    if end == "cancelled":
        await stage.client.post(f"{stage.path_of(run)}/cancel")
    elif end == "failed":
        call.break_off()
    elif end != "expired":
        call.end(reason="length" if end == "incomplete" else "stop")
    assert (await waiting)["status"] == end


@pytest.mark.parametrize("wait", ["0", "1", "30", "999999"])
async def test_a_wait_has_a_bound(build: Build, wait: str) -> None:
    """The server's setting limits it; the run is shown as it is then."""
    stage = await on_stage(await build(wait_seconds_max=0.05))
    run, _ = await stage.begin()
    seen = await stage.client.get(f"{stage.path_of(run)}?wait={wait}")
    assert seen["status"] == "in_progress"


@pytest.mark.parametrize("wait", ["-1", "x", "1.5", "1e3"])
async def test_bad_waits_are_refused(house: House, wait: str) -> None:
    stage = await on_stage(house)
    run, _ = await stage.begin()
    error = await stage.client.refused("GET", f"{stage.path_of(run)}?wait={wait}")
    assert (error.status, error.param, error.code) == (400, "wait", "invalid_value")


async def test_waiting_for_a_run_that_waits_itself(house: House) -> None:
    stage = await on_stage(house)
    _, call = await stage.begin()
    second = await stage.run(ENQUEUE)
    waiting = asyncio.create_task(stage.client.get(f"{stage.path_of(second)}?wait=30"))
    assert (await stage.see(second))["status"] == "queued"
    call.end()
    (await stage.puppet.called()).end()
    assert (await waiting)["status"] == "completed"


async def test_waiting_for_a_run_that_is_deleted(build: Build) -> None:
    """THR-05, ERR-40: the wait ends with 404."""
    stage = await on_stage(await build(wait_seconds_max=0.2))
    run, _ = await stage.begin()
    waiting = asyncio.create_task(stage.client.refused("GET", f"{stage.path_of(run)}?wait=30"))
    await stage.see(run)
    await stage.client.delete(stage.path)
    assert (await waiting).status == 404


# openai-poll-after-ms


async def test_polls_are_told_how_long_to_wait(build: Build) -> None:
    """GEN-10: on every GET of a run, and nowhere else; soon while it is young."""
    house = await build(poll_after_ms=123)
    clock = stop_clock(house)
    client = house.client()
    run = await client.turn("Hello")
    path = f"/threads/{run['thread_id']}/runs"
    told = []
    for _ in range(4):
        answer = await client.send("GET", f"{path}/{run['id']}")
        told.append(int(answer.headers["openai-poll-after-ms"]))
        clock.advance(1)
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] == 123
    for other in (path, f"{path}/{run['id']}/steps", f"/threads/{run['thread_id']}"):
        assert "openai-poll-after-ms" not in (await client.send("GET", other)).headers


# Idempotency-Key


async def _scene(client: Client) -> JSON:
    """Return the ids of one object of each kind, the run waiting for an output."""
    file = await client.upload()
    assistant = await client.assistant(tools=FUNCTIONS)
    thread = await client.thread("call")
    message = (await client.listed(f"/threads/{thread['id']}/messages"))[0]
    run = await client.settled(await client.run(thread["id"], assistant["id"]))
    assert run["status"] == "requires_action"
    other = await client.thread("Hello")
    plain = await client.assistant(tools=[])
    return {
        "assistant": assistant["id"],
        "plain": plain["id"],
        "thread": thread["id"],
        "other": other["id"],
        "message": message["id"],
        "run": run["id"],
        "file": file["id"],
    }


EVERY_POST: list[tuple[str, JSON | bytes]] = [
    ("/assistants", {"model": "scripted"}),
    ("/assistants/{assistant}", {"name": "Changed"}),
    ("/assistants/{plain}/files", {"file_id": "{file}"}),
    ("/threads", {"messages": [{"role": "user", "content": "x"}]}),
    ("/threads/{thread}", {"metadata": {"a": "b"}}),
    ("/threads/{other}/messages", {"role": "user", "content": "x"}),
    ("/threads/{thread}/messages/{message}", {"metadata": {"a": "b"}}),
    ("/threads/{other}/runs", {"assistant_id": "{plain}"}),
    ("/threads/runs", {"assistant_id": "{plain}", "instructions": "Go."}),
    ("/threads/{thread}/runs/{run}", {"metadata": {"a": "b"}}),
    (
        "/threads/{thread}/runs/{run}/submit_tool_outputs",
        {"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]},
    ),
    ("/threads/{thread}/runs/{run}/cancel", b""),
]
SCRIPT = """
rules:
  - {on: ^call$, call: [{name: get_weather, id: call_1}]}
  - {say: Hello, after_tools: either}
"""


@pytest.mark.parametrize(("path", "body"), EVERY_POST, ids=[path for path, _ in EVERY_POST])
async def test_every_post_can_be_sent_twice(build: Build, path: str, body: JSON | bytes) -> None:
    """The same key and body: the same answer, byte for byte, and nothing more is written."""
    client = (await build(SCRIPT)).client("v1")
    names_ = await _scene(client)
    sent: Any = body
    if isinstance(body, dict):
        file_id = names_["file"] if "file_id" in body else None
        sent = {**body, **({"file_id": file_id} if file_id else {})}
        if "assistant_id" in body:
            sent["assistant_id"] = names_["plain"]
    filled = path.format(**names_)
    headers = {"Idempotency-Key": "key-1"}
    first = await client.send("POST", filled, sent, headers=headers)
    assert first.status == 200, first.body
    counted = await _count(client, names_)
    for _ in range(2):
        again = await client.send("POST", filled, sent, headers=headers)
        assert (again.status, again.body) == (200, first.body)
    assert await _count(client, names_) == counted
    other = {"Idempotency-Key": "key-1"}
    error = await client.refused("POST", filled, {"metadata": {"x": "y"}}, headers=other)
    assert (error.status, error.param) == (400, "Idempotency-Key")
    assert error.code == "idempotency_key_reused"


async def _count(client: Client, names_: JSON) -> list[int]:
    paths = [
        "/assistants?limit=100",
        "/threads?limit=100",
        f"/threads/{names_['other']}/messages?limit=100&order=asc",
        f"/threads/{names_['other']}/runs",
        f"/threads/{names_['thread']}/runs",
    ]
    pages = [await client.listed(path) for path in paths]
    # The answer of a run that goes on meanwhile is not what is counted here.
    pages[2] = [message for message in pages[2] if message["role"] == "user"]
    return [len(page) for page in pages]


async def test_the_same_key_at_another_place_is_another_request(v2: Client) -> None:
    """The key stands for method, path, era and body."""
    headers = {"Idempotency-Key": "key-1"}
    thread = await v2.post("/threads", {}, headers=headers)
    error = await v2.refused("POST", f"/threads/{thread['id']}", {}, headers=headers)
    assert (error.status, error.code) == (400, "idempotency_key_reused")
    assert await v2.post("/threads", {}, headers={"Idempotency-Key": "key-2"}) != thread


async def test_concurrent_duplicates_make_one_object(v2: Client) -> None:
    headers = {"Idempotency-Key": "key-1"}
    answers = await asyncio.gather(
        *(v2.send("POST", "/threads", {"metadata": {"a": "b"}}, headers=headers) for _ in range(20))
    )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len(await v2.listed("/threads")) == 1


async def test_concurrent_duplicates_of_a_run_make_one_run(house: House) -> None:
    """RUN-22: nobody is told that the thread is busy with the very run they asked for."""
    stage = await on_stage(house)
    body = {"assistant_id": stage.assistant["id"]}
    headers = {"Idempotency-Key": "key-1"}
    answers = await asyncio.gather(
        *(stage.client.send("POST", f"{stage.path}/runs", body, headers=headers) for _ in range(20))
    )
    assert [answer.status for answer in answers] == [200] * 20
    assert len({answer.body for answer in answers}) == 1
    assert len(await stage.client.listed(f"{stage.path}/runs")) == 1


async def test_concurrent_duplicates_of_outputs_continue_the_run_once(house: House) -> None:
    """RUN-44: with a key, both are answered alike."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    headers = {"Idempotency-Key": "key-1"}
    path = f"{stage.path_of(run)}/submit_tool_outputs"
    body = outputs("call_get_weather")
    answers = await asyncio.gather(
        *(stage.client.send("POST", path, body, headers=headers) for _ in range(10))
    )
    assert [answer.status for answer in answers] == [200] * 10, answers
    assert len({answer.body for answer in answers}) == 1
    (await stage.puppet.called()).end()
    assert (await stage.client.settled(run))["status"] == "completed"
    assert stage.puppet.is_idle


async def test_a_key_means_nothing_where_nothing_is_made(v2: Client) -> None:
    """GEN-11: GET and DELETE bear it without effect."""
    headers = {"Idempotency-Key": "key-1"}
    thread = await v2.post("/threads", {}, headers=headers)
    path = f"/threads/{thread['id']}"
    assert await v2.get(path, headers=headers) == thread
    await v2.delete(path, headers=headers)
    assert (await v2.refused("DELETE", path, headers=headers)).status == 404


async def test_a_refused_request_does_not_use_its_key_up(v2: Client) -> None:
    """Nothing is written by it, not even the key."""
    headers = {"Idempotency-Key": "key-1"}
    for _ in range(2):
        assert (await v2.refused("POST", "/assistants", {}, headers=headers)).status == 400
    made = await v2.post("/assistants", {"model": "scripted"}, headers=headers)
    assert await v2.post("/assistants", {"model": "scripted"}, headers=headers) == made


async def test_projects_do_not_share_keys(v2: Client, stranger: Client, house: House) -> None:
    """GEN-18; another key of the same project does."""
    headers = {"Idempotency-Key": "key-1"}
    mine = await v2.post("/threads", {}, headers=headers)
    theirs = await stranger.post("/threads", {"metadata": {"a": "b"}}, headers=headers)
    assert mine["id"] != theirs["id"]
    colleague = house.client("v2", await house.new_key())
    assert await colleague.post("/threads", {}, headers=headers) == mine


async def _streams_twice(client: Client, path: str, body: JSON, stage: Stage) -> None:
    """Ask twice for the same stream; the second time after the run is over."""
    headers = {"Idempotency-Key": "key-1"}
    sent = {**body, "stream": True}
    async with client.streamed("POST", path, sent, headers) as stream:
        call = await stage.puppet.called()
        call.say("One", " two")
        call.end()
        first = [event async for event in stream]
    async with client.streamed("POST", path, sent, headers) as stream:
        assert stream.status == 200
        second = [event async for event in stream]
    assert joined(second) == joined(first)
    assert Accumulator().take_all(second).text == "One two"
    assert stage.puppet.is_idle


async def test_a_streaming_create_is_replayed_as_the_same_events(house: House) -> None:
    stage = await on_stage(house)
    body = {"assistant_id": stage.assistant["id"]}
    await _streams_twice(stage.client, f"{stage.path}/runs", body, stage)


async def test_a_streaming_thread_and_run_is_replayed_as_the_same_events(house: House) -> None:
    """STR-04: thread.created included."""
    stage = await on_stage(house)
    body = {
        "assistant_id": stage.assistant["id"],
        "thread": {"messages": [{"role": "user", "content": "Hi"}]},
    }
    await _streams_twice(stage.client, "/threads/runs", body, stage)


async def test_streaming_outputs_are_replayed_as_the_same_events(house: House) -> None:
    """STR-06: from step.completed on, and not from the beginning of the run."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    path = f"{stage.path_of(run)}/submit_tool_outputs"
    await _streams_twice(stage.client, path, outputs("call_get_weather"), stage)


async def test_a_create_replayed_up_to_required_action(house: House) -> None:
    """STR-05: the replay ends where the stream had ended, though the run has gone on."""
    stage = await on_stage(house, tools=FUNCTIONS)
    headers = {"Idempotency-Key": "key-1"}
    async with stage.opened(headers=headers) as stream:
        call = await stage.puppet.called()
        call.call("call_a", "get_weather", "{}")
        call.end(reason="tool_calls")
        first = [event async for event in stream]
    run = first[0].data
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    call = await stage.puppet.called()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    async with stage.opened(headers=headers) as stream:
        second = [event async for event in stream]
    assert names(second) == names(first)


async def test_a_streaming_create_is_taken_up_while_it_runs(house: House) -> None:
    """A client that lost its stream sends the same request again."""
    stage = await on_stage(house)
    headers = {"Idempotency-Key": "key-1"}
    async with stage.opened(headers=headers) as stream:
        call = await stage.puppet.called()
        call.say("One")
        await stream.until("thread.message.delta")
    async with stage.opened(headers=headers) as stream:
        seen = await stream.until("thread.message.delta")
        call.say(" two")
        call.end()
        seen += [event async for event in stream]
    assert Accumulator().take_all(seen).text == "One two"


async def test_concurrent_streams_of_one_key_are_one_run(house: House) -> None:
    """Each tells the whole run, and the model is asked once."""
    stage = await on_stage(house)

    async def one() -> list[Event]:
        async with stage.opened(headers={"Idempotency-Key": "key-1"}) as stream:
            assert stream.status == 200
            return [event async for event in stream]

    streams = [asyncio.create_task(one()) for _ in range(5)]
    call = await stage.puppet.called()
    call.say("One", " two")
    call.end()
    told = [joined(await stream) for stream in streams]
    assert told == told[:1] * 5
    assert Accumulator().take_all(told[0]).text == "One two"
    assert stage.puppet.is_idle


async def test_an_answer_outlives_its_object(v2: Client) -> None:
    """The object is shown as it was then, even if it has been changed or deleted since."""
    headers = {"Idempotency-Key": "key-1"}
    thread = await v2.post("/threads", {}, headers=headers)
    await v2.post(f"/threads/{thread['id']}", {"metadata": {"a": "b"}})
    assert await v2.post("/threads", {}, headers=headers) == thread
    await v2.delete(f"/threads/{thread['id']}")
    assert await v2.post("/threads", {}, headers=headers) == thread


async def test_keys_survive_a_restart(tmp_path: Path) -> None:
    settings = _settings(tmp_path, ECHO, {})
    headers = {"Idempotency-Key": "key-1"}
    async with _house(settings) as house:
        client = house.client()
        thread = await client.post("/threads", {}, headers=headers)
        key = house.key
    async with _house(settings) as house:
        client = house.client("v2", key)
        assert await client.post("/threads", {}, headers=headers) == thread
        assert len(await client.listed("/threads")) == 1


# Understudy-Busy-Thread


async def test_a_busy_thread_rejects_when_asked_to(house: House) -> None:
    """RUN-22: `reject` is the default, spelled out."""
    stage = await on_stage(house)
    await stage.begin()
    body = {"assistant_id": stage.assistant["id"]}
    error = await stage.client.refused(
        "POST", f"{stage.path}/runs", body, headers={"Understudy-Busy-Thread": "reject"}
    )
    assert "already has an active run" in error.message


async def test_an_unknown_way_with_busy_threads_is_refused(house: House) -> None:
    """ERR-23."""
    stage = await on_stage(house)
    body = {"assistant_id": stage.assistant["id"]}
    headers = {"Understudy-Busy-Thread": "wait"}
    error = await stage.client.refused("POST", f"{stage.path}/runs", body, headers=headers)
    assert (error.status, error.param) == (400, "Understudy-Busy-Thread")
    assert error.message == (
        "Invalid value: 'wait'. Supported values are: 'reject', 'enqueue', and 'interrupt'."
    )
    assert await stage.client.listed(f"{stage.path}/runs") == []


async def test_enqueued_runs_run_in_order(house: House) -> None:
    """One after the other, each seeing what the earlier ones have said."""
    stage = await on_stage(house)
    first, call = await stage.begin()
    waiting = [await stage.run(ENQUEUE, metadata={"n": str(n)}) for n in range(3)]
    assert [run["status"] for run in waiting] == ["queued"] * 3
    assert stage.puppet.is_idle
    for number, run in enumerate([first, *waiting]):
        seen = await stage.see(run)
        assert (seen["status"], seen["metadata"]) == (
            "in_progress",
            {"n": str(number - 1)} if number else {},
        )
        assert [text for _, text in call.read] == ["Hello", *(f"answer {n}" for n in range(number))]
        for one in waiting[number:]:
            assert (await stage.see(one))["started_at"] is None
        call.say(f"answer {number}")
        call.end()
        assert (await stage.client.settled(run))["status"] == "completed"
        if number < 3:
            call = await stage.puppet.called()
    assert stage.puppet.is_idle


async def test_an_idle_thread_starts_an_enqueued_run_at_once(house: House) -> None:
    stage = await on_stage(house)
    for headers in (ENQUEUE, INTERRUPT):
        run, call = await stage.begin(headers=headers)
        call.end()
        assert (await stage.client.settled(run))["status"] == "completed"


async def test_messages_of_an_enqueued_run_appear_when_it_starts(house: House) -> None:
    """RUN-25: behind the answer of the run before, and not in its sight."""
    stage = await on_stage(house)
    first, call = await stage.begin()
    more = [{"role": "user", "content": "And then?"}, {"role": "user", "content": "Well?"}]
    second = await stage.run(ENQUEUE, additional_messages=more)
    assert texts(await stage.messages()) == ["Hello"]
    call.say("First.")
    call.end()
    await stage.client.settled(first)
    call = await stage.puppet.called()
    assert [text for _, text in call.read] == ["Hello", "First.", "And then?", "Well?"]
    assert texts(await stage.messages()) == ["Hello", "First.", "And then?", "Well?"]
    call.say("Second.")
    call.end()
    assert (await stage.client.settled(second))["status"] == "completed"


@pytest.mark.parametrize("end", ["failed", "cancelled", "expired", "incomplete"])
async def test_any_end_lets_the_next_run_start(house: House, end: str) -> None:
    """RUN-1B."""
    stop_clock(house)
    stage = await on_stage(house)
    headers = {"Understudy-Expires-After": "1"} if end == "expired" else {}
    first, call = await stage.begin(headers=headers)
    second = await stage.run(ENQUEUE)
    if end == "failed":
        call.break_off()
    elif end == "incomplete":
        call.end(reason="length")
    elif end == "cancelled":
        await stage.client.post(f"{stage.path_of(first)}/cancel")
    (await stage.puppet.called()).end()
    assert (await stage.client.settled(second))["status"] == "completed"
    assert (await stage.see(first))["status"] == end


async def test_an_enqueued_run_waits_behind_one_that_wants_outputs(house: House) -> None:
    stage = await on_stage(house, tools=FUNCTIONS)
    first = await stage.calling("get_weather")
    second = await stage.run(ENQUEUE)
    await stage.client.post(
        f"{stage.path_of(first)}/submit_tool_outputs", outputs("call_get_weather")
    )
    call = await stage.puppet.called()
    assert (await stage.see(second))["status"] == "queued"
    call.end()
    await stage.client.settled(first)
    (await stage.puppet.called()).end()
    assert (await stage.client.settled(second))["status"] == "completed"


async def test_a_waiting_run_can_be_cancelled(house: House) -> None:
    """RUN-17: it never starts, its messages never appear; those behind it do not mind."""
    stage = await on_stage(house)
    first, call = await stage.begin()
    more = [{"role": "user", "content": "Never"}]
    second = await stage.run(ENQUEUE, additional_messages=more)
    third = await stage.run(ENQUEUE)
    cancelling = await stage.client.post(f"{stage.path_of(second)}/cancel")
    assert cancelling["status"] == "cancelling"
    done = await stage.client.settled(second)
    assert (done["status"], done["started_at"]) == ("cancelled", None)
    assert (await stage.see(first))["status"] == "in_progress"
    call.say("First.")
    call.end()
    call = await stage.puppet.called()
    call.end()
    assert (await stage.client.settled(third))["status"] == "completed"
    assert texts(await stage.messages()) == ["Hello", "First."]


async def test_a_waiting_run_can_expire(house: House) -> None:
    """RUN-19: its time is counted from its creation."""
    clock = stop_clock(house)
    stage = await on_stage(house)
    first, call = await stage.begin()
    second = await stage.run({**ENQUEUE, "Understudy-Expires-After": "1"})
    third = await stage.run(ENQUEUE)
    clock.advance(1)
    assert (await stage.client.settled(second))["status"] == "expired"
    assert (await stage.see(first))["status"] == "in_progress"
    call.end()
    (await stage.puppet.called()).end()
    assert (await stage.client.settled(third))["status"] == "completed"


async def test_a_waiting_run_takes_no_outputs_and_is_listed(house: House) -> None:
    """ERR-52, LIST-02."""
    stage = await on_stage(house)
    first, _ = await stage.begin()
    second = await stage.run(ENQUEUE)
    error = await stage.client.refused(
        "POST", f"{stage.path_of(second)}/submit_tool_outputs", outputs("call_a")
    )
    assert error.message == 'Runs in status "queued" do not accept tool outputs.'
    listed = await stage.client.listed(f"{stage.path}/runs")
    assert [run["id"] for run in listed] == [second["id"], first["id"]]


async def test_the_stream_of_an_enqueued_run(house: House) -> None:
    """STR-04: created and queued at once, the rest when its turn has come."""
    stage = await on_stage(house)
    first, call = await stage.begin()
    async with stage.opened(headers=ENQUEUE) as stream:
        seen = await stream.until("thread.run.queued")
        call.say("First.")
        call.end()
        await stage.client.settled(first)
        call = await stage.puppet.called()
        call.say("Second.")
        call.end()
        seen += [event async for event in stream]
    assert Accumulator().take_all(seen).text == "Second."


async def test_the_stream_of_a_waiting_run_that_is_cancelled(house: House) -> None:
    """STR-13: it was never in progress."""
    stage = await on_stage(house)
    await stage.begin()
    async with stage.opened(headers=ENQUEUE) as stream:
        seen = await stream.until("thread.run.queued")
        await stage.client.post(f"{stage.path_of(seen[0].data)}/cancel")
        seen += [event async for event in stream]
    assert names(seen) == [
        *("run.created", "run.queued", "run.cancelling", "run.cancelled", "done")
    ]


async def test_interrupting_cancels_the_run_before(house: House) -> None:
    """What it had written stays, as incomplete, and the new run reads on behind it."""
    stage = await on_stage(house)
    first, call = await stage.begin()
    async with stage.client.streamed("GET", f"{stage.path_of(first)}/events") as stream:
        call.say("Long sto")
        await stream.until("thread.message.delta")
        more = [{"role": "user", "content": "Stop!"}]
        second = await stage.run(INTERRUPT, additional_messages=more)
        ends = [event async for event in stream]
    await call.has_been_given_up()
    assert ends[-2].name == "thread.run.cancelled"
    call = await stage.puppet.called()
    assert [text for _, text in call.read] == ["Hello", "Long sto", "Stop!"]
    call.end()
    assert (await stage.client.settled(second))["status"] == "completed"
    assert (await stage.see(first))["status"] == "cancelled"


async def test_interrupting_a_run_that_waits_for_outputs(house: House) -> None:
    stage = await on_stage(house, tools=FUNCTIONS)
    first = await stage.calling("get_weather")
    second, call = await stage.begin(headers=INTERRUPT)
    assert (await stage.client.settled(first))["status"] == "cancelled"
    call.end()
    assert (await stage.client.settled(second))["status"] == "completed"


async def test_interrupting_with_others_in_the_queue(house: House) -> None:
    """The run that holds the thread is cancelled; the order of the others stays."""
    stage = await on_stage(house)
    first, _ = await stage.begin()
    second = await stage.run(ENQUEUE)
    third = await stage.run(INTERRUPT)
    for run in (second, third):
        call = await stage.puppet.called()
        assert (await stage.see(run))["status"] == "in_progress"
        call.end()
        assert (await stage.client.settled(run))["status"] == "completed"
    assert (await stage.see(first))["status"] == "cancelled"


async def test_many_runs_enqueued_at_once(house: House) -> None:
    """RUN-22: none is lost, none runs beside another."""
    stage = await on_stage(house)
    runs = await asyncio.gather(*(stage.run(ENQUEUE) for _ in range(10)))
    for number in range(10):
        call = await stage.puppet.called()
        listed = await stage.client.listed(f"{stage.path}/runs")
        assert sum(run["status"] == "in_progress" for run in listed) == 1
        call.say(str(number))
        call.end()
    settled = [await stage.client.settled(run) for run in runs]
    assert {run["status"] for run in settled} == {"completed"}
    assert texts(await stage.messages()) == ["Hello", *map(str, range(10))]


async def test_deleting_a_thread_with_waiting_runs(house: House) -> None:
    """THR-05: none of them ever starts."""
    stage = await on_stage(house)
    _, call = await stage.begin()
    waiting = await stage.run(ENQUEUE)
    await stage.client.delete(stage.path)
    await call.has_been_given_up()
    error = await stage.client.refused("GET", stage.path_of(waiting))
    assert error == Error(404, f"No thread found with id '{stage.thread['id']}'.")
    other = await on_stage(house)
    run, call = await other.begin()
    call.end()
    await other.client.settled(run)
    assert stage.puppet.is_idle


async def test_waiting_runs_survive_a_restart(tmp_path: Path) -> None:
    """Rows are the truth: the queue of a thread is in them."""
    script = "rules: [{on: hang, say: x, hang: true, times: 1}, {say: done}]"
    settings = _settings(tmp_path, script, {"drain_seconds": 0})
    async with _house(settings) as house:
        client, key = house.client(), house.key
        assistant, thread = await client.assistant(), await client.thread("hang")
        runs = [
            await client.post(
                f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]}, headers=ENQUEUE
            )
            for _ in range(3)
        ]
    settings = _settings(tmp_path, "rules: [{say: done}]", {})
    async with _house(settings) as house:
        client = house.client("v2", key)
        ended = [await client.settled(run) for run in runs]
        assert [run["status"] for run in ended] == ["completed"] * 3
        messages = await client.listed(f"/threads/{thread['id']}/messages?order=asc")
        assert texts(messages) == ["hang", "done", "done", "done"]


# Understudy-Expires-After


@pytest.mark.parametrize("seconds", ["1", "86400", "1000"])
async def test_a_run_may_be_given_other_time(build: Build, seconds: str) -> None:
    """RUN-10, RUN-1C: also more than ten minutes, up to the ceiling."""
    house = await build(expires_after_seconds_max=86_400)
    stage = await on_stage(house)
    headers = {"Understudy-Expires-After": seconds}
    run = await stage.run(headers)
    assert run["expires_at"] == run["created_at"] + int(seconds)
    body = {"assistant_id": stage.assistant["id"], "instructions": "Go."}
    run = await stage.client.post("/threads/runs", body, headers=headers)
    assert run["expires_at"] == run["created_at"] + int(seconds)


async def test_an_approval_may_take_longer_than_ten_minutes(house: House) -> None:
    """RUN-13, RUN-1C: an hour later the outputs are taken, and the run goes on."""
    clock = stop_clock(house)
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather", headers={"Understudy-Expires-After": "7200"})
    clock.advance(3600)
    assert await house.ports.storage.overdue(clock.now(), 10) == []
    await stage.client.post(
        f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_get_weather")
    )
    (await stage.puppet.called()).end()
    done = await stage.client.settled(run)
    assert (done["status"], done["completed_at"]) == ("completed", run["created_at"] + 3600)


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "x", "1.5", "1e3", "9" * 30, "٣", ""])
async def test_a_time_that_cannot_be_given_is_refused(build: Build, seconds: str) -> None:
    """A ceiling, whole seconds, nothing written."""
    house = await build(expires_after_seconds_max=86_400)
    stage = await on_stage(house)
    headers = {"Understudy-Expires-After": seconds}
    for path in (f"{stage.path}/runs", "/threads/runs"):
        body = {"assistant_id": stage.assistant["id"], "instructions": "Go."}
        error = await stage.client.refused("POST", path, body, headers=headers)
        assert (error.status, error.code) == (400, "invalid_value")
        assert error.param == "Understudy-Expires-After"
    assert await stage.client.listed(f"{stage.path}/runs") == []
    assert await stage.client.listed("/threads") == [stage.thread]


# Understudy-On-Disconnect


async def _is_cancelled(stage: Stage, run: JSON) -> None:
    done = await stage.client.settled(run)
    assert done["status"] == "cancelled"


async def test_hanging_up_cancels_the_run_when_asked_to(house: House) -> None:
    stage = await on_stage(house)
    async with stage.opened(headers=CANCEL) as stream:
        call = await stage.puppet.called()
        call.say("Once upon")
        run = (await stream.until("thread.message.delta"))[0].data
    await call.has_been_given_up()
    await _is_cancelled(stage, run)
    assert texts(await stage.messages()) == ["Hello", "Once upon"]


async def test_hanging_up_on_outputs_cancels_the_run(house: House) -> None:
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    path = f"{stage.path_of(run)}/submit_tool_outputs"
    body = outputs("call_get_weather", stream=True)
    async with stage.client.streamed("POST", path, body, CANCEL) as stream:
        call = await stage.puppet.called()
        await stream.until("thread.run.in_progress")
    await call.has_been_given_up()
    await _is_cancelled(stage, run)


async def test_hanging_up_on_a_thread_and_run_cancels_it(house: House) -> None:
    stage = await on_stage(house)
    body = {"assistant_id": stage.assistant["id"], "instructions": "Go.", "stream": True}
    async with stage.client.streamed("POST", "/threads/runs", body, CANCEL) as stream:
        call = await stage.puppet.called()
        seen = await stream.until("thread.run.in_progress")
    await call.has_been_given_up()
    await _is_cancelled(stage, seen[-1].data)


async def test_hanging_up_on_a_waiting_run_cancels_it(house: House) -> None:
    """It never starts; the run that it waits for goes on."""
    stage = await on_stage(house)
    first, call = await stage.begin()
    async with stage.opened(headers={**ENQUEUE, **CANCEL}) as stream:
        run = (await stream.until("thread.run.queued"))[0].data
    await _is_cancelled(stage, run)
    call.end()
    assert (await stage.client.settled(first))["status"] == "completed"


async def test_hanging_up_on_events_cancels_the_run(house: House) -> None:
    stage = await on_stage(house)
    run, call = await stage.begin()
    path = f"{stage.path_of(run)}/events"
    async with stage.client.streamed("GET", path, headers=CANCEL) as stream:
        await stream.until("thread.run.in_progress")
    await call.has_been_given_up()
    await _is_cancelled(stage, run)


async def test_without_a_stream_there_is_nothing_to_hang_up_on(house: House) -> None:
    """RUN-37."""
    stage = await on_stage(house)
    run, call = await stage.begin(headers=CANCEL)
    call.end()
    assert (await stage.client.settled(run))["status"] == "completed"


async def test_reading_to_the_end_cancels_nothing(house: House) -> None:
    """A stream that has ended in requires_action was not hung up on."""
    stage = await on_stage(house, tools=FUNCTIONS)
    async with stage.opened(headers=CANCEL) as stream:
        call = await stage.puppet.called()
        call.call("call_a", "get_weather", "{}")
        call.end(reason="tool_calls")
        events = [event async for event in stream]
    run = events[0].data
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    (await stage.puppet.called()).end()
    assert (await stage.client.settled(run))["status"] == "completed"


async def test_an_unknown_way_with_disconnects_is_refused(house: House) -> None:
    """ERR-23: as for the other headers; what is misspelled must not look as if it worked."""
    stage = await on_stage(house)
    body = {"assistant_id": stage.assistant["id"], "stream": True}
    headers = {"Understudy-On-Disconnect": "canceled"}
    async with stage.client.streamed("POST", f"{stage.path}/runs", body, headers) as stream:
        assert stream.status == 400
        error = (await stream.response.json())["error"]
    assert (error["param"], error["code"]) == ("Understudy-On-Disconnect", "invalid_value")
    assert await stage.client.listed(f"{stage.path}/runs") == []


async def test_a_refused_listener_leaves_nothing_behind(house: House, v2: Client) -> None:
    """The header is checked before anybody listens."""
    assistant, thread = await v2.assistant(), await v2.thread("Hello")
    run = await v2.settled(await v2.run(thread["id"], assistant["id"]))
    path = f"/threads/{thread['id']}/runs/{run['id']}/events"
    headers = {"Understudy-On-Disconnect": "perhaps"}
    error = await v2.refused("GET", path, headers=headers)
    assert error.param == "Understudy-On-Disconnect"
    dispatch = house.ports.dispatch
    assert isinstance(dispatch, InProcessDispatch)
    assert dispatch._channels == {}
