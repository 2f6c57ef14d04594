"""Who gets a place in a worker: limits per worker, per project and per upstream."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import json

from understudy.clock import ManualClock
from understudy.engine.duties import DUTY_SECONDS, SharedDuties
from understudy.engine.places import Places
from understudy.operations import assistants, run_creation, runs, threads
from understudy.operations.ports import Caller
from understudy.storage.records import Claimable
from understudy.storage.sqlite.store import SqliteStorage
from understudy.upstream.catalogue import Catalogue, Entry
from understudy.wire.objects.messages import Text, TextContent
from understudy.wire.params.assistants import NewAssistant
from understudy.wire.params.messages import NewMessage
from understudy.wire.params.runs import NewRun
from understudy.wire.params.threads import NewThread

from .puppet import BOUND, Call, Puppet
from .stage import Stage, staged

BIG = Caller(project_id="proj_big", era="v2")
SMALL = Caller(project_id="proj_small", era="v2")


async def queue(stage: Stage, caller: Caller, count: int) -> list[tuple[str, str]]:
    """Ask for so many runs, each on a thread of its own; return (thread id, run id)."""
    assistant = await assistants.create(stage.ports, caller, NewAssistant(model="scripted"))
    words = NewMessage(role="user", content=[TextContent(Text(caller.project_id))])
    made = []
    for _ in range(count):
        thread = await threads.create(stage.ports, caller, NewThread())
        new = NewRun(assistant_id=assistant.id, additional_messages=[words])
        accepted = await run_creation.create(stage.ports, caller, thread.id, new)
        made.append((thread.id, accepted.row.id))
    return made


def project_of(call: Call) -> str:
    """Return whose run the model was called for."""
    return str(call.request.messages[-1])


async def called(model: Puppet, times: int) -> list[Call]:
    """Wait for so many calls."""
    return [await asyncio.wait_for(model.called(), BOUND) for _ in range(times)]


async def test_a_project_with_many_runs_does_not_take_all_places(tmp_path: Path) -> None:
    """The runs of the big one never end here; the only run of the small one still begins."""
    model = Puppet()
    async with staged(tmp_path, model, workers=0, legs_max=8) as stage:
        await queue(stage, BIG, 50)
        await queue(stage, SMALL, 1)
        stage.hire()
        calls = await called(model, 8)
        assert sum("proj_small" in project_of(call) for call in calls) == 1


async def test_offers_that_were_declined_are_made_again_when_a_leg_ends(tmp_path: Path) -> None:
    """Nobody sweeps here: the worker itself looks for what it had to pass over."""
    model = Puppet()
    async with staged(tmp_path, model, workers=0, legs_max=8, project_legs_max=2) as stage:
        made = await queue(stage, BIG, 12)
        stage.hire()
        for _ in made:
            (await asyncio.wait_for(model.called(), BOUND)).say("Hello").finish()
        assert model.open_most <= 2
        await ended(stage, BIG, made)


async def ended(
    stage: Stage, caller: Caller, made: Sequence[tuple[str, str]], status: str = "completed"
) -> None:
    """Wait until all these runs have the status."""

    async def has_status(thread_id: str, run_id: str) -> bool:
        row = await runs.get(stage.ports, caller, thread_id, run_id)
        return bool(json.decode(row.body)["status"] == status)

    async with asyncio.timeout(BOUND):
        for thread_id, run_id in made:
            while not await has_status(thread_id, run_id):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)


async def test_the_sweeper_offers_a_few_of_each_project(tmp_path: Path) -> None:
    model = Puppet()
    async with staged(tmp_path, model, workers=0) as stage:
        many = await queue(stage, BIG, 30)
        (only,) = await queue(stage, SMALL, 1)
        now = stage.ports.clock.now()
        found = await stage.ports.storage.claimable(now, 4)
        assert Claimable(SMALL.project_id, only[1]) in found
        assert [one.run_id for one in found if one.project_id == BIG.project_id] == [
            run for _, run in many[:3]
        ]
        of_one = await stage.ports.storage.claimable(now, 4, BIG.project_id)
        assert [one.run_id for one in of_one] == [run for _, run in many[:4]]


async def test_no_more_calls_of_an_upstream_than_it_bears(tmp_path: Path) -> None:
    model = Puppet()
    models = Catalogue(
        [Entry(name="slow", upstream=model, serves_any=True, calls_max=2)], aliases={}
    )
    async with staged(tmp_path, models, workers=0) as stage:
        made = await queue(stage, SMALL, 6)
        stage.hire()
        for _ in made:
            (await asyncio.wait_for(model.called(), BOUND)).say("Hello").finish()
        assert model.open_most == 2
        await ended(stage, SMALL, made)


async def test_a_cancelled_run_does_not_wait_for_its_upstream(tmp_path: Path) -> None:
    model = Puppet()
    models = Catalogue(
        [Entry(name="slow", upstream=model, serves_any=True, calls_max=1)], aliases={}
    )
    async with staged(tmp_path, models, workers=0) as stage:
        first, second = await queue(stage, SMALL, 2)
        stage.hire()
        call = await asyncio.wait_for(model.called(), BOUND)
        await runs.cancel(stage.ports, SMALL, *second)
        await ended(stage, SMALL, [second], "cancelled")
        call.say("Hello").finish()
        await ended(stage, SMALL, [first])
        assert model.calls == 1


@pytest.mark.parametrize(("in_all", "for_one"), [(1, 1), (2, 2), (8, 7), (4000, 3500)])
def test_some_places_are_kept_for_others(in_all: int, for_one: int) -> None:
    assert Places(in_all).left_for("proj_1") == for_one


async def test_a_duty_has_one_owner_until_it_falls_silent(tmp_path: Path) -> None:
    storage, clock = SqliteStorage(tmp_path / "understudy.db"), ManualClock()
    first, second = SharedDuties(storage, clock), SharedDuties(storage, clock)
    assert await first.is_mine("sweep")
    assert not await second.is_mine("sweep")
    assert await second.is_mine("another")
    for _ in range(5):
        clock.advance(DUTY_SECONDS - 1)
        assert await first.is_mine("sweep")
        assert not await second.is_mine("sweep")
    clock.advance(DUTY_SECONDS)
    assert await second.is_mine("sweep")
    assert not await first.is_mine("sweep")
    await storage.close()
