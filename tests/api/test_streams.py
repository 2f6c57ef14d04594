"""Streams, frame by frame (contract section 11), and as the SDKs add them up (section 15).

Each transcript is a snapshot, in both eras; see ``transcript.py``. The accumulator stands for the
event handlers of the SDKs, which raise on every wrong order or index (SDK-03 to SDK-05).
"""

import asyncio
import json
from typing import Any

import pytest

from understudy.errors import Unavailable, UpstreamError

from .accumulator import Accumulator
from .client import Client, Era, Error, Event
from .conftest import Build, House
from .puppet import Stage, on_stage, stop_clock, texts
from .transcript import check_transcript, names

FUNCTIONS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("get_weather", "get_time")
]
OUTPUTS = [
    {"tool_call_id": "call_b", "output": "noon"},
    {"tool_call_id": "call_a", "output": "sunny"},
]
both_eras = pytest.mark.parametrize("era", ["v1", "v2"])


async def _functions(stage: Stage) -> tuple[list[Event], list[Event]]:
    """Let the model call two functions at once, submit both outputs, and let it answer."""
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.call("call_a", "get_weather", '{"city":', ' "Oslo"}')
        call.call("call_b", "get_time", "{}")
        call.end(284, 20, reason="tool_calls")
        first = [event async for event in stream]
    run_id = first[0].data["id"]
    path = f"{stage.path}/runs/{run_id}/submit_tool_outputs"
    async with stage.client.streamed(
        "POST", path, {"tool_outputs": OUTPUTS, "stream": True}
    ) as stream:
        call = await stage.puppet.called()
        call.say("Sunny", " at noon.")
        call.end(300, 7)
        return first, [event async for event in stream]


@both_eras
async def test_plain_run(house: House, era: Era) -> None:
    """STR-01, STR-02, STR-03, STR-04, STR-10, STR-14, SDK-08: all frames of a run that speaks."""
    stage = await on_stage(house, era, instructions="Be brief.", metadata={"a": "b"})
    async with stage.opened(metadata={"colour": "blue"}) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        call = await stage.puppet.called()
        call.say("Hi", " there", ", Ådne 👋")
        call.end()
        events = [event async for event in stream]
    check_transcript(f"plain_run_{era}", events)
    told = Accumulator().take_all(events)
    assert told.text == "Hi there, Ådne 👋"
    assert told.final_run == await stage.see(told.final_run)


@both_eras
async def test_functions(house: House, era: Era) -> None:
    """STR-05, STR-06, STR-09, STEP-05, STEP-06: two calls at once, then both outputs.

    RUN-12 to RUN-14 and SDK-05: ids and names come once, each call at its own index.
    """
    stage = await on_stage(house, era, tools=FUNCTIONS)
    first, second = await _functions(stage)
    assert (first[-2].name, first[-1].name) == ("thread.run.requires_action", "done")
    check_transcript(f"functions_{era}", [*first, *second])
    told = Accumulator().take_all(first)
    assert told.final_run["status"] == "requires_action"  # SDK-09: a normal end
    told.take_all(second)
    assert told.text == "Sunny at noon."
    assert told.final_run["status"] == "completed"


async def test_final_objects_of_a_stream_are_those_that_rest_shows(house: House) -> None:
    """STR-03, STEP-02: only a step's expires_at differs, which REST shows while it runs."""
    stage = await on_stage(house, tools=FUNCTIONS)
    told = Accumulator()
    for events in await _functions(stage):
        told.take_all(events)
    run = told.final_run
    assert run == await stage.see(run)
    steps = await stage.steps(run)
    assert steps == [{**step, "expires_at": None} for step in told.steps.values()]
    assert (await stage.messages())[1:] == list(told.messages.values())


async def test_text_before_a_call_is_a_message_with_a_step_of_its_own(house: House) -> None:
    """SDK-03, SDK-04: both steps begin before their deltas, and the message ends complete."""
    stage = await on_stage(house, tools=FUNCTIONS)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("Let me", " look.")
        call.call("call_a", "get_weather", "{}")
        call.end(reason="tool_calls")
        events = [event async for event in stream]
    check_transcript("text_before_a_call", events)
    told = Accumulator().take_all(events)
    assert [step["type"] for step in told.steps.values()] == ["message_creation", "tool_calls"]
    assert told.text == "Let me look."


@both_eras
async def test_token_limit(house: House, era: Era) -> None:
    """STR-12, MSG-13, STEP-12, RUN-1E, SDK-06: v2 ends incomplete, v1 completed."""
    stage = await on_stage(house, era)
    async with stage.opened(max_completion_tokens=16) as stream:
        call = await stage.puppet.called()
        assert call.request.max_completion_tokens == 16
        call.say("and so on")
        call.end(10, 16, reason="length")
        events = [event async for event in stream]
    check_transcript(f"token_limit_{era}", events)
    Accumulator().take_all(events)


@both_eras
async def test_failure_before_the_first_token(house: House, era: Era) -> None:
    """STR-13, RUN-1A, RUN-1D: nothing was begun, so only the run fails."""
    stage = await on_stage(house, era)
    async with stage.opened() as stream:
        (await stage.puppet.called()).break_off(UpstreamError("No route to the model."))
        events = [event async for event in stream]
    check_transcript(f"failure_before_{era}", events)
    Accumulator().take_all(events)


@both_eras
async def test_failure_after_the_first_token(house: House, era: Era) -> None:
    """STR-13, STEP-11, MSG-12: message and step end before the run, the text is kept."""
    stage = await on_stage(house, era)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("Half an ans")
        await stream.until("thread.message.delta")
        call.break_off(UpstreamError("The line is dead."))
        rest = [event async for event in stream]
    check_transcript(f"failure_after_{era}", rest)
    assert (await stage.messages())[-1]["content"][0]["text"]["value"] == "Half an ans"


async def test_rate_limit_of_the_model(house: House) -> None:
    """RUN-1D, STEP-10: the code says that it was a rate limit, in run and step."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("x")
        call.break_off(UpstreamError("Slow down.", rate_limited=True))
        events = [event async for event in stream]
    told = Accumulator().take_all(events)
    error = {"code": "rate_limit_exceeded", "message": "Slow down."}
    assert told.final_run["last_error"] == error
    assert [step["last_error"] for step in told.steps.values()] == [error]


@both_eras
async def test_cancel(house: House, era: Era) -> None:
    """STR-13, RUN-17, RUN-18, MSG-14, STEP-11: what was written stays, as incomplete."""
    stage = await on_stage(house, era)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("Once upon")
        events = await stream.until("thread.message.delta")
        run = events[0].data
        cancelling = await stage.client.post(f"{stage.path_of(run)}/cancel")
        assert (cancelling["status"], cancelling["cancelled_at"]) == ("cancelling", None)
        assert cancelling["expires_at"] == run["expires_at"]
        events += [event async for event in stream]
    await call.has_been_given_up()
    check_transcript(f"cancel_{era}", events)
    Accumulator().take_all(events)
    assert texts(await stage.messages()) == ["Hello", "Once upon"]


@both_eras
async def test_expiry(house: House, era: Era) -> None:
    """STR-13, RUN-19, STEP-11, MSG-14: a run that takes too long expires with what it has."""
    stop_clock(house)
    stage = await on_stage(house, era)
    async with stage.opened(headers={"Understudy-Expires-After": "1"}) as stream:
        call = await stage.puppet.called()
        call.say("Endless")
        events = [event async for event in stream]
    await call.has_been_given_up()
    check_transcript(f"expiry_{era}", events)
    Accumulator().take_all(events)


@both_eras
async def test_thread_and_run(house: House, era: Era) -> None:
    """RUN-21, STR-04: the stream of create-thread-and-run begins with the thread."""
    stage = await on_stage(house, era)
    body = {
        "assistant_id": stage.assistant["id"],
        "thread": {"messages": [{"role": "user", "content": "Hi"}], "metadata": {"a": "b"}},
        "stream": True,
    }
    async with stage.client.streamed("POST", "/threads/runs", body) as stream:
        call = await stage.puppet.called()
        call.say("Ho")
        call.end()
        events = [event async for event in stream]
    check_transcript(f"thread_and_run_{era}", events)
    Accumulator().take_all(events)


async def test_refusal(house: House) -> None:
    """MSG-11, SDK-04: a refusal is a part of its own, at the next index."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.refuse("I can't")
        call.refuse(" do that.")
        call.end()
        events = [event async for event in stream]
    Accumulator().take_all(events)
    (message,) = (e.data for e in events if e.name == "thread.message.completed")
    assert message["content"] == [{"type": "refusal", "refusal": "I can't do that."}]


async def test_an_empty_answer_completes_without_a_message(house: House) -> None:
    """STR-04, RUN-36: there is nothing to create, and the tokens are still the run's."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        (await stage.puppet.called()).end(7, 0)
        events = [event async for event in stream]
    assert names(events) == [
        "run.created",
        "run.queued",
        "run.in_progress",
        "run.completed",
        "done",
    ]
    assert events[-2].data["usage"]["total_tokens"] == 7
    assert await stage.steps(events[0].data) == []


async def test_usage_of_the_stream_has_details_only_in_v2(house: House) -> None:
    """RUN-05."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    old = await stage.see(run, house.client("v1"))
    new = await stage.see(run)
    assert list(old["usage"]) == ["prompt_tokens", "completion_tokens", "total_tokens"]
    assert list(new["usage"]) == [
        *("prompt_tokens", "completion_tokens", "total_tokens"),
        *("prompt_token_details", "completion_tokens_details"),
    ]


async def test_bytes_of_a_stream(house: House) -> None:
    """STR-01, STR-14, GEN-02: frames of compact JSON on one line; the last data is unquoted."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("two\nlines")
        call.end()
        whole = await stream.response.read()
    frames = whole.decode().split("\n\n")
    assert frames.pop() == ""
    assert frames.pop() == "event: done\ndata: [DONE]"
    for frame in frames:
        event, id_, data = frame.split("\n")
        assert event.startswith("event: thread.")
        assert id_.startswith("id: ")
        body = data.removeprefix("data: ")
        assert "enabled" not in json.loads(body)  # STR-17
        assert json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False) == body


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/threads/thread_missing/runs", {"assistant_id": "asst_missing"}, 404),
        ("{thread}/runs", {"assistant_id": "asst_missing"}, 404),
        ("{thread}/runs", {}, 400),
        ("{thread}/runs", {"assistant_id": "{assistant}", "colour": "blue"}, 400),
        ("{thread}/runs", {"assistant_id": "{assistant}", "model": "nobody"}, 400),
        ("/threads/runs", {"assistant_id": "asst_missing"}, 404),
        ("{thread}/runs/run_missing/submit_tool_outputs", {"tool_outputs": []}, 404),
    ],
)
async def test_a_refused_stream_is_a_plain_answer(
    house: House, path: str, body: dict[str, Any], status: int
) -> None:
    """STR-01: validation and state errors come before the stream, with their status."""
    stage = await on_stage(house)
    filled = json.loads(json.dumps(body).replace("{assistant}", stage.assistant["id"]))
    error = await stage.client.refused(
        "POST", path.replace("{thread}", stage.path), {**filled, "stream": True}
    )
    assert error.status == status
    assert await stage.client.listed(f"{stage.path}/runs") == []


async def test_a_stream_on_a_busy_thread_is_refused_plainly(house: House) -> None:
    """STR-01, ERR-51."""
    stage = await on_stage(house)
    run, _ = await stage.begin()
    error = await stage.client.refused(
        "POST", f"{stage.path}/runs", {"assistant_id": stage.assistant["id"], "stream": True}
    )
    message = f"Thread {stage.thread['id']} already has an active run {run['id']}."
    assert error == Error(400, message)


async def test_a_silent_stream_is_kept_alive(build: Build) -> None:
    """STR-16: comment lines, which no client takes for an event."""
    stage = await on_stage(await build(keep_alive_seconds=0.02))
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        events = await stream.until("thread.run.in_progress")
        async with asyncio.timeout(20):
            while len(stream.comments) < 2:
                raw = await stream.response.content.readline()
                stream.comments += [raw.decode()] if raw.startswith(b":") else []
        call.say("at last")
        call.end()
        events += [event async for event in stream]
    assert Accumulator().take_all(events).text == "at last"


async def test_an_error_of_the_stream_itself_is_told_nested_and_flat(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STR-15, SDK-10: both shapes in one event, then done; the run goes on."""
    house = await build(keep_alive_seconds=0.02)
    stage = await on_stage(house)

    async def broken(*_: object) -> None:
        raise Unavailable("The database is gone.")

    async with stage.opened() as stream:
        call = await stage.puppet.called()
        run = (await stream.until("thread.run.in_progress"))[0].data
        with monkeypatch.context() as patched:
            patched.setattr(house.ports.storage, "run_history", broken)
            rest = [event async for event in stream]
    error = {
        "message": "The database is gone.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    assert rest == [Event("error", None, {"error": error, **error}), Event("done", None, "[DONE]")]
    call.say("Fine.")
    call.end()
    assert (await stage.client.settled(run))["status"] == "completed"


async def test_a_client_that_hangs_up_does_not_stop_the_run(house: House) -> None:
    """RUN-37."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("Still")
        run = (await stream.until("thread.message.delta"))[0].data
    call.say(" here.")
    call.end()
    assert (await stage.client.settled(run))["status"] == "completed"
    assert texts(await stage.messages()) == ["Hello", "Still here."]


async def test_metadata_changed_while_a_run_streams_survives(house: House) -> None:
    """RUN-40: of the run and of the message that it is writing."""
    stage = await on_stage(house)
    async with stage.opened(metadata={"kept": "no"}) as stream:
        call = await stage.puppet.called()
        call.say("One")
        seen = await stream.until("thread.message.delta")
        run, message_id = seen[0].data, seen[-1].data["id"]
        message_path = f"{stage.path}/messages/{message_id}"
        changed = await stage.client.post(stage.path_of(run), {"metadata": {"a": "b"}})
        assert (changed["status"], changed["metadata"]) == ("in_progress", {"a": "b"})
        await stage.client.post(message_path, {"metadata": {"c": "d"}})
        call.say(" two.")
        call.end()
        Accumulator().take_all([*seen, *[event async for event in stream]])
    run = await stage.see(run)
    assert (run["status"], run["metadata"]) == ("completed", {"a": "b"})
    message = await stage.client.get(message_path)
    assert (message["status"], message["metadata"]) == ("completed", {"c": "d"})
    assert texts([message]) == ["One two."]


async def test_a_deleted_thread_ends_its_streams(build: Build) -> None:
    """THR-05: the model is no longer listened to, and the stream ends with done."""
    stage = await on_stage(await build(keep_alive_seconds=0.02))
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("One")
        await stream.until("thread.message.delta")
        await stage.client.delete(stage.path)
        rest = [event async for event in stream]
    await call.has_been_given_up()
    assert rest[-1].name == "done"


async def test_two_eras_watch_one_run(house: House) -> None:
    """GEN-14: each stream speaks the era of its request, of the same ids and places."""
    stage = await on_stage(house)
    old = house.client("v1")
    async with stage.opened(max_completion_tokens=4) as stream:
        call = await stage.puppet.called()
        run = (await stream.until("thread.run.in_progress"))[0].data
        async with old.streamed("GET", f"{stage.path_of(run)}/events") as second:
            await second.until("thread.run.in_progress")
            call.say("x")
            call.end(1, 4, reason="length")
            new_end = [event async for event in stream]
            old_end = [event async for event in second]
    assert [event.id for event in new_end] == [event.id for event in old_end]
    assert (new_end[-2].name, old_end[-2].name) == ("thread.run.incomplete", "thread.run.completed")
    assert "file_ids" in old_end[-2].data
    assert "file_ids" not in new_end[-2].data


async def test_many_streams_at_once_are_told_apart(house: House, v2: Client) -> None:
    """STR-04: fifty runs at once, each with its own words only."""
    assistant = await v2.assistant()

    async def one(number: int) -> str:
        body = {
            "assistant_id": assistant["id"],
            "thread": {"messages": [{"role": "user", "content": f"number {number}"}]},
        }
        return Accumulator().take_all(await v2.events("/threads/runs", body)).text

    told = await asyncio.gather(*(one(number) for number in range(50)))
    assert told == [f"You said: number {number}" for number in range(50)]
    assert house.script.requests


async def test_a_v1_stream_shows_the_files_of_the_assistant(house: House) -> None:
    """RUN-04, STR-03: run.file_ids in every event, as REST shows them."""
    file = await house.client("v1").upload()
    stage = await on_stage(house, "v1", file_ids=[file["id"]])
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("x")
        call.end()
        events = [event async for event in stream]
    runs = [event.data for event in events if event.name.startswith("thread.run.c")]
    assert runs[-1] == await stage.see(runs[0])
    assert [run["file_ids"] for run in runs] == [[file["id"]]] * 2
