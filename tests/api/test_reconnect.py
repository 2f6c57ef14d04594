"""Coming back to a run: ``GET .../runs/{id}/events`` with ``Last-Event-ID`` (an extension).

The hosted API had no such thing (STR-18): a late client polled. Here every event bears an id, and
whoever comes back with one gets each event behind it once, however the text had been cut.
"""

import asyncio
from pathlib import Path

import pytest

from understudy.dispatch.in_process import InProcessDispatch
from understudy.upstream.base import ToolCallDelta

from .accumulator import Accumulator
from .client import JSON, Client, Event
from .conftest import ECHO, Build, House, _house, _settings
from .puppet import Stage, on_stage, stop_clock
from .test_streams import FUNCTIONS, _functions
from .transcript import joined, names

END = Event("done", None, "[DONE]")


async def told(client: Client, run: JSON, after: str | None = None) -> list[Event]:
    """Return the events of the run behind an id, to the end of the stream."""
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/events"
    headers = {} if after is None else {"Last-Event-ID": after}
    async with client.streamed("GET", path, headers=headers) as stream:
        assert stream.status == 200
        return [event async for event in stream]


def without_deltas(events: list[Event]) -> list[Event]:
    """Return the events that are whole objects."""
    return [event for event in events if not event.name.endswith(".delta") and event.id]


async def _finished(stage: Stage) -> list[Event]:
    """Return what was streamed of a run with two calls and a text of many deltas."""
    first, second = await _functions(stage)
    return [*first[:-1], *second]


async def test_a_run_that_is_over_is_told_again(house: House) -> None:
    """Whole, with the same ids and the same objects, in each state that they were in."""
    stage = await on_stage(house, tools=FUNCTIONS)
    live = await _finished(stage)
    again = await told(stage.client, live[0].data)
    assert without_deltas(again) == without_deltas(live)
    assert again[-1] == END
    seen_live, seen_again = Accumulator().take_all(live), Accumulator().take_all(again)
    assert (seen_again.text, seen_again.runs) == (seen_live.text, seen_live.runs)
    assert (seen_again.steps, seen_again.messages) == (seen_live.steps, seen_live.messages)


async def test_every_id_is_a_place_to_come_back_to(house: House) -> None:
    """Behind each Last-Event-ID that was seen comes the rest, each event once, the text exact."""
    stage = await on_stage(house, tools=FUNCTIONS)
    live = await _finished(stage)
    whole = Accumulator().take_all(live)
    run = live[0].data
    for number, event in enumerate(live[:-2]):
        rest = await told(stage.client, run, event.id)
        together = [*live[: number + 1], *rest]
        assert without_deltas(together) == without_deltas(live), event
        built = Accumulator().take_all(together)
        assert (built.text, built.steps) == (whole.text, whole.steps), event


async def test_an_id_may_lie_anywhere_in_a_text(house: House) -> None:
    """A position counts code points, so each one of a text is a place to come back to."""
    stage = await on_stage(house)
    text = "Ærlig talt 👋🏽 é"
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say(text)
        call.end()
        live = joined([event async for event in stream])
    (delta,) = (event for event in live if event.name == "thread.message.delta")
    attempt, end = (int(number) for number in (delta.id or "").split("-"))
    for seen in range(len(text) + 1):
        rest = await told(stage.client, live[0].data, f"{attempt}-{end - len(text) + seen}")
        heard = Accumulator().take_all([*live[: live.index(delta)], *_after(delta, rest)])
        assert heard.text == text[seen:]


def _after(delta: Event, rest: list[Event]) -> list[Event]:
    """Leave out the end of the message, which cannot fit to half of its deltas."""
    kept = [event for event in rest if event.name == delta.name]
    return [*kept, END]


async def test_coming_back_while_the_model_is_writing(house: House) -> None:
    """What was missed comes first, then what is written from now on."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("One")
        seen = await stream.until("thread.message.delta")
    call.say(" two")
    path = f"{stage.path_of(seen[0].data)}/events"
    headers = {"Last-Event-ID": seen[-1].id or ""}
    async with stage.client.streamed("GET", path, headers=headers) as stream:
        seen += await stream.until("thread.message.delta")
        call.say(" three")
        call.end()
        seen += [event async for event in stream]
    assert Accumulator().take_all(seen).text == "One two three"


async def test_coming_late_while_the_model_is_writing(house: House) -> None:
    """Without an id everything comes, from the very first event."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("One", " two")
    async with stage.client.streamed("GET", f"{stage.path_of(run)}/events") as stream:
        seen = await stream.until("thread.message.delta")
        call.say(" three")
        call.end()
        seen += [event async for event in stream]
    assert Accumulator().take_all(seen).text == "One two three"
    assert names(seen)[:2] == ["run.created", "run.queued"]


async def test_many_changes_of_the_line(house: House) -> None:
    """A client that is cut off after every single event still sees each once."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    words = ["word "] * 30
    path = f"{stage.path_of(run)}/events"
    seen: list[Event] = []
    call.say(*words)
    while not seen or seen[-1].name != "thread.message.delta" or len(_text(seen)) < 150:
        headers = {"Last-Event-ID": seen[-1].id or ""} if seen else {}
        async with stage.client.streamed("GET", path, headers=headers) as stream:
            seen.append(await anext(aiter(stream)))
    call.end()
    seen += await told(stage.client, run, seen[-1].id)
    assert Accumulator().take_all(seen).text == "".join(words)


def _text(events: list[Event]) -> str:
    deltas = (event.data for event in events if event.name == "thread.message.delta")
    return "".join(delta["delta"]["content"][0]["text"]["value"] for delta in deltas)


async def test_two_listeners_at_once(house: House) -> None:
    """They hear the same, one from the beginning and one from the middle."""
    stage = await on_stage(house)
    async with stage.opened() as first:
        call = await stage.puppet.called()
        call.say("One")
        seen = await first.until("thread.message.delta")
        run = seen[0].data
        async with stage.client.streamed("GET", f"{stage.path_of(run)}/events") as second:
            late = await second.until("thread.message.delta")
            call.say(" two")
            call.end()
            seen += [event async for event in first]
            late += [event async for event in second]
    assert joined(late) == joined(seen)


async def test_following_goes_on_through_requires_action(house: House) -> None:
    """Other than the hosted streams, this one ends only with the run."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run, call = await stage.begin()
    async with stage.client.streamed("GET", f"{stage.path_of(run)}/events") as stream:
        call.call("call_a", "get_weather", "{}")
        call.end(reason="tool_calls")
        seen = await stream.until("thread.run.requires_action")
        outputs = {"tool_outputs": [{"tool_call_id": "call_a", "output": "sunny"}]}
        await stage.client.post(f"{stage.path_of(run)}/submit_tool_outputs", outputs)
        call = await stage.puppet.called()
        call.say("Sunny.")
        call.end()
        seen += [event async for event in stream]
    whole = Accumulator().take_all(seen)
    assert (whole.text, whole.final_run["status"]) == ("Sunny.", "completed")
    assert names(seen).count("run.created") == 1


async def test_a_run_that_waits_for_outputs_is_told_so_far(house: House) -> None:
    """A client that comes in requires_action hears all before it, then what follows."""
    stage = await on_stage(house, tools=FUNCTIONS)
    run = await stage.calling("get_weather", "get_time")
    async with stage.client.streamed("GET", f"{stage.path_of(run)}/events") as stream:
        seen = await stream.until("thread.run.requires_action")
        assert seen[-1].data == run
        await stage.client.post(f"{stage.path_of(run)}/cancel")
        seen += [event async for event in stream]
    assert names(seen)[-4:] == ["run.cancelling", "run.step.cancelled", "run.cancelled", "done"]
    Accumulator().take_all(seen)
    assert joined(await told(stage.client, run)) == joined(seen)


@pytest.mark.parametrize("end", ["cancelled", "failed", "incomplete", "expired"])
async def test_every_end_is_told_again(house: House, end: str) -> None:
    """RUN-16 to RUN-1A: replayed as they were streamed, with the fields of their time."""
    stop_clock(house)
    stage = await on_stage(house)
    headers = {"Understudy-Expires-After": "1"} if end == "expired" else {}
    async with stage.opened(headers=headers) as stream:
        call = await stage.puppet.called()
        call.say("Half")
        live = await stream.until("thread.message.delta")
        if end == "failed":
            call.break_off()
        elif end == "incomplete":
            call.end(reason="length")
        elif end == "cancelled":
            await stage.client.post(f"{stage.path_of(live[0].data)}/cancel")
        live += [event async for event in stream]
    again = await told(stage.client, live[0].data)
    assert names(again)[-2] == f"run.{end}"
    assert joined(again) == joined(live)


async def test_the_last_id_of_a_run_leaves_nothing_to_tell(house: House) -> None:
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    events = await told(stage.client, run)
    assert await told(stage.client, run, events[-2].id) == [END]


@pytest.mark.parametrize(
    "text", ["x", "1", "1-x", "x-1", "1-2-3", "-", "1-", "-1", "1.5-2", f"{'9' * 5000}-1"]
)
async def test_a_bad_last_event_id_is_refused(house: House, text: str) -> None:
    """ERR-01: plainly, as 400, before any stream begins."""
    stage = await on_stage(house)
    run, _ = await stage.begin()
    path = f"{stage.path_of(run)}/events"
    error = await stage.client.refused("GET", path, headers={"Last-Event-ID": text})
    assert (error.status, error.param, error.code) == (400, "Last-Event-ID", "invalid_value")


async def test_events_of_a_run_that_is_not_there(house: House, stranger: Client) -> None:
    """ERR-40, GEN-18: unknown, or of another project."""
    stage = await on_stage(house)
    run, _ = await stage.begin()
    error = await stage.client.refused("GET", f"{stage.path}/runs/run_missing/events")
    assert (error.status, error.message) == (404, "No run found with id 'run_missing'.")
    error = await stranger.refused("GET", f"{stage.path_of(run)}/events")
    assert error.status == 404


async def test_replay_in_the_other_era(house: House) -> None:
    """GEN-14, RUN-1E: the same ids; the names and objects of the era that asks."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("x")
    call.end(reason="length")
    await stage.client.settled(run)
    new, old = await told(stage.client, run), await told(house.client("v1"), run)
    assert [event.id for event in new] == [event.id for event in old]
    assert (new[-2].name, old[-2].name) == ("thread.run.incomplete", "thread.run.completed")
    Accumulator().take_all(old)


async def test_an_abandoned_listener_costs_nothing(house: House) -> None:
    """RUN-37: when all have gone and the run is over, no channel is kept."""
    dispatch = house.ports.dispatch
    assert isinstance(dispatch, InProcessDispatch)
    stage = await on_stage(house)
    run, call = await stage.begin()
    for _ in range(5):
        async with stage.client.streamed("GET", f"{stage.path_of(run)}/events") as stream:
            await stream.until("thread.run.in_progress")
    call.say("x")
    call.end()
    await stage.client.settled(run)
    assert await told(stage.client, run)
    assert dispatch._channels == {}


async def test_a_run_that_waits_for_outputs_holds_nothing(house: House) -> None:
    """RUN-12: no channel and no task, until its outputs come."""
    dispatch = house.ports.dispatch
    assert isinstance(dispatch, InProcessDispatch)
    stage = await on_stage(house, tools=FUNCTIONS)
    await stage.calling("get_weather")
    assert dispatch._channels == {}
    working = {task for task in asyncio.all_tasks() if task.get_name().startswith("leg ")}
    if working:  # letting go of the run after its last commit
        await asyncio.wait(working, timeout=20)
    assert not any(task.get_name().startswith("leg ") for task in asyncio.all_tasks())


async def test_events_survive_a_restart(tmp_path: Path) -> None:
    """Rows are the truth: another process tells the same story."""
    settings = _settings(tmp_path, ECHO, {})
    async with _house(settings) as house:
        stage = await on_stage(house, tools=FUNCTIONS)
        live = await _finished(stage)
        key = house.key
    async with _house(settings) as house:
        client = house.client("v2", key)
        for event in (None, live[2], live[8], live[-3]):
            rest = await told(client, live[0].data, event.id if event else None)
            before = live[: live.index(event) + 1] if event else []
            assert without_deltas([*before, *rest]) == without_deltas(live)
            assert Accumulator().take_all([*before, *rest]).text == "Sunny at noon."


async def test_following_a_silent_run_is_kept_alive(build: Build) -> None:
    """STR-16: comment lines; the rows are looked at meanwhile, and nothing comes twice."""
    stage = await on_stage(await build(keep_alive_seconds=0.02))
    run, call = await stage.begin()
    call.say("One")
    path = f"{stage.path_of(run)}/events"
    async with stage.client.streamed("GET", path) as stream, asyncio.timeout(20):
        seen = await stream.until("thread.message.delta")
        while len(stream.comments) < 3:
            raw = await stream.response.content.readline()
            stream.comments += [raw.decode()] if raw.startswith(b":") else []
        call.say(" two")
        call.end()
        seen += [event async for event in stream]
    assert Accumulator().take_all(seen).text == "One two"


async def test_a_deleted_message_is_left_out_of_the_story(house: House) -> None:
    """MSG-09: a client has deleted what the run had said; the rest can still be told."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("x")
    call.end()
    await stage.client.settled(run)
    message = (await stage.messages())[-1]
    await stage.client.delete(f"{stage.path}/messages/{message['id']}")
    events = await told(stage.client, run)
    assert names(events)[-3:] == ["run.step.completed", "run.completed", "done"]
    assert "error" not in names(events)


async def test_a_message_is_deleted_while_the_run_goes_on(build: Build) -> None:
    """MSG-09: its stream goes on, also when the rows are looked at meanwhile."""
    stage = await on_stage(await build(keep_alive_seconds=0.02))
    async with stage.opened() as stream, asyncio.timeout(20):
        call = await stage.puppet.called()
        call.say("One")
        seen = await stream.until("thread.message.delta")
        message_id = seen[-1].data["id"]
        await stage.client.delete(f"{stage.path}/messages/{message_id}")
        while len(stream.comments) < 2:
            raw = await stream.response.content.readline()
            assert not raw.startswith(b"event: error")
            stream.comments += [raw.decode()] if raw.startswith(b":") else []
        call.say(" two")
        call.end()
        seen += [event async for event in stream]
    assert Accumulator().take_all(seen).text == "One two"
    assert len(await stage.messages()) == 1


async def test_calls_that_arrive_interleaved(house: House) -> None:
    """SDK-05: a model may write two calls at once; each id is a place to come back to."""
    stage = await on_stage(house, tools=FUNCTIONS)
    pieces = [
        ToolCallDelta(0, "call_a", "get_weather"),
        ToolCallDelta(1, "call_b", "get_time"),
        ToolCallDelta(0, arguments='{"a":'),
        ToolCallDelta(1, arguments='{"b":'),
        ToolCallDelta(0, arguments="1}"),
        ToolCallDelta(1, arguments="22}"),
    ]
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        for piece in pieces:
            call.spoken.put_nowait([piece])
        call.end(reason="tool_calls")
        live = [event async for event in stream][:-1]
    run = live[0].data
    for number, event in enumerate(live[:-1]):
        headers = {"Last-Event-ID": event.id or ""}
        path = f"{stage.path_of(run)}/events"
        async with stage.client.streamed("GET", path, headers=headers) as stream:
            rest = await stream.until("thread.run.requires_action")
        built = Accumulator().take_all([*live[: number + 1], *rest, END]).built
        assert [one["function"]["arguments"] for one in built] == ['{"a":1}', '{"b":22}'], event
        assert [one["id"] for one in built] == ["call_a", "call_b"]


@pytest.mark.parametrize("end", ["cancelled", "failed", "expired", "incomplete"])
async def test_a_run_that_ends_amid_its_calls(house: House, end: str) -> None:
    """STEP-11, STEP-12: the step ends as the run does, and is retold like that from any id."""
    stop_clock(house)
    stage = await on_stage(house, tools=FUNCTIONS)
    headers = {"Understudy-Expires-After": "1"} if end == "expired" else {}
    async with stage.opened(headers=headers) as stream:
        call = await stage.puppet.called()
        call.call("call_a", "get_weather", '{"half":')
        live = await stream.until("thread.run.step.delta")
        live += await stream.until("thread.run.step.delta")
        if end == "cancelled":
            await stage.client.post(f"{stage.path_of(live[0].data)}/cancel")
        elif end == "failed":
            call.break_off()
        elif end == "incomplete":
            call.end(reason="length")
        live += [event async for event in stream]
    (step,) = await stage.steps(live[0].data)
    assert step["status"] == ("completed" if end == "incomplete" else end)
    for number, event in enumerate(live[:-2]):
        rest = await told(stage.client, live[0].data, event.id)
        assert without_deltas([*live[: number + 1], *rest]) == without_deltas(live)
    Accumulator().take_all(live)


async def test_text_and_refusal_and_text_again(house: House) -> None:
    """SDK-04: parts stay apart and contiguous, in the stream and in every replay."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.refuse("no")
        call.say("yes")
        call.refuse("never")
        call.say("well")
        call.end()
        live = [event async for event in stream]
    Accumulator().take_all(live)
    for number, event in enumerate(live[:-2]):
        rest = await told(stage.client, live[0].data, event.id)
        Accumulator().take_all([*live[: number + 1], *rest])


async def test_a_server_that_stops_sends_who_can_come_back_away(house: House) -> None:
    """The stream ends without ``done``; behind its last id, another server tells the rest."""
    stage = await on_stage(house)
    run, call = await stage.begin()
    call.say("One")
    path = f"{stage.path_of(run)}/events"
    async with stage.client.streamed("GET", path) as stream:
        seen = await stream.until("thread.message.delta")
        house.ports.stopping.set()
        seen += [event async for event in stream]
    assert seen[-1].name == "thread.message.delta"
    house.ports.stopping.clear()
    call.say(" two")
    call.end()
    seen += await told(stage.client, run, seen[-1].id)
    assert seen[-1] == END
    assert Accumulator().take_all(seen).text == "One two"


async def test_a_server_that_stops_lets_hosted_streams_end(house: House) -> None:
    """STR-18: their clients know no way to come back."""
    stage = await on_stage(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.say("One")
        seen = await stream.until("thread.message.delta")
        house.ports.stopping.set()
        call.say(" two")
        call.end()
        seen += [event async for event in stream]
    assert seen[-1] == END
    assert Accumulator().take_all(seen).text == "One two"
