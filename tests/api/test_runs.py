"""Runs over REST: every state, every parameter, every refusal (contract section 9)."""

import asyncio
from typing import Any

import pytest

from understudy.errors import UpstreamBusy, UpstreamError
from understudy.runs import machine
from understudy.runs.happenings import CancelRequested
from understudy.storage.changes import CommitRun

from .client import JSON, Client, Error
from .conftest import Build, House
from .puppet import on_stage, stop_clock, texts
from .test_streams import FUNCTIONS

ZERO = {
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "total_tokens": 0,
    "prompt_token_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
LIFE_SECONDS = 600


def usage(prompt: int, completion: int) -> JSON:
    """Return a usage object of v2 (RUN-05)."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {**ZERO, **counts, "total_tokens": prompt + completion}


def changed(before: JSON, after: JSON) -> JSON:
    """Return the fields of ``after`` that differ."""
    assert list(before) == list(after)
    return {key: value for key, value in after.items() if before[key] != value}


def outputs(*call_ids: str, stream: bool = False) -> JSON:
    """Return the body that submits an output for each call."""
    sent = [{"tool_call_id": call_id, "output": f"of {call_id}"} for call_id in call_ids]
    return {"tool_outputs": sent, **({"stream": True} if stream else {})}


# The object


async def test_the_v1_object(house: House) -> None:
    """RUN-01, RUN-04, D-10: the fields of SPEC1 in the order of the wire."""
    file = await house.client("v1").upload()
    stage = await on_stage(house, "v1", file_ids=[file["id"]])
    run = await stage.run()
    created = run["created_at"]
    assert run == {
        "id": run["id"],
        "object": "thread.run",
        "created_at": created,
        "assistant_id": stage.assistant["id"],
        "thread_id": stage.thread["id"],
        "status": "queued",
        "started_at": None,
        "expires_at": created + LIFE_SECONDS,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "required_action": None,
        "last_error": None,
        "model": "puppet",
        "instructions": None,
        "tools": [],
        "file_ids": [file["id"]],
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "max_completion_tokens": None,
        "max_prompt_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "incomplete_details": None,
        "usage": None,
        "response_format": "auto",
        "tool_choice": "auto",
    }
    assert run["id"].startswith("run_")
    assert len(run["id"]) == len("run_") + 24  # ID-01


async def test_fields_of_the_v2_object(house: House) -> None:
    """RUN-02: tool_resources for file_ids, reasoning_effort, parallel_tool_calls last."""
    stage = await on_stage(house)
    old, new = await stage.run(), None
    await stage.puppet.called()
    new = await stage.see(old)
    keys = list((await stage.see(old, house.client("v1"))).keys())
    keys[keys.index("file_ids")] = "tool_resources"
    keys.insert(keys.index("top_p") + 1, "reasoning_effort")
    assert list(new) == [*keys, "parallel_tool_calls"]
    assert (new["tool_resources"], new["parallel_tool_calls"]) == ({}, True)
    assert new["reasoning_effort"] is None


async def test_v1_run_files_are_those_of_the_assistant_not_of_messages(house: House) -> None:
    """RUN-04."""
    v1 = house.client("v1")
    ours, theirs = await v1.upload(), await v1.upload()
    assistant = await v1.assistant(file_ids=[ours["id"]])
    thread = await v1.post(
        "/threads",
        {"messages": [{"role": "user", "content": "x", "file_ids": [theirs["id"]]}]},
    )
    run = await v1.run(thread["id"], assistant["id"])
    assert run["file_ids"] == [ours["id"]]
    assert (await v1.settled(run))["file_ids"] == [ours["id"]]
    assert [one["file_ids"] for one in await v1.listed(f"/threads/{thread['id']}/runs")] == [
        [ours["id"]]
    ]


async def test_a_run_is_a_snapshot_of_its_assistant(house: House) -> None:
    """RUN-03, ASST-11: edits and even deletion do not reach a run that exists."""
    stage = await on_stage(house, instructions="Old.", tools=FUNCTIONS, temperature=0.5, top_p=0.25)
    run, call = await stage.begin()
    path = f"/assistants/{stage.assistant['id']}"
    await stage.client.post(
        path, {"instructions": "New.", "tools": [], "temperature": 1.5, "model": "scripted"}
    )
    await stage.client.delete(path)
    call.call("call_a", "get_weather", "{}")
    call.end(reason="tool_calls")
    waiting = await stage.client.settled(run)
    assert (waiting["instructions"], waiting["model"]) == ("Old.", "puppet")
    assert (waiting["temperature"], waiting["top_p"]) == (0.5, 0.25)
    assert len(waiting["tools"]) == 2
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    call = await stage.puppet.called()
    assert call.read[0] == ("system", "Old.")
    assert (call.request.temperature, call.request.top_p) == (0.5, 0.25)
    call.end()
    ended = await stage.client.settled(run)
    assert (ended["status"], ended["assistant_id"]) == ("completed", stage.assistant["id"])


# The state machine


async def test_a_run_from_queued_to_completed(house: House) -> None:
    """RUN-10, RUN-11, RUN-15, RUN-36: what REST shows after each state."""
    stage = await on_stage(house)
    queued, call = await stage.begin()
    assert queued["status"] == "queued"
    working = await stage.see(queued)
    started = working["started_at"]
    assert changed(queued, working) == {"status": "in_progress", "started_at": started}
    assert queued["created_at"] <= started <= queued["created_at"] + 30
    call.say("Hi.")
    call.end(12, 3)
    done = await stage.client.settled(queued)
    assert changed(working, done) == {
        "status": "completed",
        "expires_at": None,
        "completed_at": done["completed_at"],
        "usage": usage(12, 3),
    }
    assert started <= done["completed_at"] <= started + 30


async def test_a_run_with_functions(house: House) -> None:
    """RUN-12 to RUN-15, RUN-36: usage stays null until the end, then it is the sum."""
    stage = await on_stage(house, tools=FUNCTIONS)
    queued, call = await stage.begin()
    working = await stage.see(queued)
    call.call("call_a", "get_weather", '{"city": "Oslo"}')
    call.call("call_b", "get_time", "{}")
    call.end(284, 20, reason="tool_calls")
    waiting = await stage.client.settled(queued)
    calls = [
        {
            "id": "call_a",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
        },
        {"id": "call_b", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
    ]
    assert changed(working, waiting) == {
        "status": "requires_action",
        "required_action": {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": calls},
        },
    }
    submitted = await stage.client.post(
        f"{stage.path_of(queued)}/submit_tool_outputs", outputs("call_b", "call_a")
    )
    assert changed(waiting, submitted) == {"status": "queued", "required_action": None}
    call = await stage.puppet.called()
    assert [message["role"] for message in call.request.messages] == [
        *("user", "assistant", "tool", "tool")
    ]
    assert call.read[-2:] == [("tool", "of call_a"), ("tool", "of call_b")]
    again = await stage.see(queued)
    assert set(changed(submitted, again)) <= {"status", "started_at"}
    assert again["started_at"] >= waiting["started_at"]  # RUN-14: the last start
    call.end(260, 4)
    done = await stage.client.settled(queued)
    assert done["usage"] == usage(544, 24)
    assert (done["required_action"], done["expires_at"]) == (None, None)


async def test_started_at_is_the_last_start(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """RUN-13, RUN-14: kept while queued again, new when a worker picks the run up."""
    stage = await on_stage(house, tools=FUNCTIONS)
    waiting = await stage.calling("get_weather")
    now = house.ports.clock.now()
    monkeypatch.setattr(house.ports.clock, "now", lambda: now + 100)
    submitted = await stage.client.post(
        f"{stage.path_of(waiting)}/submit_tool_outputs", outputs("call_get_weather")
    )
    assert submitted["started_at"] == waiting["started_at"]
    await stage.puppet.called()
    again = await stage.see(waiting)
    assert again["started_at"] == int(now + 100)
    assert again["expires_at"] == waiting["expires_at"]  # no extension


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_a_run_that_spends_its_tokens(house: House, era: Any) -> None:
    """RUN-16, RUN-1E, RUN-1F, D-20, MSG-13, STEP-12: incomplete, which v1 calls completed."""
    stage = await on_stage(house, era)
    run, call = await stage.begin(max_completion_tokens=16)
    working = await stage.see(run)
    call.say("and so on")
    call.end(10, 16, reason="length")
    done = await stage.client.settled(run)
    assert changed(working, done) == {
        "status": {"v1": "completed", "v2": "incomplete"}[era],
        "expires_at": None,
        "completed_at": done["completed_at"],
        "incomplete_details": {"reason": "max_completion_tokens"},
        "usage": done["usage"],
    }
    assert done["usage"]["total_tokens"] == 26
    message = (await stage.messages())[-1]
    assert (message["status"], message["completed_at"]) == ("incomplete", None)
    assert message["incomplete_details"] == {"reason": "max_tokens"}
    assert (await stage.steps(run))[0]["status"] == "completed"


async def test_a_content_filter_ends_a_run_incomplete(house: House) -> None:
    """RUN-16, RUN-1F, MSG-12."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("Well")
    call.end(reason="content_filter")
    done = await stage.client.settled(run)
    assert done["status"] == "incomplete"
    assert done["incomplete_details"] == {"reason": "content_filter"}
    assert (await stage.messages())[-1]["incomplete_details"] == {"reason": "content_filter"}


async def test_a_run_that_fails(house: House) -> None:
    """RUN-1A, RUN-1D, STEP-11: failed_at and last_error; completed_at stays null."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    working = await stage.see(run)
    call.say("Half")
    call.break_off(UpstreamError("The line is dead."))
    done = await stage.client.settled(run)
    error = {"code": "server_error", "message": "The line is dead."}
    assert changed(working, done) == {
        "status": "failed",
        "expires_at": None,
        "failed_at": done["failed_at"],
        "last_error": error,
        "usage": ZERO,
    }
    (step,) = await stage.steps(run)
    assert (step["status"], step["last_error"]) == ("failed", error)
    assert step["failed_at"] == done["failed_at"]
    message = (await stage.messages())[-1]
    assert (message["status"], texts([message])) == ("incomplete", ["Half"])
    assert message["incomplete_details"] == {"reason": "run_failed"}


async def test_an_error_of_ours_is_sorry(house: House) -> None:
    """RUN-1D: `Sorry, something went wrong.`; the cause stands in the log only."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.break_off(ZeroDivisionError("a secret of the server"))
    done = await stage.client.settled(run)
    message = "Sorry, something went wrong."
    assert done["last_error"] == {"code": "server_error", "message": message}


async def test_a_busy_model_is_asked_again(house: House) -> None:
    """RUN-1D: a rate limit before the first byte does not end a run that has time left."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    for limited in (True, False):
        busy = UpstreamBusy("Slow down.", rate_limited=limited, retry_after_seconds=0)
        call.break_off(busy)
        call = await stage.puppet.called()
    assert (await stage.see(run))["status"] == "in_progress"
    call.say("Now.")
    call.end(3, 2)
    done = await stage.client.settled(run)
    assert (done["status"], done["usage"]) == ("completed", usage(3, 2))
    assert len(await stage.steps(run)) == 1


@pytest.mark.parametrize(
    ("limited", "code"), [(True, "rate_limit_exceeded"), (False, "server_error")]
)
async def test_a_model_that_stays_busy_ends_the_run(
    house: House, code: str, *, limited: bool
) -> None:
    """RUN-1D: when it asks for more time than the run has."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.break_off(UpstreamBusy("Slow down.", rate_limited=limited, retry_after_seconds=3600))
    done = await stage.client.settled(run)
    assert done["last_error"] == {"code": code, "message": "Slow down."}
    assert done["status"] == "failed"


async def test_a_run_that_waits_for_a_busy_model_can_be_cancelled(house: House) -> None:
    """RUN-17: at once, not after the pause."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.break_off(UpstreamBusy("Slow down.", rate_limited=True, retry_after_seconds=500))
    await call.has_been_given_up()
    await stage.client.post(f"{stage.path_of(run)}/cancel")
    assert (await stage.client.settled(run))["status"] == "cancelled"


async def test_usage_of_a_failed_run_is_that_of_finished_steps(house: House) -> None:
    """RUN-1A."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    await stage.client.post(
        f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_get_weather")
    )
    (await stage.puppet.called()).break_off()
    assert (await stage.client.settled(run))["usage"] == usage(10, 5)


async def test_cancelling_a_run_in_progress(house: House) -> None:
    """RUN-17, RUN-18, MSG-14: the POST shows cancelling; the worker then stops."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("Once upon")
    working = await stage.see(run)
    cancelling = await stage.client.post(f"{stage.path_of(run)}/cancel")
    assert changed(working, cancelling) == {"status": "cancelling"}
    await call.has_been_given_up()
    done = await stage.client.settled(run)
    assert changed(working, done) == {
        "status": "cancelled",
        "expires_at": None,
        "cancelled_at": done["cancelled_at"],
        "usage": ZERO,
    }


async def test_cancelling_a_run_that_waits_for_outputs(house: House) -> None:
    """RUN-17, RUN-18, STEP-11: the calls are over; usage is that of the model's turn."""
    stage = await on_stage(house, tools=FUNCTIONS)
    waiting = await stage.calling("get_weather")
    cancelling = await stage.client.post(f"{stage.path_of(waiting)}/cancel")
    assert cancelling["status"] == "cancelling"
    assert (cancelling["cancelled_at"], cancelling["expires_at"]) == (None, waiting["expires_at"])
    done = await stage.client.settled(waiting)
    assert changed(waiting, done) == {
        "status": "cancelled",
        "expires_at": None,
        "cancelled_at": done["cancelled_at"],
        "required_action": None,
        "usage": usage(10, 5),
    }
    (step,) = await stage.steps(waiting)
    assert (step["status"], step["cancelled_at"]) == ("cancelled", done["cancelled_at"])
    assert await stage.run()  # RUN-1B: the thread is free


async def test_cancelling_a_queued_run(build: Build) -> None:
    """RUN-17, RUN-18: nobody works on it, so it is over at once, and the thread is free."""
    house = await build(worker=False)
    v2 = house.client()
    assistant, thread = await v2.assistant(), await v2.thread("Hello")
    run = await v2.run(thread["id"], assistant["id"])
    path = f"/threads/{thread['id']}/runs/{run['id']}"
    cancelling = await v2.post(f"{path}/cancel")
    assert changed(run, cancelling) == {"status": "cancelling"}
    assert (await v2.get(path))["status"] == "cancelled"
    await v2.run(thread["id"], assistant["id"])


async def leave_cancelling(house: House, run: JSON) -> None:
    """Ask for the end of a run whose worker does not get to it."""
    record = await house.ports.storage.run_record(run["id"])
    assert record is not None
    change = machine.apply(record.state, CancelRequested(), house.ports.now)
    order = CommitRun(change=change, project_id=record.project_id)
    assert (await house.ports.storage.write(order)).applied


async def test_a_cancelling_run_is_still_active(build: Build) -> None:
    """RUN-42."""
    house = await build(worker=False)
    v2 = house.client()
    assistant, thread = await v2.assistant(), await v2.thread("Hello")
    run = await v2.run(thread["id"], assistant["id"])
    await leave_cancelling(house, run)
    path = f"/threads/{thread['id']}/runs"
    error = await v2.refused("POST", path, {"assistant_id": assistant["id"]})
    assert "already has an active run" in error.message
    error = await v2.refused("POST", f"{path}/{run['id']}/cancel")
    assert error == Error(400, "Cannot cancel run with status 'cancelling'.")


async def test_expiry_of_a_run_in_progress(house: House) -> None:
    """RUN-19, RUN-1C, STEP-11, MSG-14: no expired_at, no completed_at on the run."""
    stop_clock(house)
    stage = await on_stage(house)
    run, call = await stage.begin(headers={"Understudy-Expires-After": "1"})
    assert run["expires_at"] == run["created_at"] + 1
    call.say("Half")
    done = await stage.client.settled(run)
    await call.has_been_given_up()
    assert changed(run, done) == {
        "status": "expired",
        "started_at": done["started_at"],
        "expires_at": None,
        "usage": ZERO,
    }
    (step,) = await stage.steps(run)
    assert step["status"] == "expired"
    assert isinstance(step["expired_at"], int)
    message = (await stage.messages())[-1]
    assert message["incomplete_details"] == {"reason": "run_expired"}
    assert texts([message]) == ["Half"]


async def test_expiry_while_waiting_for_outputs(build: Build) -> None:
    """RUN-19, RUN-1C: the limit covers the wait for outputs; the setting is honoured."""
    stage = await on_stage(await build(expires_after_seconds=1000), tools=FUNCTIONS)
    clock = stop_clock(stage.house)
    waiting = await stage.calling("get_weather")
    assert waiting["expires_at"] == waiting["created_at"] + 1000
    clock.advance(999)
    assert waiting["id"] not in await stage.house.ports.storage.overdue(clock.now(), 10)
    assert await stage.see(waiting) == waiting
    clock.advance(1)
    path = f"{stage.path_of(waiting)}/events"
    async with stage.client.streamed("GET", path) as stream:
        await stream.until("done")
    done = await stage.see(waiting)
    assert changed(waiting, done) == {
        "status": "expired",
        "expires_at": None,
        "required_action": None,
        "usage": usage(10, 5),
    }
    (step,) = await stage.steps(waiting)
    assert (step["status"], step["expired_at"]) == ("expired", waiting["expires_at"])
    error = await stage.client.refused(
        "POST", f"{stage.path_of(waiting)}/submit_tool_outputs", outputs("call_get_weather")
    )
    assert error == Error(400, 'Runs in status "expired" do not accept tool outputs.')


async def test_a_finished_run_frees_its_thread(house: House) -> None:
    """RUN-1B, THR-08."""
    stage = await on_stage(house)
    for _ in range(3):
        run, call = await stage.begin()
        call.say("Hi.")
        call.end()
        assert (await stage.client.settled(run))["status"] == "completed"
        await stage.client.say(stage.thread["id"], "Again")


# Create: who may, and what may not be


async def test_a_second_run_on_a_busy_thread(house: House) -> None:
    """RUN-22, ERR-51."""
    stage = await on_stage(house)
    run, _ = await stage.begin()
    body = {"assistant_id": stage.assistant["id"]}
    error = await stage.client.refused("POST", f"{stage.path}/runs", body)
    message = f"Thread {stage.thread['id']} already has an active run {run['id']}."
    assert error == Error(400, message)
    assert await stage.client.listed(f"{stage.path}/runs") == [await stage.see(run)]


async def test_concurrent_creates_give_exactly_one_run(house: House) -> None:
    """RUN-22: check and set are one."""
    stage = await on_stage(house)
    body = {"assistant_id": stage.assistant["id"]}
    answers = await asyncio.gather(
        *(stage.client.send("POST", f"{stage.path}/runs", body) for _ in range(20))
    )
    assert sorted(answer.status for answer in answers) == [200] + [400] * 19
    (run,) = await stage.client.listed(f"{stage.path}/runs")
    refused = {answer.error.message for answer in answers if answer.status == 400}
    assert refused == {f"Thread {stage.thread['id']} already has an active run {run['id']}."}


async def test_messages_on_a_busy_thread(house: House) -> None:
    """THR-08, ERR-50: none may be added, also while the run waits for outputs."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin()
    body = {"role": "user", "content": "x"}
    error = await stage.client.refused("POST", f"{stage.path}/messages", body)
    told = f"Can't add messages to {stage.thread['id']} while a run {run['id']} is active."
    assert error == Error(400, told)
    call.call("call_a", "get_weather", "{}")
    call.end(reason="tool_calls")
    await stage.client.settled(run)
    assert await stage.client.refused("POST", f"{stage.path}/messages", body) == error
    assert texts(await stage.messages()) == ["Hello"]


async def test_a_message_and_a_run_at_once(house: House) -> None:
    """THR-08: each message is there before the run or refused, whoever comes first."""
    stage = await on_stage(house)
    body = {"role": "user", "content": "x"}
    sent = [stage.client.send("POST", f"{stage.path}/messages", body) for _ in range(10)]
    run, answers = await asyncio.gather(stage.run(), asyncio.gather(*sent))
    call = await stage.puppet.called()
    accepted = sum(answer.status == 200 for answer in answers)
    assert len(call.read) == 1 + accepted
    assert {answer.status for answer in answers} <= {200, 400}
    assert len(await stage.messages()) == 1 + accepted
    assert run["status"] == "queued"


async def test_v2_wants_something_to_go_on(house: House, v2: Client, v1: Client) -> None:
    """RUN-23, ERR-56: v1 accepted the same request."""
    assistant, thread = await v2.assistant(), await v2.thread()
    body: JSON = {"assistant_id": assistant["id"]}
    told = "Run creation requires a Thread with a user message or an assistant with instructions."
    path = f"/threads/{thread['id']}/runs"
    assert await v2.refused("POST", path, body) == Error(400, told, code="invalid_thread")
    assert await v2.refused("POST", "/threads/runs", body) == Error(
        400, told, code="invalid_thread"
    )
    await v2.post(f"/threads/{thread['id']}/messages", {"role": "assistant", "content": "Hm."})
    assert (await v2.refused("POST", path, body)).code == "invalid_thread"
    assert await v2.listed(path) == []
    for more in (
        {"instructions": "Talk."},
        {"additional_instructions": "Talk."},
        {"additional_messages": [{"role": "user", "content": "Hi"}]},
    ):
        settled = await v2.settled(await v2.post(path, {**body, **more}))
        assert settled["status"] == "completed"
    empty = await v1.thread()
    run = await v1.run(empty["id"], assistant["id"])
    assert (await v1.settled(run))["status"] == "completed"
    assert house.script.requests[-1].messages == []


async def test_an_old_user_message_is_something_to_go_on(v2: Client) -> None:
    """RUN-23: however many messages have come after it."""
    assistant = await v2.assistant()
    messages = [{"role": "user", "content": "Hi"}]
    messages += [{"role": "assistant", "content": "x"}] * 100
    thread = await v2.post("/threads", {"messages": messages})
    assert (await v2.run(thread["id"], assistant["id"]))["status"] == "queued"


async def test_only_the_assistant_is_required(either: Client) -> None:
    """RUN-20, D-12, ERR-20."""
    thread = await either.thread("Hello")
    error = await either.refused("POST", f"/threads/{thread['id']}/runs", {})
    message = "Missing required parameter: 'assistant_id'."
    assert error == Error(400, message, param="assistant_id", code="missing_required_parameter")


@pytest.mark.parametrize("name", ["colour", "file_ids", "tool_resources", "n", "messages"])
async def test_unknown_parameters_are_refused(either: Client, name: str) -> None:
    """RUN-20, RUN-26, ERR-21: tool_resources cannot be overridden for a run."""
    assistant, thread = await either.assistant(), await either.thread("Hello")
    body = {"assistant_id": assistant["id"], name: {}}
    error = await either.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert (error.param, error.code) == (name, "unknown_parameter")
    assert error.message.startswith(f"Unknown parameter: '{name}'.")
    assert await either.listed(f"/threads/{thread['id']}/runs") == []


@pytest.mark.parametrize("name", ["parallel_tool_calls", "reasoning_effort"])
async def test_parameters_that_v1_did_not_know(v1: Client, name: str) -> None:
    """RUN-20."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    body = {"assistant_id": assistant["id"], name: None}
    error = await v1.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert (error.param, error.code) == (name, "unknown_parameter")


async def test_null_is_as_good_as_absent(either: Client) -> None:
    """RUN-29."""
    assistant = await either.assistant(instructions="Be brief.", temperature=0.5)
    thread = await either.thread("Hello")
    names = (
        *("model", "instructions", "additional_instructions", "additional_messages", "tools"),
        *("metadata", "temperature", "top_p", "stream", "max_prompt_tokens"),
        *("max_completion_tokens", "truncation_strategy", "tool_choice", "response_format"),
    )
    body = {"assistant_id": assistant["id"], **dict.fromkeys(names)}
    run = await either.post(f"/threads/{thread['id']}/runs", body)
    assert (run["instructions"], run["temperature"], run["top_p"]) == ("Be brief.", 0.5, 1.0)
    assert (run["tool_choice"], run["response_format"], run["metadata"]) == ("auto", "auto", {})


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ({"temperature": 2.5}, "decimal_above_max_value"),
        ({"temperature": -1}, "decimal_below_min_value"),
        ({"top_p": 1.5}, "decimal_above_max_value"),
        ({"max_completion_tokens": 0}, "integer_below_min_value"),
        ({"max_prompt_tokens": 0}, "integer_below_min_value"),
        ({"stream": "yes"}, "invalid_type"),
        ({"model": 4}, "invalid_type"),
        ({"truncation_strategy": {"type": "first"}}, "invalid_value"),
        ({"truncation_strategy": {"type": "last_messages"}}, "missing_required_parameter"),
        ({"truncation_strategy": {"type": "last_messages", "last_messages": 0}}, None),
        ({"tool_choice": "sometimes"}, "invalid_value"),
        ({"response_format": "json"}, "invalid_value"),
        ({"metadata": {"k" * 65: "v"}}, None),
        ({"additional_messages": [{"role": "system", "content": "x"}]}, "invalid_value"),
        ({"tools": [{"type": "browser"}]}, "invalid_value"),
    ],
)
async def test_bad_values_are_refused_and_nothing_is_written(
    either: Client, field: JSON, code: str | None
) -> None:
    """RUN-25, RUN-27, RUN-31, ERR-20 to ERR-29: 400, never 422, with the name of the field."""
    assistant, thread = await either.assistant(), await either.thread("Hello")
    body = {"assistant_id": assistant["id"], **field}
    error = await either.refused("POST", f"/threads/{thread['id']}/runs", body)
    (name,) = field
    assert error.status == 400
    assert error.type == "invalid_request_error"
    assert (error.param or "").startswith(name), error
    assert code in {None, error.code}, error
    assert await either.listed(f"/threads/{thread['id']}/runs") == []
    assert len(await either.listed(f"/threads/{thread['id']}/messages")) == 1


async def test_a_budget_of_sixteen_is_accepted(either: Client) -> None:
    """RUN-27, D-08: the hosted API took less than the 256 of its schema."""
    assistant, thread = await either.assistant(), await either.thread("Hello")
    run = await either.run(
        thread["id"], assistant["id"], max_completion_tokens=16, max_prompt_tokens=1
    )
    assert (run["max_completion_tokens"], run["max_prompt_tokens"]) == (16, 1)


async def test_an_unknown_model_is_refused(v2: Client) -> None:
    """ERR-58, D-21: any string is a model's name, but somebody has to serve it."""
    assistant, thread = await v2.assistant(), await v2.thread("Hello")
    body = {"assistant_id": assistant["id"], "model": "gpt-nobody"}
    error = await v2.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert (error.status, error.param, error.code) == (400, "model", "model_not_found")
    assert error.message.startswith("The requested model 'gpt-nobody' does not exist.")


async def test_missing_objects_in_the_order_of_the_checks(v2: Client) -> None:
    """AUTH-08, ERR-40, ASST-11: schema first, then the thread, then the assistant."""
    assistant, thread = await v2.assistant(), await v2.thread("Hello")
    body = {"assistant_id": "asst_missing"}
    error = await v2.refused("POST", "/threads/thread_missing/runs", {**body, "x": 1})
    assert error.status == 400
    error = await v2.refused("POST", "/threads/thread_missing/runs", body)
    assert error == Error(404, "No thread found with id 'thread_missing'.")
    error = await v2.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert error == Error(404, "No assistant found with id 'asst_missing'.")
    await v2.delete(f"/assistants/{assistant['id']}")
    body = {"assistant_id": assistant["id"]}
    error = await v2.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert error == Error(404, f"No assistant found with id '{assistant['id']}'.")


# Create: what the parameters do


async def test_overrides_hold_for_this_run_only(house: House) -> None:
    """RUN-26, RUN-28."""
    stage = await on_stage(house, instructions="Old.", tools=FUNCTIONS[:1], temperature=0.5)
    tools = [{"type": "function", "function": {"name": f"f{number}"}} for number in range(128)]
    run, call = await stage.begin(
        instructions="New.", tools=tools, temperature=0.75, top_p=0.5, metadata={"a": "b"}
    )
    assert (run["instructions"], run["temperature"], run["top_p"]) == ("New.", 0.75, 0.5)
    assert len(run["tools"]) == 128
    assert run["metadata"] == {"a": "b"}
    assert call.read[0] == ("system", "New.")
    assert (call.request.temperature, call.request.top_p) == (0.75, 0.5)
    assert len(call.request.tools) == 128
    call.end()
    await stage.client.settled(run)
    assistant = await stage.client.get(f"/assistants/{stage.assistant['id']}")
    assert assistant == stage.assistant
    following, call = await stage.begin()
    assert (following["instructions"], following["temperature"]) == ("Old.", 0.5)


async def test_tools_may_be_overridden_with_none(house: House) -> None:
    """RUN-26: an empty list is not null."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin(tools=[])
    assert run["tools"] == []
    assert [*call.request.tools] == []


async def test_the_model_may_be_overridden(house: House) -> None:
    """RUN-26, D-21."""
    stage = await on_stage(house)
    run = await stage.run(model="scripted")
    assert run["model"] == "scripted"
    assert (await stage.client.settled(run))["status"] == "completed"
    assert texts(await stage.messages()) == ["Hello", "You said: Hello"]


@pytest.mark.parametrize(
    ("own", "fields", "merged"),
    [
        (None, {}, None),
        ("A.", {}, "A."),
        ("A.", {"additional_instructions": "B."}, "A.\nB."),
        ("A.", {"instructions": "C.", "additional_instructions": "B."}, "C.\nB."),
        (None, {"additional_instructions": "B."}, "B."),
        ("A.", {"instructions": ""}, None),
    ],
)
async def test_instructions_are_merged(
    house: House, own: str | None, fields: JSON, merged: str | None
) -> None:
    """RUN-32, RUN-03: the run shows what the model reads; null if there are none."""
    stage = await on_stage(house, instructions=own)
    run, call = await stage.begin(**fields)
    assert run["instructions"] == merged
    assert call.read == [*([("system", merged)] if merged else []), ("user", "Hello")]


async def test_additional_messages_come_before_the_run(house: House) -> None:
    """RUN-25: appended in order, with metadata, kept when the run fails."""
    stage = await on_stage(house)
    more = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two", "metadata": {"a": "b"}},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]},
    ]
    run, call = await stage.begin(additional_messages=more)
    assert [text for _, text in call.read] == ["Hello", "One", "Two", "Three"]
    call.break_off()
    await stage.client.settled(run)
    messages = await stage.messages()
    assert texts(messages) == ["Hello", "One", "Two", "Three"]
    assert [message["role"] for message in messages] == ["user", "user", "assistant", "user"]
    assert messages[2]["metadata"] == {"a": "b"}
    assert {(message["run_id"], message["assistant_id"]) for message in messages} == {
        (None, None)
    }  # MSG-08


async def test_no_additional_messages_are_fine(either: Client) -> None:
    """RUN-25."""
    assistant, thread = await either.assistant(), await either.thread("Hello")
    run = await either.run(thread["id"], assistant["id"], additional_messages=[])
    assert (await either.settled(run))["status"] == "completed"


async def test_additional_messages_of_a_refused_run_are_not_written(house: House) -> None:
    """RUN-25, RUN-22, ERR-43."""
    stage = await on_stage(house)
    body = {
        "assistant_id": stage.assistant["id"],
        "additional_messages": [
            {"role": "user", "content": "One"},
            {
                "role": "user",
                "content": "Two",
                "attachments": [
                    {"file_id": "file-missing", "tools": [{"type": "code_interpreter"}]}
                ],
            },
        ],
    }
    error = await stage.client.refused("POST", f"{stage.path}/runs", body)
    assert error == Error(404, "Files [file-missing] were not found")
    await stage.begin()
    body["additional_messages"] = [{"role": "user", "content": "One"}]
    assert (await stage.client.refused("POST", f"{stage.path}/runs", body)).status == 400
    assert texts(await stage.messages()) == ["Hello"]


async def test_additional_messages_with_files_in_v1(house: House) -> None:
    """RUN-25: file_ids in v1."""
    v1 = house.client("v1")
    file = await v1.upload()
    assistant, thread = await v1.assistant(), await v1.thread()
    more = [{"role": "user", "content": "See", "file_ids": [file["id"]]}]
    await v1.settled(await v1.run(thread["id"], assistant["id"], additional_messages=more))
    (message, _) = await v1.listed(f"/threads/{thread['id']}/messages?order=asc")
    assert message["file_ids"] == [file["id"]]


async def test_budgets_are_of_the_whole_run(house: House) -> None:
    """RUN-30: the worked example of the guide: 500/1000, 200/300 used, 300/700 left."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin(max_prompt_tokens=500, max_completion_tokens=1000)
    assert call.request.max_completion_tokens == 1000
    call.call("call_a", "get_weather", "{}")
    call.end(200, 300, reason="tool_calls")
    await stage.client.settled(run)
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    call = await stage.puppet.called()
    assert call.request.max_completion_tokens == 700
    call.say("x")
    call.end(300, 700)
    done = await stage.client.settled(run)
    assert (done["status"], done["usage"]["total_tokens"]) == ("completed", 1500)


@pytest.mark.parametrize(
    ("prompt", "completion", "reason"),
    [(200, 1, "max_prompt_tokens"), (1, 300, "max_completion_tokens")],
)
async def test_a_spent_budget_ends_the_run(
    house: House, prompt: int, completion: int, reason: str
) -> None:
    """RUN-30, RUN-1F: there is nothing left for another call of the model."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin(max_prompt_tokens=200, max_completion_tokens=300)
    call.call("call_a", "get_weather", "{}")
    call.end(prompt, completion, reason="tool_calls")
    await stage.client.settled(run)
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    done = await stage.client.settled(run)
    assert (done["status"], done["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert stage.puppet.is_idle
    assert done["usage"] == usage(prompt, completion)


async def test_truncation_to_the_last_messages(house: House) -> None:
    """RUN-31: the n most recent of the thread."""
    stage = await on_stage(house, instructions="Be brief.")
    for number in range(5):
        await stage.client.say(stage.thread["id"], f"number {number}")
    strategy = {"type": "last_messages", "last_messages": 2}
    run, call = await stage.begin(truncation_strategy=strategy)
    assert run["truncation_strategy"] == strategy
    assert [text for _, text in call.read] == ["Be brief.", "number 3", "number 4"]


async def test_truncation_drops_messages_from_the_middle(house: House) -> None:
    """RUN-31, RUN-30: until the prompt budget fits; the first and the last stay."""
    stage = await on_stage(house)
    for number in range(20):
        await stage.client.say(stage.thread["id"], f"number {number} " + "x" * 400)
    _, call = await stage.begin(max_prompt_tokens=500)
    heard = [str(text) for _, text in call.read]
    assert heard[0] == "Hello"
    assert heard[-1].startswith("number 19 ")
    assert 3 <= len(heard) <= 5


async def test_no_truncation_by_default(house: House) -> None:
    """RUN-31, THR-07."""
    stage = await on_stage(house)
    for number in range(120):
        await stage.client.say(stage.thread["id"], str(number))
    run, call = await stage.begin()
    assert run["truncation_strategy"] == {"type": "auto", "last_messages": None}
    assert len(call.read) == 121


@pytest.mark.parametrize(
    ("choice", "first", "second"),
    [
        ("auto", None, None),
        ("none", "none", "none"),
        ("required", "required", None),
        (
            {"type": "function", "function": {"name": "get_weather"}},
            {"type": "function", "function": {"name": "get_weather"}},
            None,
        ),
    ],
)
async def test_a_forced_tool_binds_the_first_call_only(
    house: House, choice: Any, first: Any, second: Any
) -> None:
    """RUN-33, RUN-34: echoed as sent."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin(tool_choice=choice)
    assert run["tool_choice"] == choice
    assert call.request.tool_choice == first
    call.call("call_a", "get_weather", "{}")
    call.end(reason="tool_calls")
    await stage.client.settled(run)
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    call = await stage.puppet.called()
    assert call.request.tool_choice == second


async def test_tool_choices_by_era(v1: Client, v2: Client) -> None:
    """RUN-33, ERR-23: required and file_search came with v2."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    path = f"/threads/{thread['id']}/runs"
    for client, choice in (
        (v1, "required"),
        (v1, {"type": "file_search"}),
        (v2, {"type": "retrieval"}),
    ):
        body = {"assistant_id": assistant["id"], "tool_choice": choice}
        error = await client.refused("POST", path, body)
        assert (error.status, error.code) == (400, "invalid_value"), choice
        assert (error.param or "").startswith("tool_choice")


@pytest.mark.parametrize(
    "wanted",
    [
        "auto",
        {"type": "text"},
        {"type": "json_object"},
        {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
    ],
)
async def test_response_formats_of_v2(house: House, wanted: Any) -> None:
    """RUN-34, D-09: echoed as sent, and handed to the model when it is JSON."""
    stage = await on_stage(house)
    run, call = await stage.begin(response_format=wanted)
    assert run["response_format"] == wanted
    is_json = isinstance(wanted, dict) and wanted["type"] != "text"
    assert call.request.response_format == (wanted if is_json else None)


@pytest.mark.parametrize("wanted", ["auto", "none", {"type": "text"}, {"type": "json_object"}])
async def test_response_formats_of_v1(v1: Client, wanted: Any) -> None:
    """RUN-34."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    run = await v1.run(thread["id"], assistant["id"], response_format=wanted)
    assert run["response_format"] == wanted


async def test_json_and_hosted_tools_do_not_go_together(v2: Client) -> None:
    """ERR-60, ASST-13: also when only the run asks for JSON."""
    assistant = await v2.assistant(tools=[{"type": "code_interpreter"}])
    thread = await v2.thread("Hello")
    body = {"assistant_id": assistant["id"], "response_format": {"type": "json_object"}}
    error = await v2.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert error.message == (
        "Invalid tools: all tools must be of type `function` when `response_format` is of type "
        "`json_object`."
    )
    assert (error.status, error.param, error.code) == (400, None, None)


async def test_one_call_at_a_time(house: House) -> None:
    """RUN-35: the model is told, and what it calls beyond the first is left out."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin(parallel_tool_calls=False)
    assert run["parallel_tool_calls"] is False
    assert call.request.parallel_tool_calls is False
    call.call("call_a", "get_weather", "{}")
    call.call("call_b", "get_time", "{}")
    call.end(reason="tool_calls")
    waiting = await stage.client.settled(run)
    calls = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [one["id"] for one in calls] == ["call_a"]


async def test_reasoning_effort(house: House) -> None:
    """RUN-20, ASST-14: of the assistant, or of the run."""
    stage = await on_stage(house, reasoning_effort="low")
    run, call = await stage.begin()
    assert (run["reasoning_effort"], call.request.reasoning_effort) == ("low", "low")
    call.end()
    await stage.client.settled(run)
    run, call = await stage.begin(reasoning_effort="high")
    assert (run["reasoning_effort"], call.request.reasoning_effort) == ("high", "high")


async def test_metadata_of_a_run_by_era(v1: Client, v2: Client) -> None:
    """D-18: v1 made strings of scalars as Python does, v2 refuses them (ERR-22)."""
    assistant, thread = await v1.assistant(), await v1.thread("Hello")
    run = await v1.run(thread["id"], assistant["id"], metadata={"a": True, "b": 3})
    assert run["metadata"] == {"a": "True", "b": "3"}
    await v1.settled(run)
    body = {"assistant_id": assistant["id"], "metadata": {"a": True}}
    error = await v2.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert error.message == (
        "Invalid type for 'metadata.a': expected a string, but got a boolean instead."
    )


# Create thread and run


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_a_thread_and_a_run_at_once(house: House, era: Any) -> None:
    """RUN-21: returns the run; the thread has its messages and metadata."""
    client = house.client(era)
    assistant = await client.assistant()
    body = {
        "assistant_id": assistant["id"],
        "thread": {
            "messages": [{"role": "user", "content": "Hi"}],
            "metadata": {"a": "b"},
        },
        "metadata": {"c": "d"},
    }
    run = await client.post("/threads/runs", body)
    assert (run["object"], run["metadata"]) == ("thread.run", {"c": "d"})
    thread = await client.get(f"/threads/{run['thread_id']}")
    assert thread["metadata"] == {"a": "b"}
    assert (await client.settled(run))["status"] == "completed"
    messages = await client.listed(f"/threads/{thread['id']}/messages?order=asc")
    assert texts(messages) == ["Hi", "You said: Hi"]


async def test_resources_of_a_thread_and_run_go_to_the_thread(v2: Client) -> None:
    """RUN-21."""
    file = await v2.upload()
    resources = {"code_interpreter": {"file_ids": [file["id"]]}}
    assistant = await v2.assistant(instructions="Go.")
    run = await v2.post(
        "/threads/runs", {"assistant_id": assistant["id"], "tool_resources": resources}
    )
    assert run["tool_resources"] == {}  # RUN-02
    thread = await v2.get(f"/threads/{run['thread_id']}")
    assert thread["tool_resources"] == resources


@pytest.mark.parametrize("name", ["additional_messages", "additional_instructions", "thread_id"])
async def test_what_only_an_existing_thread_can_have(either: Client, name: str) -> None:
    """RUN-21, ERR-21."""
    assistant = await either.assistant(instructions="Go.")
    body = {"assistant_id": assistant["id"], name: "x"}
    error = await either.refused("POST", "/threads/runs", body)
    assert (error.status, error.param, error.code) == (400, name, "unknown_parameter")


async def test_a_refused_thread_and_run_leaves_no_thread(v2: Client) -> None:
    """RUN-21, RUN-25: both or neither."""
    body = {
        "assistant_id": "asst_missing",
        "thread": {"messages": [{"role": "user", "content": "Hi"}]},
    }
    assert (await v2.refused("POST", "/threads/runs", body)).status == 404
    assert await v2.listed("/threads") == []


# Retrieve, list, modify


async def test_retrieving_a_run(house: House, stranger: Client) -> None:
    """ERR-40, GEN-18: of this thread and of this project only."""
    stage = await on_stage(house)
    run, _ = await stage.begin()
    other = await stage.client.thread()
    for client, path, status in (
        (stage.client, f"/threads/{other['id']}/runs/{run['id']}", 404),
        (stage.client, f"{stage.path}/runs/run_missing", 404),
        (stage.client, f"/threads/thread_missing/runs/{run['id']}", 404),
        (stage.client, f"{stage.path}/runs/undefined", 400),
        (stranger, stage.path_of(run), 404),
    ):
        assert (await client.refused("GET", path)).status == status, path
    error = await stage.client.refused("GET", f"/threads/{other['id']}/runs/{run['id']}")
    assert error == Error(404, f"No run found with id '{run['id']}'.")


async def test_listing_runs(house: House, v2: Client) -> None:
    """LIST-01 to LIST-05, D-13: newest first; limit, order, after and before."""
    assistant, thread = await v2.assistant(), await v2.thread("Hello")
    made = [(await v2.settled(await v2.run(thread["id"], assistant["id"])))["id"] for _ in range(5)]
    path = f"/threads/{thread['id']}/runs"

    async def ids(query: str) -> tuple[list[str], bool]:
        page = await v2.get(f"{path}{query}")
        found = [run["id"] for run in page["data"]]
        assert (page["first_id"], page["last_id"]) == (found[0], found[-1])
        return found, page["has_more"]

    assert await ids("") == (made[::-1], False)
    assert await ids("?order=asc") == (made, False)
    assert await ids("?order=asc&limit=2") == (made[:2], True)
    assert await ids(f"?order=asc&limit=2&after={made[1]}") == (made[2:4], True)
    assert await ids(f"?order=asc&limit=2&after={made[2]}") == (made[3:], False)
    assert await ids(f"?order=asc&limit=2&before={made[3]}") == (made[1:3], True)
    assert await ids(f"?after={made[2]}") == (made[1::-1], False)
    empty = await v2.get(f"{path}?order=asc&after={made[4]}")
    assert empty == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    assert house.script.requests


async def test_modifying_a_run(house: House) -> None:
    """RUN-40: metadata only, in any status; nothing else changes."""
    stage = await on_stage(house)
    run, call = await stage.begin(metadata={"a": "b"})
    working = await stage.see(run)
    path = stage.path_of(run)
    assert changed(working, await stage.client.post(path, {"metadata": {"c": "d"}})) == {
        "metadata": {"c": "d"}
    }
    call.say("x")
    call.end()
    done = await stage.client.settled(run)
    assert (done["status"], done["metadata"]) == ("completed", {"c": "d"})
    again = await stage.client.post(path, {"metadata": {"e": "f"}})
    assert changed(done, again) == {"metadata": {"e": "f"}}
    assert await stage.client.post(path, {}) == again
    assert await stage.client.post(path) == again  # GEN-03: no body is {}
    error = await stage.client.refused("POST", path, {"status": "completed"})
    assert (error.status, error.code, error.param) == (400, "unknown_parameter", "status")
    assert await stage.see(run) == again


async def test_many_changes_of_metadata_at_once(house: House) -> None:
    """RUN-40: each is answered with its own; the run goes on and keeps one of them."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("x")
    call.end()
    sent = [{"n": str(number)} for number in range(20)]
    path = stage.path_of(run)
    answers = await asyncio.gather(
        *(stage.client.post(path, {"metadata": metadata}) for metadata in sent)
    )
    assert [answer["metadata"] for answer in answers] == sent
    done = await stage.client.settled(run)
    assert done["status"] == "completed"
    assert done["metadata"] in sent


# Submit tool outputs


@pytest.mark.parametrize("status", ["queued", "in_progress", "completed", "cancelled", "failed"])
async def test_outputs_that_nobody_waits_for(house: House, build: Build, status: str) -> None:
    """RUN-41, ERR-52: the status in double quotes."""
    stage = await on_stage(await build(worker=False) if status == "queued" else house)
    run = await stage.run()
    if status != "queued":
        call = await stage.puppet.called()
        if status == "completed":
            call.end()
        elif status == "failed":
            call.break_off()
        elif status == "cancelled":
            await stage.client.post(f"{stage.path_of(run)}/cancel")
        if status != "in_progress":
            await stage.client.settled(run)
    for stream in (False, True):
        error = await stage.client.refused(
            "POST",
            f"{stage.path_of(run)}/submit_tool_outputs",
            outputs("call_a", stream=stream),
        )
        assert error == Error(400, f'Runs in status "{status}" do not accept tool outputs.')


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (["call_a"], "['call_a']"),
        ([], "[]"),
        (["call_a", "call_c"], "['call_a', 'call_c']"),
        (["call_a", "call_b", "call_c"], "['call_a', 'call_b', 'call_c']"),
        (["call_a", "call_a"], "['call_a', 'call_a']"),
    ],
)
async def test_outputs_have_to_be_those_of_all_calls(
    house: House, sent: list[str], got: str
) -> None:
    """RUN-41, ERR-55: the run waits on as it was."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin()
    call.call("call_a", "get_weather", "{}")
    call.call("call_b", "get_time", "{}")
    call.end(reason="tool_calls")
    waiting = await stage.client.settled(run)
    path = f"{stage.path_of(run)}/submit_tool_outputs"
    error = await stage.client.refused("POST", path, outputs(*sent))
    told = f"Expected tool outputs for call_ids ['call_a', 'call_b'], got {got}"
    assert error == Error(400, told)
    assert await stage.see(run) == waiting


async def test_outputs_without_an_output_are_empty(house: House) -> None:
    """RUN-41: missing, null and empty are the same."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather", "get_time")
    sent = [
        {"tool_call_id": "call_get_weather"},
        {"tool_call_id": "call_get_time", "output": ""},
    ]
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", {"tool_outputs": sent})
    (step,) = await stage.steps(run)
    calls = step["step_details"]["tool_calls"]
    assert [call["function"]["output"] for call in calls] == ["", ""]


async def test_outputs_submitted_twice(house: House) -> None:
    """RUN-44, ERR-52: the second finds the run queued or in progress."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    path = f"{stage.path_of(run)}/submit_tool_outputs"
    answers = await asyncio.gather(
        *(stage.client.send("POST", path, outputs("call_get_weather")) for _ in range(10))
    )
    assert sorted(answer.status for answer in answers) == [200] + [400] * 9
    told = {answer.error.message for answer in answers if answer.status == 400}
    assert told <= {
        f'Runs in status "{status}" do not accept tool outputs.'
        for status in ("queued", "in_progress")
    }
    call = await stage.puppet.called()
    call.say("x")
    call.end()
    assert (await stage.client.settled(run))["status"] == "completed"
    assert stage.puppet.is_idle
    assert len(await stage.steps(run)) == 2


async def test_a_second_round_of_calls(house: House) -> None:
    """RUN-12 to RUN-14: as often as the model likes; each round is a step."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    path = f"{stage.path_of(run)}/submit_tool_outputs"
    await stage.client.post(path, outputs("call_get_weather"))
    call = await stage.puppet.called()
    call.call("call_2", "get_time", "{}")
    call.end(1, 1, reason="tool_calls")
    again = await stage.client.settled(run)
    assert again["status"] == "requires_action"
    error = await stage.client.refused("POST", path, outputs("call_get_weather"))
    assert error.message == (
        "Expected tool outputs for call_ids ['call_2'], got ['call_get_weather']"
    )
    await stage.client.post(path, outputs("call_2"))
    call = await stage.puppet.called()
    roles = [message["role"] for message in call.request.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]
    call.end(1, 1)
    assert (await stage.client.settled(run))["usage"] == usage(12, 7)


# Cancel


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "incomplete", "expired"])
async def test_a_run_that_is_over_cannot_be_cancelled(house: House, status: str) -> None:
    """RUN-42, ERR-53: the status in single quotes."""
    stop_clock(house)
    stage = await on_stage(house)
    headers = {"Understudy-Expires-After": "1"} if status == "expired" else {}
    run, call = await stage.begin(headers=headers)
    if status == "completed":
        call.end()
    elif status == "failed":
        call.break_off()
    elif status == "incomplete":
        call.end(reason="length")
    elif status == "cancelled":
        await stage.client.post(f"{stage.path_of(run)}/cancel")
    done = await stage.client.settled(run)
    error = await stage.client.refused("POST", f"{stage.path_of(run)}/cancel")
    assert error == Error(400, f"Cannot cancel run with status '{status}'.")
    assert await stage.see(run) == done


async def test_a_cancel_has_no_body(either: Client) -> None:
    """GEN-03: nothing, {} and a missing Content-Type are all fine."""
    assistant, thread = await either.assistant(), await either.thread("Hello")
    run = await either.settled(await either.run(thread["id"], assistant["id"]))
    bodies: tuple[object, ...] = (b"", {})
    for body in bodies:
        error = await either.refused(
            "POST", f"/threads/{thread['id']}/runs/{run['id']}/cancel", body
        )
        assert error.message == "Cannot cancel run with status 'completed'."


async def test_many_cancels_at_once(house: House) -> None:
    """RUN-42: one is answered, the others are told that it is happening or has happened."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    answers = await asyncio.gather(
        *(stage.client.send("POST", f"{stage.path_of(run)}/cancel") for _ in range(10))
    )
    assert sorted(answer.status for answer in answers) == [200] + [400] * 9
    await call.has_been_given_up()
    assert (await stage.client.settled(run))["status"] == "cancelled"


@pytest.mark.parametrize("number", range(10))
async def test_cancel_against_finish(house: House, number: int) -> None:
    """RUN-1B, RUN-42: whoever is first wins; answer, run, step and message agree."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("Nearly")
    async with stage.client.streamed("GET", f"{stage.path_of(run)}/events") as stream:
        await stream.until("thread.message.delta")
        if number % 2:
            call.end()
            answer = await stage.client.send("POST", f"{stage.path_of(run)}/cancel")
        else:
            cancel = asyncio.create_task(stage.client.send("POST", f"{stage.path_of(run)}/cancel"))
            await asyncio.sleep(0)
            call.end()
            answer = await cancel
        ends = [event async for event in stream]
    done = await stage.see(run)
    assert done == ends[-2].data
    (step,) = await stage.steps(run)
    message = (await stage.messages())[-1]
    if answer.status == 200:
        assert answer.json["status"] == "cancelling"
        assert (done["status"], step["status"]) == ("cancelled", "cancelled")
        assert message["status"] == "incomplete"
    else:
        assert answer.error.message == "Cannot cancel run with status 'completed'."
        assert (done["status"], step["status"]) == ("completed", "completed")
        assert message["status"] == "completed"


async def test_cancel_against_submit(house: House) -> None:
    """RUN-17, RUN-44: a run that is cancelled while its outputs arrive ends, either way."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    cancel, submit = await asyncio.gather(
        stage.client.send("POST", f"{stage.path_of(run)}/cancel"),
        stage.client.send(
            "POST",
            f"{stage.path_of(run)}/submit_tool_outputs",
            outputs("call_get_weather"),
        ),
    )
    assert cancel.status == 200
    if submit.status == 400:
        assert submit.error.message.startswith('Runs in status "cancel')
    assert (await stage.client.settled(run))["status"] == "cancelled"


# Eras


async def test_both_eras_on_one_thread(v1: Client, v2: Client) -> None:
    """GEN-14, V1V2-01: each sees the other's runs and messages, in its own view."""
    assistant, thread = await v1.assistant(), await v2.thread("Hello")
    for client in (v1, v2, v1, v2):
        run = await client.run(thread["id"], assistant["id"])
        assert (await client.settled(run))["status"] == "completed"
        await client.say(thread["id"], "Again")
    path = f"/threads/{thread['id']}/runs"
    old, new = await v1.listed(path), await v2.listed(path)
    assert [run["id"] for run in old] == [run["id"] for run in new]
    assert all("file_ids" in run and "tool_resources" not in run for run in old)
    assert all("file_ids" not in run and "tool_resources" in run for run in new)
    path = f"/threads/{thread['id']}/messages"
    assert texts(await v1.listed(path)) == texts(await v2.listed(path))


async def test_an_incomplete_run_by_era(build: Build) -> None:
    """RUN-1E, SDK-06, V1V2-06: v1 polls see completed, in every operation."""
    house = await build("{honour_budget: true, rules: [{say: one two three four five six}]}")
    v1, v2 = house.client("v1"), house.client("v2")
    run = await v2.turn("x", max_completion_tokens=1)
    path = f"/threads/{run['thread_id']}/runs"
    assert run["status"] == "incomplete"
    old = await v1.get(f"{path}/{run['id']}")
    assert (old["status"], old["completed_at"]) == ("completed", run["completed_at"])
    assert old["incomplete_details"] == {"reason": "max_completion_tokens"}
    assert [one["status"] for one in await v1.listed(path)] == ["completed"]
    modified = await v1.post(f"{path}/{run['id']}", {"metadata": {"a": "b"}})
    assert modified["status"] == "completed"
    error = await v1.refused("POST", f"{path}/{run['id']}/cancel")
    assert error.message == "Cannot cancel run with status 'completed'."
