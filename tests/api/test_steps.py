"""Run steps over REST (contract section 10)."""

from collections.abc import Sequence
from typing import Any

import pytest

from .accumulator import Accumulator
from .client import JSON, Client, Error
from .conftest import House
from .puppet import Stage, on_stage, stop_clock, texts
from .test_runs import ZERO, changed, outputs, usage
from .test_streams import FUNCTIONS

EMPTY: JSON = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def _one_step(stage: Stage, run: JSON) -> JSON:
    (step,) = await stage.steps(run)
    return step


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_a_message_step_from_its_beginning_to_its_end(house: House, era: Any) -> None:
    """STEP-01, STEP-02, STEP-03, STEP-04, STEP-09: the whole object in both states."""
    stage = await on_stage(house, era)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("Hi.")
        seen = await stream.until("thread.message.delta")
        run, message_id = seen[0].data, seen[-1].data["id"]
        step = await _one_step(stage, run)
        assert step == {
            "id": step["id"],
            "object": "thread.run.step",
            "created_at": step["created_at"],
            "run_id": run["id"],
            "assistant_id": stage.assistant["id"],
            "thread_id": stage.thread["id"],
            "type": "message_creation",
            "status": "in_progress",
            "cancelled_at": None,
            "completed_at": None,
            "expires_at": run["expires_at"],
            "expired_at": None,
            "failed_at": None,
            "last_error": None,
            "step_details": {
                "type": "message_creation",
                "message_creation": {"message_id": message_id},
            },
            "metadata": {},
            "usage": None,
        }
        assert list(step) == list(seen[3].data)
        call.end(12, 3)
        await stream.until("done")
    done = await _one_step(stage, run)
    counts = usage(12, 3)
    if era == "v1":
        counts = {key: value for key, value in counts.items() if not key.endswith("details")}
    assert changed(step, done) == {
        "status": "completed",
        "completed_at": done["completed_at"],
        "expires_at": None,
        "usage": counts,
    }


async def test_a_step_of_calls_from_its_beginning_to_its_end(house: House) -> None:
    """STEP-05, STEP-06, STEP-09: open and without usage until the outputs are there."""
    stage = await on_stage(house, tools=FUNCTIONS)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.call("call_a", "get_weather", '{"city":')
        run = (await stream.until("thread.run.step.delta"))[0].data
        begun = await _one_step(stage, run)
        assert begun["step_details"] == {"type": "tool_calls", "tool_calls": []}
        call.spoken.put_nowait(_rest())
        call.call("call_b", "get_time", "{}")
        call.end(284, 20, reason="tool_calls")
        await stream.until("done")
    waiting = await _one_step(stage, run)
    assert changed(begun, waiting) == {"step_details": _details(None, None)}
    assert (waiting["status"], waiting["usage"]) == ("in_progress", None)
    assert waiting["expires_at"] == run["expires_at"]
    submitted = await stage.client.post(
        f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a", "call_b")
    )
    assert submitted["status"] == "queued"
    done = await _one_step(stage, run)
    assert changed(waiting, done) == {
        "status": "completed",
        "completed_at": done["completed_at"],
        "expires_at": None,
        "step_details": _details("of call_a", "of call_b"),
        "usage": usage(284, 20),
    }


def _rest() -> list[Any]:
    from understudy.upstream.base import ToolCallDelta

    return [ToolCallDelta(0, arguments=' "Oslo"}')]


def _details(first: str | None, second: str | None) -> JSON:
    calls = (
        ("call_a", "get_weather", '{"city": "Oslo"}', first),
        ("call_b", "get_time", "{}", second),
    )
    return {
        "type": "tool_calls",
        "tool_calls": [
            {
                "type": "function",
                "id": call_id,
                "function": {"name": name, "arguments": arguments, "output": output},
            }
            for call_id, name, arguments, output in calls
        ],
    }


async def test_usage_of_a_run_is_the_sum_of_its_steps(house: House) -> None:
    """STEP-09, RUN-36: of all rounds and of the final message, details included."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    for number in range(3):
        pending = (await stage.see(run))["required_action"]["submit_tool_outputs"]["tool_calls"]
        await stage.client.post(
            f"{stage.path_of(run)}/submit_tool_outputs", outputs(pending[0]["id"])
        )
        call = await stage.puppet.called()
        if number < 2:
            call.call(f"call_{number}", "get_weather", "{}")
            call.end(100 * number + 7, number + 1, reason="tool_calls")
        else:
            call.say("x")
            call.end(1000, 9)
        done = await stage.client.settled(run)
    steps = await stage.steps(run)
    assert [step["type"] for step in steps] == ["tool_calls"] * 3 + ["message_creation"]
    assert [step["usage"] for step in steps] == [
        *(usage(10, 5), usage(7, 1), usage(107, 2), usage(1000, 9))
    ]
    assert done["usage"] == usage(1124, 17)


async def test_text_and_calls_of_one_turn_are_two_steps(house: House) -> None:
    """STEP-09, RUN-36: the tokens of the turn are counted once."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin()
    call.say("Let me look.")
    call.call("call_a", "get_weather", "{}")
    call.end(50, 8, reason="tool_calls")
    waiting = await stage.client.settled(run)
    assert waiting["usage"] is None
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    call = await stage.puppet.called()
    assert call.request.messages[1]["content"] == "Let me look."
    assert call.request.messages[1]["tool_calls"][0]["id"] == "call_a"
    call.say("Sunny.")
    call.end(60, 2)
    done = await stage.client.settled(run)
    assert done["usage"] == usage(110, 10)
    steps = await stage.steps(run)
    assert [step["type"] for step in steps] == [
        *("message_creation", "tool_calls", "message_creation")
    ]
    assert [step["usage"] for step in steps] == [ZERO, usage(50, 8), usage(60, 2)]


async def test_text_behind_calls_of_one_turn(house: House) -> None:
    """STEP-09, SDK-03, STR-10: steps in the order of the model; tokens are counted once."""
    stage = await on_stage(house, tools=FUNCTIONS)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("Before.")
        call.call("call_a", "get_weather", "{}")
        call.say("After.")
        call.end(reason="tool_calls")
        told = Accumulator().take_all([event async for event in stream])
    assert told.text == "Before.After."
    run = told.final_run
    await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_a"))
    call = await stage.puppet.called()
    roles = [message["role"] for message in call.request.messages]
    assert roles[:3] == ["user", "assistant", "tool"]
    call.say("Done.")
    call.end()
    assert (await stage.client.settled(run))["usage"] == usage(20, 10)
    assert [step["type"] for step in await stage.steps(run)] == [
        *("message_creation", "tool_calls", "message_creation", "message_creation")
    ]
    assert texts(await stage.messages()) == ["Hello", "Before.", "After.", "Done."]


async def test_white_space_around_calls_is_no_message(house: House) -> None:
    """Templates of open models put line breaks there; the hosted API never told any."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin()
    call.say("\n", "\n")
    call.call("call_a", "get_weather", "{}")
    call.say("\n\n")
    call.end(reason="tool_calls")
    await stage.client.settled(run)
    assert [step["type"] for step in await stage.steps(run)] == ["tool_calls"]
    assert texts(await stage.messages()) == ["Hello"]


@pytest.mark.parametrize("said", [("\n", " ", "Hi"), ("\n",)])
async def test_white_space_of_an_answer_is_told_as_it_is(house: House, said: Sequence[str]) -> None:
    stage = await on_stage(house, tools=FUNCTIONS)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say(*said)
        call.end()
        told = Accumulator().take_all([event async for event in stream])
    assert told.text == "".join(said)
    assert texts(await stage.messages()) == ["Hello", "".join(said)]


@pytest.mark.parametrize(
    ("end", "field"),
    [("cancelled", "cancelled_at"), ("failed", "failed_at"), ("expired", "expired_at")],
)
async def test_an_open_step_ends_as_its_run_does(house: House, end: str, field: str) -> None:
    """STEP-11, STEP-10, STEP-02."""
    stop_clock(house)
    stage = await on_stage(house)
    headers = {"Understudy-Expires-After": "1"} if end == "expired" else {}
    run, call = await stage.begin(headers=headers)
    async with stage.client.streamed("GET", f"{stage.path_of(run)}/events") as stream:
        call.say("Half")
        await stream.until("thread.message.delta")
        begun = await _one_step(stage, run)
        if end == "cancelled":
            await stage.client.post(f"{stage.path_of(run)}/cancel")
        elif end == "failed":
            call.break_off()
        await stream.until("done")
    done = await _one_step(stage, run)
    error = {"code": "server_error", "message": "The line is dead."}
    expected = {"status": end, "expires_at": None, field: done[field]}
    expected |= {"last_error": error} if end == "failed" else {}
    assert isinstance(done[field], int)
    assert changed(begun, done) == expected


async def test_a_token_limited_step_is_completed(house: House) -> None:
    """STEP-12: while its message is incomplete."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("and so on")
    call.end(10, 16, reason="length")
    await stage.client.settled(run)
    step = await _one_step(stage, run)
    assert (step["status"], step["usage"]) == ("completed", usage(10, 16))
    assert (await stage.messages())[-1]["status"] == "incomplete"


async def test_a_fresh_run_has_no_steps(either: Client, house: House) -> None:
    """STEP-14, LIST-01."""
    stage = await on_stage(house)
    run, _ = await stage.begin()
    assert await either.get(f"{stage.path_of(run)}/steps") == EMPTY


async def test_listing_steps(house: House) -> None:
    """LIST-02 to LIST-05: newest first by default, as every list."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    await stage.client.post(
        f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_get_weather")
    )
    call = await stage.puppet.called()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    path = f"{stage.path_of(run)}/steps"
    first, second = await stage.steps(run)
    assert (await stage.client.get(path))["data"] == [second, first]
    page = await stage.client.get(f"{path}?limit=1")
    assert (page["data"], page["has_more"]) == ([second], True)
    page = await stage.client.get(f"{path}?limit=1&after={second['id']}")
    assert (page["data"], page["has_more"]) == ([first], False)
    page = await stage.client.get(f"{path}?before={first['id']}")
    assert (page["data"], page["has_more"]) == ([second], False)
    assert await stage.client.get(f"{path}?order=asc&after={second['id']}") == EMPTY
    error = await stage.client.refused("GET", f"{path}?limit=101")
    assert (error.status, error.code) == (400, "integer_above_max_value")


async def test_retrieving_a_step(house: House, stranger: Client) -> None:
    """ERR-40, ID-05, GEN-18."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    step = await _one_step(stage, run)
    path = f"{stage.path_of(run)}/steps"
    assert await stage.client.get(f"{path}/{step['id']}") == step
    assert step["id"].startswith("step_")
    assert len(step["id"]) == len("step_") + 24  # ID-01
    error = await stage.client.refused("GET", f"{path}/step_123")
    assert error == Error(404, "No run step found with id 'step_123'.")
    error = await stage.client.refused("GET", f"{path}/undefined")
    assert error.status == 400
    error = await stage.client.refused("GET", f"{stage.path}/runs/run_missing/steps")
    assert error == Error(404, "No run found with id 'run_missing'.")
    assert (await stranger.refused("GET", f"{path}/{step['id']}")).status == 404
    other, call = await stage.begin()
    call.end()
    await stage.client.settled(other)
    error = await stage.client.refused("GET", f"{stage.path_of(other)}/steps/{step['id']}")
    assert error.status == 404


@pytest.mark.parametrize("name", ["include[]", "include"])
async def test_what_may_be_included(house: House, name: str) -> None:
    """STEP-13, GEN-12, ERR-23: one value, in each spelling; on create, list and get."""
    stage = await on_stage(house)
    known = "step_details.tool_calls[*].file_search.results[*].content"
    body = {"assistant_id": stage.assistant["id"]}
    escaped = name.replace("[]", "%5B%5D")
    error = await stage.client.refused("POST", f"{stage.path}/runs?{escaped}=x", body)
    assert (error.status, error.code) == (400, "invalid_value")
    assert await stage.client.listed(f"{stage.path}/runs") == []
    query = f"?{escaped}={known.replace('[', '%5B').replace(']', '%5D')}"
    run = await stage.client.post(f"{stage.path}/runs{query}", body)
    call = await stage.puppet.called()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    path = f"{stage.path_of(run)}/steps"
    step = await _one_step(stage, run)
    assert (await stage.client.get(f"{path}{query}"))["data"] == [step]
    assert await stage.client.get(f"{path}/{step['id']}{query}") == step
    for wrong in (f"{path}?{escaped}=x", f"{path}/{step['id']}?{escaped}=x"):
        error = await stage.client.refused("GET", wrong)
        assert (error.status, error.code) == (400, "invalid_value")
        assert error.message == f"Invalid value: 'x'. Supported values are: '{known}'."


async def test_steps_in_the_other_era(house: House) -> None:
    """RUN-05, V1V2-01: the same steps; only the details of usage are missing in v1."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather")
    await stage.client.post(
        f"{stage.path_of(run)}/submit_tool_outputs", outputs("call_get_weather")
    )
    call = await stage.puppet.called()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    new = await stage.steps(run)
    old = await house.client("v1").listed(f"{stage.path_of(run)}/steps?order=asc")
    for step in new:
        step["usage"] = {
            key: value for key, value in step["usage"].items() if not key.endswith("details")
        }
    assert old == new


async def test_steps_go_with_their_thread(house: House) -> None:
    """THR-05."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    await stage.client.delete(stage.path)
    error = await stage.client.refused("GET", f"{stage.path_of(run)}/steps")
    assert error == Error(404, f"No thread found with id '{stage.thread['id']}'.")
