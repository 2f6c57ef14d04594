"""Runs as conversations between a client, the engine and a model that the test plays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from understudy.clock import ManualClock
from understudy.operations import threads
from understudy.operations.run_creation import RunOptions
from understudy.upstream.base import Usage
from understudy.wire.objects.tools import CodeInterpreterTool, NamedFunction, NamedToolChoice

from .puppet import BOUND, Puppet
from .stage import ME, F, Stage, staged

PLAIN = [
    "run.created",
    "run.queued",
    "run.in_progress",
    "run.step.created",
    "run.step.in_progress",
    "message.created",
    "message.in_progress",
    "message.delta",
    "message.completed",
    "run.step.completed",
    "run.completed",
]
CALLING = [
    "run.created",
    "run.queued",
    "run.in_progress",
    "run.step.created",
    "run.step.in_progress",
    "run.step.delta",
    "run.requires_action",
]


@pytest.fixture
def model() -> Puppet:
    """Give a model that waits for the test."""
    return Puppet()


@pytest.fixture
async def stage(tmp_path: Path, model: Puppet) -> AsyncIterator[Stage]:
    """Give a stage with one worker."""
    async with staged(tmp_path, model) as stage:
        yield stage


async def test_a_plain_run_is_told_as_the_hosted_api_told_it(stage: Stage, model: Puppet) -> None:
    """STR-04, RUN-15, RUN-36."""
    client = await stage.ask("Hi")
    call = await model.called()
    assert call.request.messages == [{"role": "user", "content": "Hi"}]
    call.say("Hel", "lo").finish()
    run = await client.stops()
    assert (run.status, client.names, client.text) == ("completed", PLAIN, "Hello")
    assert run.usage is not None
    assert (run.usage.prompt_tokens, run.usage.completion_tokens) == (20, 5)
    assert await stage.answers(client) == ["Hello"]


async def test_text_reaches_the_client_while_the_model_still_writes(
    stage: Stage, model: Puppet
) -> None:
    client = await stage.ask()
    call = await model.called()
    call.say("Hel")
    await client.reads("Hel")
    call.say("lo")
    await client.reads("Hello")
    assert (await stage.run(client)).status == "in_progress"
    call.finish()
    await client.stops()


async def test_functions_are_called_and_their_outputs_go_back(stage: Stage, model: Puppet) -> None:
    """STR-05, STR-06, RUN-12 to RUN-14: nothing is held while the client works."""
    client = await stage.ask(tools=[F])
    (await model.called()).call('{"a": 1}', "{}").finish("tool_calls")
    run = await client.stops()
    assert (run.status, client.names) == ("requires_action", CALLING)
    assert (await stage.record(client)).lease_until is None
    await stage.submit(client, call_0="one", call_1="two")
    call = await model.called()
    assert [one["role"] for one in call.request.messages] == ["user", "assistant", "tool", "tool"]
    call.say("Done").finish()
    run = await client.stops(times=2)
    assert client.names == [*CALLING, "run.step.completed", "run.queued", *PLAIN[2:]]
    assert run.usage is not None
    assert run.usage.total_tokens == 50


async def test_text_and_calls_of_one_turn_are_a_message_and_a_step(
    stage: Stage, model: Puppet
) -> None:
    client = await stage.ask(tools=[F])
    (await model.called()).say("Let me see.").call("{}").finish("tool_calls")
    await client.stops()
    await stage.submit(client, call_0="one")
    call = await model.called()
    assert call.request.messages[1]["content"] == "Let me see."
    call.say("Done").finish()
    await client.stops(times=2)
    assert await stage.answers(client) == ["Let me see.", "Done"]
    assert [step.type for step in await stage.steps(client)] == [
        "message_creation",
        "tool_calls",
        "message_creation",
    ]


async def test_a_client_that_leaves_does_not_stop_its_run(stage: Stage, model: Puppet) -> None:
    """RUN-37."""
    client = await stage.ask()
    call = await model.called()
    call.say("Hel")
    await client.reads("Hel")
    await client.leave()
    watching = await stage.dispatch.subscribe(client.run_id)
    call.say("lo").finish()
    async with asyncio.timeout(BOUND):
        while not any(e.name == "thread.run.completed" for e in await watching.next(BOUND)):
            pass
    watching.close()
    assert await stage.answers(client) == ["Hello"]


async def test_a_cancel_stops_the_model_in_the_middle_of_its_sentence(
    stage: Stage, model: Puppet
) -> None:
    """RUN-17, RUN-18, STR-13, MSG-14: the call is closed and the text so far is kept."""
    client = await stage.ask()
    call = await model.called()
    call.say("Hel")
    await client.reads("Hel")
    asked_at = asyncio.get_running_loop().time()
    assert (await stage.cancel(client)).status == "cancelling"
    run = await client.stops()
    took_seconds = asyncio.get_running_loop().time() - asked_at
    assert took_seconds < 2  # meant are 100 ms; polling and leases would take longer than this
    assert call.closed.is_set()
    assert client.names[-5:] == [
        "message.delta",
        "run.cancelling",
        "message.incomplete",
        "run.step.cancelled",
        "run.cancelled",
    ]
    assert (run.status, await stage.answers(client)) == ("cancelled", ["Hel"])


async def test_a_cancel_before_the_first_word_leaves_no_message(
    stage: Stage, model: Puppet
) -> None:
    client = await stage.ask()
    await model.called()
    await stage.cancel(client)
    await client.stops()
    assert client.names[-2:] == ["run.cancelling", "run.cancelled"]
    assert await stage.answers(client) == []


async def test_a_cancel_while_the_client_works_ends_its_step(stage: Stage, model: Puppet) -> None:
    """RUN-17, STEP-11."""
    client = await stage.ask(tools=[F])
    (await model.called()).call("{}").finish("tool_calls")
    await client.stops()
    await stage.cancel(client)
    run = await client.stops(times=2)
    assert client.names[-3:] == ["run.cancelling", "run.step.cancelled", "run.cancelled"]
    assert (run.required_action, run.usage and run.usage.total_tokens) == (None, 25)


async def test_a_cancel_at_the_last_moment_is_answered_and_the_run_ends(
    stage: Stage, model: Puppet
) -> None:
    """RUN-1B: the model has ended, its worker is about to commit, the client cancels."""
    for _ in range(20):
        client = await stage.ask()
        call = await model.called()
        call.say("Hello")
        await client.reads("Hello")
        call.finish()
        await asyncio.sleep(0)
        answer = await asyncio.gather(stage.cancel(client), return_exceptions=True)
        run = await client.stops()
        assert run.status in ("completed", "cancelled")
        if isinstance(answer[0], BaseException):
            assert run.status == "completed"
            assert "Cannot cancel run" in str(answer[0])


async def test_a_queued_run_is_cancelled_without_a_model_call(
    tmp_path: Path, model: Puppet
) -> None:
    """RUN-17: nobody had taken it yet."""
    async with staged(tmp_path, model, workers=0) as stage:
        client = await stage.ask()
        await stage.cancel(client)
        stage.hire()
        run = await client.stops()
    assert (run.status, run.started_at, model.calls) == ("cancelled", None, 0)
    assert client.names == ["run.created", "run.queued", "run.cancelling", "run.cancelled"]


async def test_a_deleted_thread_stops_its_run_and_leaves_nothing(
    stage: Stage, model: Puppet
) -> None:
    """THR-05: the model is not paid for an answer that nobody can read."""
    client = await stage.ask()
    call = await model.called()
    call.say("Hel")
    await client.reads("Hel")
    await threads.delete(stage.ports, ME, client.thread_id)
    await asyncio.wait_for(call.closed.wait(), BOUND)
    await client.leave()
    assert await stage.ports.storage.run_record(client.run_id) is None


async def test_a_deleted_thread_leaves_no_channel_behind(stage: Stage, model: Puppet) -> None:
    """The events of its last leg would otherwise stay in memory for ever."""
    client = await stage.ask()
    call = await model.called()
    call.say("Hel")
    await client.reads("Hel")
    await threads.delete(stage.ports, ME, client.thread_id)
    await asyncio.wait_for(call.closed.wait(), BOUND)
    await client.leave()
    await stage.workers[0].drain(BOUND)
    assert stage.dispatch._channels == {}  # type: ignore[attr-defined]


async def test_a_deleted_thread_stops_the_runs_that_wait_in_it(stage: Stage, model: Puppet) -> None:
    """THR-05: and whoever listens to them is let go."""
    first = await stage.ask("one")
    await model.called()
    options = RunOptions(on_busy_thread="enqueue")
    second = await stage.ask("two", thread_id=first.thread_id, options=options)
    await threads.delete(stage.ports, ME, first.thread_id)
    await first.ends()
    await second.ends()
    await stage.workers[0].drain(BOUND)
    assert model.calls == 1
    assert stage.dispatch._channels == {}  # type: ignore[attr-defined]


async def test_a_queued_run_is_cancelled_although_every_worker_is_busy(
    tmp_path: Path, model: Puppet
) -> None:
    """RUN-17, RUN-18: a cancel needs no place."""
    async with staged(tmp_path, model, legs_max=1) as stage:
        await stage.ask("one")
        await model.called()
        second = await stage.ask("two")
        await stage.cancel(second)
        assert (await second.stops()).status == "cancelled"


async def test_a_model_that_hangs_is_cut_off_at_the_deadline(tmp_path: Path, model: Puppet) -> None:
    """RUN-19, RUN-1C, STR-13: what it has written is kept."""
    clock = ManualClock()
    async with staged(tmp_path, model, clock=clock, workers=0) as stage:
        client = await stage.ask()
        clock.advance(599.8)
        stage.hire()
        call = await model.called()
        call.say("Hel")
        await client.reads("Hel")
        run = await client.stops()
        assert client.names[-3:] == ["message.incomplete", "run.step.expired", "run.expired"]
        assert (run.status, run.expires_at, call.closed.is_set()) == ("expired", None, True)
        (answer,) = [one for one in await stage.messages(client) if one.role == "assistant"]
        assert answer.incomplete_details is not None
        assert answer.incomplete_details.reason == "run_expired"


async def test_an_own_deadline_holds_for_the_run(tmp_path: Path, model: Puppet) -> None:
    """``Understudy-Expires-After``: approvals may take days."""
    clock = ManualClock()
    async with staged(tmp_path, model, clock=clock) as stage:
        client = await stage.ask(tools=[F], options=RunOptions(expires_after_seconds=86_400))
        (await model.called()).call("{}").finish("tool_calls")
        await client.stops()
        clock.advance(80_000)
        await stage.sweeper.sweep()
        await stage.submit(client, call_0="yes")
        (await model.called()).say("Done").finish()
        assert (await client.stops(times=2)).status == "completed"


async def test_a_busy_thread_refuses_the_second_run(stage: Stage, model: Puppet) -> None:
    """RUN-22, ERR-51."""
    client = await stage.ask()
    await model.called()
    with pytest.raises(Exception, match=f"already has an active run {client.run_id}"):
        await stage.ask(thread_id=client.thread_id)


async def test_enqueued_runs_have_their_turns_in_order(stage: Stage, model: Puppet) -> None:
    """``Understudy-Busy-Thread: enqueue``: each reads what those before it were told."""
    first = await stage.ask("one")
    options = RunOptions(on_busy_thread="enqueue")
    later = [
        await stage.ask(text, thread_id=first.thread_id, options=options)
        for text in ("two", "three")
    ]
    for client, text in zip([first, *later], ("one", "two", "three"), strict=True):
        call = await model.called()
        assert model.is_idle()
        assert call.request.messages[-1]["content"] == text
        call.say(text.upper()).finish()
        assert (await client.stops()).status == "completed"
    read = [one["content"] for one in call.request.messages]
    assert read == ["one", "ONE", "two", "TWO", "three"]


async def test_an_interrupting_run_cancels_the_first_and_goes_on(
    stage: Stage, model: Puppet
) -> None:
    """``Understudy-Busy-Thread: interrupt``."""
    first = await stage.ask("one")
    call = await model.called()
    call.say("On")
    await first.reads("On")
    options = RunOptions(on_busy_thread="interrupt")
    second = await stage.ask("two", thread_id=first.thread_id, options=options)
    assert (await first.stops()).status == "cancelled"
    call = await model.called()
    assert [one["content"] for one in call.request.messages] == ["one", "On", "two"]
    call.say("TWO").finish()
    assert (await second.stops()).status == "completed"


async def test_a_waiting_run_can_be_cancelled_while_the_first_goes_on(
    stage: Stage, model: Puppet
) -> None:
    first = await stage.ask("one")
    call = await model.called()
    options = RunOptions(on_busy_thread="enqueue")
    second = await stage.ask("two", thread_id=first.thread_id, options=options)
    await stage.cancel(second)
    assert (await second.stops()).status == "cancelled"
    call.say("ONE").finish()
    assert (await first.stops()).status == "completed"


async def test_budgets_are_of_the_run_over_all_its_calls(stage: Stage, model: Puppet) -> None:
    """RUN-30, the worked example: 1000 completion tokens, 300 used, 700 left."""
    client = await stage.ask(tools=[F], max_prompt_tokens=500, max_completion_tokens=1000)
    call = await model.called()
    assert call.request.max_completion_tokens == 1000
    call.call("{}").finish("tool_calls", Usage(prompt_tokens=200, completion_tokens=300))
    await client.stops()
    await stage.submit(client, call_0="x")
    call = await model.called()
    assert call.request.max_completion_tokens == 700
    call.say("Hel").finish("length", Usage(prompt_tokens=250, completion_tokens=700))
    run = await client.stops(times=2)
    assert run.status == "incomplete"
    assert run.incomplete_details is not None
    assert run.incomplete_details.reason == "max_completion_tokens"
    assert client.names[-3:] == ["message.incomplete", "run.step.completed", "run.incomplete"]


@pytest.mark.parametrize("budget", ["max_prompt_tokens", "max_completion_tokens"])
async def test_a_spent_budget_ends_the_run_before_the_next_call(
    stage: Stage, model: Puppet, budget: str
) -> None:
    """RUN-30, RUN-16, RUN-1F."""
    budgets: dict[str, Any] = {budget: 5}
    client = await stage.ask(tools=[F], **budgets)
    (await model.called()).call("{}").finish("tool_calls")
    await client.stops()
    await stage.submit(client, call_0="x")
    run = await client.stops(times=2)
    assert (run.status, model.calls) == ("incomplete", 1)
    assert run.incomplete_details is not None
    assert run.incomplete_details.reason == budget


@pytest.mark.parametrize("pieces", [("12345678", "9"), ("\n\n\n\n", "56789")])
async def test_without_usage_what_was_written_is_estimated(
    stage: Stage, model: Puppet, pieces: tuple[str, ...]
) -> None:
    """RUN-30: some servers never count, and budgets hold all the same. All counts once."""
    client = await stage.ask()
    (await model.called()).say(*pieces).finish(usage=None)
    run = await client.stops()
    assert run.usage is not None
    assert (run.usage.prompt_tokens, run.usage.completion_tokens) == (0, 3)


async def test_a_filtered_answer_is_incomplete(stage: Stage, model: Puppet) -> None:
    """RUN-16."""
    client = await stage.ask()
    (await model.called()).say("Hel").finish("content_filter")
    run = await client.stops()
    assert (run.status, await stage.answers(client)) == ("incomplete", ["Hel"])


async def test_only_the_first_of_several_calls_counts_when_one_was_asked_for(
    stage: Stage, model: Puppet
) -> None:
    """RUN-35: also when the model does not listen."""
    client = await stage.ask(tools=[F], parallel_tool_calls=False)
    call = await model.called()
    assert call.request.parallel_tool_calls is False
    call.call('{"a": 1}', '{"b": 2}').finish("tool_calls")
    run = await client.stops()
    assert run.required_action is not None
    asked = run.required_action.submit_tool_outputs.tool_calls
    assert [(one.id, one.function.arguments) for one in asked] == [("call_0", '{"a": 1}')]


async def test_a_forced_tool_is_forced_once(stage: Stage, model: Puppet) -> None:
    """RUN-33."""
    choice = NamedToolChoice("function", NamedFunction("f"))
    client = await stage.ask(tools=[F], tool_choice=choice)
    call = await model.called()
    assert call.request.tool_choice == {"type": "function", "function": {"name": "f"}}
    call.call("{}").finish("tool_calls")
    await client.stops()
    await stage.submit(client, call_0="x")
    call = await model.called()
    assert call.request.tool_choice is None
    call.say("Done").finish()
    await client.stops(times=2)


async def test_a_tool_that_this_server_does_not_have_fails_the_run_with_its_name(
    stage: Stage, model: Puppet
) -> None:
    """RUN-1A: better than a model that talks of files which it has never seen."""
    client = await stage.ask(tools=[CodeInterpreterTool()])
    run = await client.stops()
    assert (run.status, model.calls) == ("failed", 0)
    assert run.last_error is not None
    assert run.last_error.code == "server_error"
    assert "code_interpreter" in run.last_error.message


async def test_an_answer_of_nothing_completes_the_run(stage: Stage, model: Puppet) -> None:
    client = await stage.ask()
    (await model.called()).finish()
    run = await client.stops()
    assert (run.status, client.names[-1]) == ("completed", "run.completed")
    assert await stage.answers(client) == []


async def test_a_bug_in_a_model_adapter_fails_the_run_and_not_the_worker(
    stage: Stage, model: Puppet
) -> None:
    """RUN-1D: the text that the hosted API used."""
    client = await stage.ask()
    call = await model.called()
    call.say("Hel")
    call.fail(ZeroDivisionError())
    run = await client.stops()
    assert run.last_error is not None
    assert run.last_error.message == "Sorry, something went wrong."
    again = await stage.ask()
    (await model.called()).say("Hello").finish()
    assert (await again.stops()).status == "completed"


async def test_a_timeout_inside_the_leg_is_a_failure_and_not_the_deadline(
    stage: Stage, model: Puppet
) -> None:
    """RUN-19: a run expires at its time and for no other reason."""
    client = await stage.ask()
    (await model.called()).fail(TimeoutError("a socket"))
    assert (await client.stops()).status == "failed"
