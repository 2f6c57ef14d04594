"""Offers between processes: each of them has a NatsDispatch of its own on one server."""

import asyncio

import pytest

from understudy.dispatch.nats import NatsDispatch
from understudy.dispatch.nats.offers import DELIVERIES_MAX, NatsOffer
from understudy.dispatch.nats.streams import OFFERS_PER_PROJECT_MAX

from .conftest import Another
from .tale import BOUND, PROJECT, SOON

pytestmark = pytest.mark.cluster


async def taken(worker: NatsDispatch) -> NatsOffer:
    """Return the next offer, which comes within the test's patience."""
    return await asyncio.wait_for(worker.next_offer(), BOUND)


async def queued(dispatch: NatsDispatch, prefix: str) -> int:
    """Return how many offers lie in the queue."""
    await dispatch.check()  # what this process has sent is there
    stream = await dispatch._connection.jetstream.stream_info(f"{prefix}-offers")
    return int(stream.state.messages)


async def emptied(dispatch: NatsDispatch, prefix: str, left: int = 0) -> None:
    """Return when no more lie in the queue; the server counts acknowledgements in its time."""
    async with asyncio.timeout(BOUND):
        while await queued(dispatch, prefix) > left:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(SOON)


async def forgotten(dispatch: NatsDispatch, run_id: str) -> None:
    """Return when the process has been told that somebody has taken its offer."""
    async with asyncio.timeout(BOUND):
        while run_id in dispatch._offers._untaken:  # noqa: ASYNC110 - nobody else waits for this
            await asyncio.sleep(SOON)


async def test_each_offer_goes_to_one_of_several_processes(another: Another) -> None:
    api, workers = await another(), [await another() for _ in range(3)]
    for number in range(30):
        await api.offer(f"run_{number}", PROJECT)
    offers = [await taken(workers[number % 3]) for number in range(30)]
    assert sorted(offer.run_id for offer in offers) == sorted(f"run_{n}" for n in range(30))


async def test_what_was_done_is_not_offered_again(another: Another, nats_prefix: str) -> None:
    api, worker = await another(), await another()
    await api.offer("run_1", PROJECT)
    await (await taken(worker)).done()
    await emptied(worker, nats_prefix)


async def test_a_declined_offer_comes_to_somebody_again(another: Another) -> None:
    api, worker, other = await another(), await another(), await another()
    await api.offer("run_1", PROJECT)
    await (await taken(worker)).decline(SOON)
    offer = await taken(other)
    assert (offer.run_id, offer.project_id) == ("run_1", PROJECT)


async def test_what_a_dying_worker_was_given_comes_to_another(another: Another) -> None:
    """Between delivery and claim nobody else knows of it; the queue does."""
    api, worker, other = await another(), await another(), await another()
    await api.offer("run_1", PROJECT)
    await taken(worker)
    await worker.close()
    assert (await taken(other)).run_id == "run_1"


async def test_who_offered_may_offer_again_when_another_process_has_taken(
    another: Another, nats_prefix: str
) -> None:
    """The client sends outputs to the process that it has asked before."""
    api, worker = await another(), await another()
    for _ in range(3):
        await api.offer("run_1", PROJECT)
        await api.offer("run_1", PROJECT)
        assert await queued(api, nats_prefix) == 1
        await (await taken(worker)).done()
        await forgotten(api, "run_1")
        await emptied(worker, nats_prefix)


async def test_a_project_cannot_fill_the_queue(another: Another, nats_prefix: str) -> None:
    """One with 100,000 runs does not stand in the way of another with one."""
    api, worker = await another(), await another()
    for number in range(OFFERS_PER_PROJECT_MAX + 50):
        await api.offer(f"run_{number}", "proj_large")
    await api.offer("run_small", "proj_small")
    assert await queued(api, nats_prefix) == OFFERS_PER_PROJECT_MAX + 1
    offers = [await taken(worker) for _ in range(OFFERS_PER_PROJECT_MAX + 1)]
    assert offers[-1].run_id == "run_small"


async def test_what_was_refused_can_be_offered_when_there_is_room(
    another: Another, nats_prefix: str
) -> None:
    api, worker = await another(), await another()
    for number in range(OFFERS_PER_PROJECT_MAX + 1):
        await api.offer(f"run_{number}", PROJECT)
    await (await taken(worker)).done()
    await emptied(worker, nats_prefix, OFFERS_PER_PROJECT_MAX - 1)
    await api.offer(f"run_{OFFERS_PER_PROJECT_MAX}", PROJECT)
    assert await queued(api, nats_prefix) == OFFERS_PER_PROJECT_MAX


async def test_an_offer_that_everybody_declines_is_left_to_the_sweeper(
    another: Another, nats_prefix: str
) -> None:
    """It does not stay in the queue for ever, and its process may offer it again."""
    api, worker = await another(), await another()
    await api.offer("run_1", PROJECT)
    for _ in range(DELIVERIES_MAX):
        await (await taken(worker)).decline(0)
    waiting = asyncio.create_task(worker.next_offer())
    await forgotten(api, "run_1")
    await emptied(worker, nats_prefix)
    await api.offer("run_1", PROJECT)
    assert (await asyncio.wait_for(waiting, BOUND)).run_id == "run_1"


async def test_offers_for_somebody_who_stopped_waiting_go_to_others(another: Another) -> None:
    api, gone, worker = await another(), await another(), await another()
    waiting = asyncio.create_task(gone.next_offer())
    await asyncio.sleep(SOON)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await api.offer("run_1", PROJECT)
    assert (await taken(worker)).run_id == "run_1"


async def test_names_with_dots_and_stars_are_one_token_of_a_subject(another: Another) -> None:
    api, worker = await another(), await another()
    await api.offer("run_1", "project * of > a.b")
    assert (await taken(worker)).project_id == "project * of > a.b"
