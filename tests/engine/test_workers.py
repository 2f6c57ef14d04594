"""Workers and the sweeper: leases, takeovers, lost offers, going home."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from understudy.clock import ManualClock
from understudy.engine.leg import Leg
from understudy.engine.sweeper import FORGET_EVERY_SECONDS
from understudy.engine.worker import Worker
from understudy.errors import UpstreamError
from understudy.operations import messages
from understudy.operations.run_creation import RunOptions
from understudy.runs.happenings import CancelRequested, Claimed
from understudy.runs.machine import apply
from understudy.storage.changes import Answer, CommitRun, Insert
from understudy.wire.deltas import FunctionToolCallDelta, StepDelta
from understudy.wire.objects.steps import FunctionToolCall, ToolCallsDetails

from .puppet import BOUND, Call, Puppet
from .stage import ME, Client, F, Stage, staged

LEASE_SECONDS = 15.0


@pytest.fixture
def model() -> Puppet:
    """Give a model that waits for the test."""
    return Puppet()


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
async def stage(tmp_path: Path, model: Puppet, clock: ManualClock) -> AsyncIterator[Stage]:
    """Give a stage on which nobody works yet."""
    async with staged(tmp_path, model, clock=clock, workers=0) as stage:
        yield stage


async def lose_lease(stage: Stage, clock: ManualClock) -> None:
    """Let all leases run out, as if their workers had died, and offer what they held."""
    clock.advance(LEASE_SECONDS + 1)
    await stage.sweeper.sweep()


async def written(stage: Stage, model: Puppet, *pieces: str) -> tuple[Client, Call]:
    """Ask for a run and let the model write these pieces."""
    client = await stage.ask()
    call = await model.called()
    call.say(*pieces)
    await client.reads("".join(pieces))
    return client, call


async def kill(worker: Worker, stage: Stage) -> None:
    """Stop a worker in the middle, with nothing put away."""
    stage.duties[stage.workers.index(worker)].cancel()
    await worker.drain(0)


async def test_a_successor_writes_the_open_message_anew_under_its_id(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """The client sees one message and each word once."""
    first = stage.hire()
    client, _ = await written(stage, model, "Hel", "lo")
    await kill(first, stage)
    stage.hire()
    await lose_lease(stage, clock)
    (await model.called()).say("Hello wor", "ld").finish()
    run = await client.stops()
    assert (run.status, client.text) == ("completed", "Hello world")
    assert client.names.count("message.created") == 1
    assert client.names.count("run.in_progress") == 1
    assert await stage.answers(client) == ["Hello world"]
    assert len(await stage.steps(client)) == 1
    assert (await stage.record(client)).state.attempt == 2


async def test_a_successor_whose_model_calls_instead_closes_the_message(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    first = stage.hire()
    client = await stage.ask(tools=[F])
    (await model.called()).say("Hel")
    await client.reads("Hel")
    await kill(first, stage)
    stage.hire()
    await lose_lease(stage, clock)
    (await model.called()).call("{}").finish("tool_calls")
    assert (await client.stops()).status == "requires_action"
    assert [step.type for step in await stage.steps(client)] == ["message_creation", "tool_calls"]
    assert client.names.count("message.incomplete") == 1


async def test_a_successor_says_nothing_twice_that_came_before_calls(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """The message is complete, the calls are open; the whole turn is asked for again."""
    first = stage.hire()
    client = await stage.ask(tools=[F])
    (await model.called()).say("Let me see.").call('{"a"')
    await client.hears("run.step.delta")
    await kill(first, stage)
    stage.hire()
    await lose_lease(stage, clock)
    (await model.called()).say("Let me see.").call('{"a": 1}').finish("tool_calls")
    run = await client.stops()
    assert (client.text, await stage.answers(client)) == ("Let me see.", ["Let me see."])
    assert len(await stage.steps(client)) == 2
    assert run.required_action is not None
    (asked,) = run.required_action.submit_tool_outputs.tool_calls
    assert asked.function.arguments == '{"a": 1}'


async def test_a_successor_whose_model_answers_instead_of_calling_is_heard(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """The first attempt had said something and begun to call; the second needs no call."""
    first = stage.hire()
    client = await stage.ask(tools=[F])
    (await model.called()).say("Let me see.").call('{"a"')
    await client.hears("run.step.delta")
    await kill(first, stage)
    stage.hire()
    await lose_lease(stage, clock)
    (await model.called()).say("It is 12 C.").finish()
    run = await client.stops()
    assert run.status == "completed"
    assert (await stage.answers(client))[-1] == "It is 12 C."


async def test_a_successor_that_answers_completes_a_call_that_was_only_begun(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    first = stage.hire()
    client = await stage.ask(tools=[F])
    (await model.called()).call('{"a"')
    await client.hears("run.step.delta")
    await kill(first, stage)
    stage.hire()
    await lose_lease(stage, clock)
    (await model.called()).say("It is 12 C.").finish()
    run = await client.stops()
    assert (run.status, await stage.answers(client)) == ("completed", ["It is 12 C."])
    steps = await stage.steps(client)
    assert {step.status for step in steps} == {"completed"}
    used = [step.usage.total_tokens for step in steps if step.usage]
    assert run.usage is not None
    assert sum(used) == run.usage.total_tokens == 25


async def test_completed_steps_are_never_done_again(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    first = stage.hire()
    client = await stage.ask(tools=[F])
    (await model.called()).call("{}").finish("tool_calls")
    await client.stops()
    await stage.submit(client, call_0="x")
    await model.called()
    await kill(first, stage)
    stage.hire()
    await lose_lease(stage, clock)
    call = await model.called()
    assert [one["role"] for one in call.request.messages] == ["user", "assistant", "tool"]
    call.say("Done").finish()
    assert (await client.stops(times=2)).status == "completed"
    assert len(await stage.steps(client)) == 2


async def test_a_worker_that_lost_its_lease_writes_nothing_more(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """Fencing: it slept too long, and somebody else has its run."""
    stage.hire()
    client, sleeping = await written(stage, model, "Hel")
    clock.advance(LEASE_SECONDS + 1)
    stage.hire()
    # Whichever of the two takes this offer: the first still has a task on the run.
    record = await stage.record(client)
    taken = apply(record.state, Claimed(lease_until=clock.now() + LEASE_SECONDS), 1)
    project_id = record.project_id
    await stage.ports.storage.write(CommitRun(change=taken, project_id=project_id))
    sleeping.say("lo").finish()
    await asyncio.wait_for(sleeping.closed.wait(), BOUND)
    for worker in stage.workers:
        await worker.drain(BOUND)
    assert (await stage.run(client)).status == "in_progress"
    assert await stage.answers(client) == [""]


async def test_a_successor_knows_what_was_written_until_it_claimed(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """The one before it was only slow, and wrote between the successor's look and its claim."""
    stage.hire()
    client = await stage.ask()
    slow = await model.called()
    clock.advance(LEASE_SECONDS + 1)
    seen = await stage.record(client)
    slow.say("Hel")
    await client.reads("Hel")
    until = clock.now() + LEASE_SECONDS
    leg = Leg(seen, stage.ports, stage.tools, lease_until=until)
    assert await leg.claim()
    state = (await stage.record(client)).state
    assert state.open_message is not None
    assert leg._hold.state == state
    assert (state.attempt, state.position > seen.state.position) == (2, True)


async def test_leases_are_kept_alive_while_the_model_is_slow(tmp_path: Path, model: Puppet) -> None:
    """Three renewals per lease, all runs in one write."""
    async with staged(tmp_path, model, lease_seconds=0.3) as stage:
        keeping = asyncio.create_task(stage.workers[0].keep_leases())
        client, call = await written(stage, model, "Hel")
        before = (await stage.record(client)).lease_until
        assert before is not None
        async with asyncio.timeout(BOUND):
            # Leases are renewed in silence, so there is nothing to wait for but the row.
            while (await stage.record(client)).lease_until == before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        call.finish()
        await client.stops()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert (await stage.record(client)).lease_until is None


async def test_the_sweeper_offers_again_what_was_lost(stage: Stage, model: Puppet) -> None:
    """Notifications make it faster; polling makes it true."""
    client = await stage.ask()
    lost = await stage.dispatch.next_offer()  # and forgotten by whoever took it
    assert lost.run_id == client.run_id
    stage.hire()
    await stage.sweeper.sweep()
    (await model.called()).say("Hello").finish()
    assert (await client.stops()).status == "completed"


async def test_the_sweeper_leaves_alone_what_has_just_been_made(stage: Stage) -> None:
    """Whoever made it is about to offer it."""
    await stage.sweeper.sweep()
    client = await stage.ask()
    await (await stage.dispatch.next_offer()).done()
    await stage.sweeper.sweep()
    waiting = asyncio.ensure_future(stage.dispatch.next_offer())
    await asyncio.sleep(0)
    assert not waiting.done()
    await stage.sweeper.sweep()
    assert (await asyncio.wait_for(waiting, BOUND)).run_id == client.run_id


async def test_the_sweeper_leaves_alone_what_a_worker_holds(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    stage.hire()
    client, call = await written(stage, model, "Hel")
    clock.advance(LEASE_SECONDS - 1)
    await stage.sweeper.sweep()
    call.say("lo").finish()
    assert (await client.stops()).status == "completed"
    assert (await stage.record(client)).state.attempt == 1


async def test_many_offers_of_one_run_are_one_leg(stage: Stage, model: Puppet) -> None:
    for _ in range(3):
        stage.hire()
    client = await stage.ask()
    call = await model.called()
    for _ in range(5):
        await stage.dispatch.offer(client.run_id, ME.project_id)
        await asyncio.sleep(0)
    call.say("Hello").finish()
    await client.stops()
    assert model.calls == 1


async def test_an_offer_of_a_run_that_is_gone_or_over_is_nothing(
    stage: Stage, model: Puppet
) -> None:
    stage.hire()
    client, call = await written(stage, model, "Hello")
    call.finish()
    await client.stops()
    await stage.dispatch.offer("run_of_nobody", ME.project_id)
    await stage.dispatch.offer(client.run_id, ME.project_id)
    again, call = await written(stage, model, "Still here")
    call.finish()
    await again.stops()
    assert model.calls == 2


async def test_runs_that_wait_for_their_client_expire_by_the_sweeper(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """RUN-19, RUN-1C, STR-13: nobody was working on it."""
    stage.hire()
    client = await stage.ask(tools=[F])
    (await model.called()).call("{}").finish("tool_calls")
    await client.stops()
    clock.advance(599)
    await stage.sweeper.sweep()
    assert (await stage.run(client)).status == "requires_action"
    clock.advance(1)
    await stage.sweeper.sweep()
    run = await client.stops(times=2)
    assert (run.status, run.required_action) == ("expired", None)
    assert client.names[-2:] == ["run.step.expired", "run.expired"]


async def test_queued_runs_expire_and_the_next_has_its_turn(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """RUN-19: without any worker."""
    first = await stage.ask("one")
    clock.advance(300)
    options = RunOptions(on_busy_thread="enqueue")
    second = await stage.ask("two", thread_id=first.thread_id, options=options)
    clock.advance(300)
    await stage.sweeper.sweep()
    assert (await first.stops()).status == "expired"
    stage.hire()
    (await model.called()).say("TWO").finish()
    assert (await second.stops()).status == "completed"


async def test_no_more_legs_run_than_allowed(tmp_path: Path, model: Puppet) -> None:
    async with staged(tmp_path, model, legs_max=2) as stage:
        clients = [await stage.ask(f"{number}") for number in range(5)]
        for _ in clients:
            (await model.called()).say("Hello").finish()
        runs = await asyncio.gather(*(client.stops() for client in clients))
        assert {run.status for run in runs} == {"completed"}
        assert model.open_most <= 2


async def test_a_worker_that_goes_home_lets_its_legs_end(stage: Stage, model: Puppet) -> None:
    worker = stage.hire()
    client, call = await written(stage, model, "Hel")
    going = asyncio.create_task(worker.drain(BOUND))
    await asyncio.sleep(0)
    call.say("lo").finish()
    await asyncio.wait_for(going, BOUND)
    assert (await stage.run(client)).status == "completed"


async def test_what_does_not_end_in_time_is_left_to_another(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    worker = stage.hire()
    client, call = await written(stage, model, "Hel")
    await kill(worker, stage)
    assert call.closed.is_set()
    assert (await stage.run(client)).status == "in_progress"
    assert not worker._tasks
    stage.hire()
    await lose_lease(stage, clock)
    (await model.called()).say("Hello").finish()
    assert (await client.stops()).status == "completed"


async def test_a_cancel_reaches_a_run_whose_worker_is_dead(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """RUN-18: it is cancelled when the lease is over, by whoever comes."""
    worker = stage.hire()
    client, _ = await written(stage, model, "Hel")
    await kill(worker, stage)
    await stage.cancel(client)
    stage.hire()
    await lose_lease(stage, clock)
    run = await client.stops()
    assert (run.status, model.calls) == ("cancelled", 1)


async def test_a_database_that_is_full_for_a_while_costs_no_run(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """The leg breaks, its run stays as it was, and is taken up again with room on the disk."""

    def pages_max(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    stage.hire()
    client = await stage.ask()
    call = await model.called()
    storage = stage.ports.storage
    await storage._writer.submit(lambda c: pages_max(c, 1))  # type: ignore[attr-defined]
    call.say("x" * 200_000).finish()
    await asyncio.wait_for(call.closed.wait(), BOUND)
    await stage.workers[0].drain(BOUND)
    assert (await stage.run(client)).status == "in_progress"
    await storage._writer.submit(lambda c: pages_max(c, 1_000_000))  # type: ignore[attr-defined]
    await lose_lease(stage, clock)
    (await model.called()).say("x" * 200_000).finish()
    assert (await client.stops()).status == "completed"
    assert len((await stage.answers(client))[0]) == 200_000


async def test_a_run_whose_worker_died_in_the_middle_of_its_text_is_seen_to_expire(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """RUN-19: the text that was told is ahead of the rows, and the end must not fall behind it."""
    worker = stage.hire()
    client, _ = await written(stage, model, "Hello world, this is a long text.")
    await kill(worker, stage)
    clock.advance(700)
    await stage.sweeper.sweep()
    assert (await stage.run(client)).status == "expired"
    await client.ends()
    assert client.names[-1] == "run.expired"


async def test_a_message_that_its_client_deletes_does_not_break_the_story_of_its_run(
    stage: Stage, model: Puppet
) -> None:
    """THR-08: messages may be deleted at any time, and the events replayed after that."""
    stage.hire()
    client, call = await written(stage, model, "Hello")
    call.finish()
    await client.stops()
    (_, answer) = await stage.messages(client)
    await messages.delete(stage.ports, ME, client.thread_id, answer.id)
    again = await stage.watch(client)
    await again.ends()
    assert again.names[-1] == "run.completed"


@pytest.mark.parametrize("late", [False, True])
async def test_the_story_told_again_is_the_story_that_was_told(
    stage: Stage,
    model: Puppet,
    late: bool,  # noqa: FBT001 -- a case, not a switch
) -> None:
    """STR-18, ours: the events endpoint replays a run, during it and after its end."""
    stage.hire()
    client, call = await written(stage, model, "Hel", "lo")
    again = None if late else await stage.watch(client)
    call.finish()
    await client.stops()
    again = again or await stage.watch(client)
    await again.ends()
    assert (again.names, again.text) == (client.names, client.text)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_calls_that_were_cut_off_are_told_again_as_far_as_they_came(
    stage: Stage, model: Puppet, end: str
) -> None:
    """STEP-11: the first call is whole, the second is in its middle, the third was not told."""
    stage.hire()
    client = await stage.ask(tools=[F])
    call = await model.called()
    call.call('{"a": 1}', '{"b": ', '{"c": 3}')
    await client._until(lambda: arguments(client) == '{"a": 1}{"b": ')
    if end == "cancelled":
        await stage.cancel(client)
    else:
        call.fail(UpstreamError("It broke."))
    assert (await client.stops()).status == end
    (step,) = await stage.steps(client)
    assert isinstance(step.step_details, ToolCallsDetails)
    shown = [
        one.function.arguments
        for one in step.step_details.tool_calls
        if isinstance(one, FunctionToolCall)
    ]
    assert (step.status, shown) == (end, ['{"a": 1}', '{"b": '])
    again = await stage.watch(client)
    await again.ends()
    assert arguments(again) == arguments(client) == '{"a": 1}{"b": '
    assert again.events[-1].id == client.events[-1].id


def arguments(client: Client) -> str:
    """Return the arguments of all calls that the client was told of, joined."""
    deltas = [one.data for one in client.events if isinstance(one.data, StepDelta)]
    calls = [call for delta in deltas for call in delta.delta.step_details.tool_calls]
    functions = (call.function for call in calls if isinstance(call, FunctionToolCallDelta))
    return "".join(one.arguments for one in functions if isinstance(one.arguments, str))


async def test_old_idempotency_keys_are_swept(stage: Stage, clock: ManualClock) -> None:
    answer = Answer(
        project_id="proj_1",
        key="k",
        fingerprint="f",
        kind="thread",
        body=b"{}",
        created_at=int(clock.now()),
    )
    await stage.ports.storage.write(answer)
    await stage.sweeper.sweep()
    assert await stage.ports.storage.answered("proj_1", "k") == answer
    clock.advance(60 + FORGET_EVERY_SECONDS)
    await stage.sweeper.sweep()
    assert await stage.ports.storage.answered("proj_1", "k") is None


async def test_files_whose_time_is_over_are_swept_with_their_bytes(
    stage: Stage, clock: ManualClock
) -> None:
    """FILE-08."""

    async def bytes_() -> AsyncIterator[bytes]:
        yield b"abc"

    now = int(clock.now())
    row = Insert(
        kind="file",
        project_id="proj_1",
        id="file-1",
        created_at=now,
        purpose="batch",
        expires_at=now + 60,
        body=b"{}",
    )
    await stage.ports.files.write("file-1", bytes_())
    await stage.ports.storage.write(row)
    await stage.sweeper.sweep()
    assert [part async for part in stage.ports.files.read("file-1")] == [b"abc"]
    clock.advance(60)
    await stage.sweeper.sweep()
    with pytest.raises(KeyError):
        [part async for part in stage.ports.files.read("file-1")]
    assert await stage.ports.storage.missing_files("proj_1", ["file-1"]) == ["file-1"]


async def test_a_cancel_whose_word_was_lost_is_learned_with_the_next_renewal(
    tmp_path: Path, model: Puppet
) -> None:
    """RUN-17: the message is only faster; rows bound how long a model goes on in vain."""
    async with staged(tmp_path, model, lease_seconds=0.3) as stage:
        keeping = asyncio.create_task(stage.workers[0].keep_leases())
        client, call = await written(stage, model, "Hel")
        record = await stage.record(client)
        change = apply(record.state, CancelRequested(), int(stage.ports.clock.now()))
        await stage.ports.storage.write(CommitRun(change=change, project_id=ME.project_id))
        await asyncio.wait_for(call.closed.wait(), BOUND)
        assert (await client.stops()).status == "cancelled"
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
