"""What the port promises, of every adapter: offers, events and orders to stop."""

import asyncio

import pytest

from understudy.dispatch.base import Dispatch
from understudy.wire.events import EventId, RunEvent

from .tale import (
    ASKING,
    BEFORE,
    BOUND,
    COMPLETED,
    PROJECT,
    SOON,
    STARTED,
    heard,
    state,
    text,
    texts,
)


async def test_offers_come_in_the_order_in_which_they_were_made(dispatch: Dispatch) -> None:
    for run_id in ("run_1", "run_2", "run_3"):
        await dispatch.offer(run_id, PROJECT)
    assert [(await dispatch.next_offer()).run_id for _ in range(3)] == ["run_1", "run_2", "run_3"]


async def test_an_offer_that_nobody_has_taken_is_not_made_twice(dispatch: Dispatch) -> None:
    """The sweeper may offer as often as it likes."""
    for run_id in ("run_1", "run_2", "run_1", "run_1"):
        await dispatch.offer(run_id, PROJECT)
    assert [(await dispatch.next_offer()).run_id for _ in range(2)] == ["run_1", "run_2"]
    await dispatch.offer("run_3", PROJECT)
    assert (await dispatch.next_offer()).run_id == "run_3"


async def test_a_run_that_was_taken_can_be_offered_again(dispatch: Dispatch) -> None:
    """After its client has sent outputs."""
    for _ in range(2):
        await dispatch.offer("run_1", PROJECT)
        offer = await asyncio.wait_for(dispatch.next_offer(), BOUND)
        assert (offer.run_id, offer.project_id) == ("run_1", PROJECT)
        await offer.done()


async def test_each_offer_goes_to_one_worker(dispatch: Dispatch) -> None:
    workers = [asyncio.create_task(dispatch.next_offer()) for _ in range(3)]
    for number in range(3):
        await dispatch.offer(f"run_{number}", PROJECT)
    taken = await asyncio.wait_for(asyncio.gather(*workers), BOUND)
    assert sorted(offer.run_id for offer in taken) == ["run_0", "run_1", "run_2"]


async def test_a_worker_that_stops_waiting_takes_no_offer_with_it(dispatch: Dispatch) -> None:
    waiting = asyncio.create_task(dispatch.next_offer())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await dispatch.offer("run_1", PROJECT)
    assert (await asyncio.wait_for(dispatch.next_offer(), BOUND)).run_id == "run_1"


async def test_a_listener_hears_events_in_their_order(dispatch: Dispatch) -> None:
    listener = await dispatch.subscribe("run_1")
    dispatch.publish("run_1", [STARTED], BEFORE)
    dispatch.publish("run_1", [COMPLETED], STARTED.id)
    assert await listener.next(BOUND) == [STARTED, COMPLETED]
    listener.close()


async def test_a_listener_who_waits_is_woken(dispatch: Dispatch) -> None:
    listener = await dispatch.subscribe("run_1")
    waiting = asyncio.create_task(listener.next(BOUND))
    await asyncio.sleep(0)
    dispatch.publish("run_1", [STARTED], BEFORE)
    assert list(await asyncio.wait_for(waiting, BOUND)) == [STARTED]
    listener.close()


async def test_nothing_happens_and_a_listener_is_told_so_in_time(dispatch: Dispatch) -> None:
    listener = await dispatch.subscribe("run_1")
    assert list(await listener.next(SOON)) == []
    dispatch.publish("run_1", [STARTED], BEFORE)
    assert list(await listener.next(BOUND)) == [STARTED]
    listener.close()


async def test_runs_do_not_hear_each_other(dispatch: Dispatch) -> None:
    listener = await dispatch.subscribe("run_1")
    dispatch.publish("run_2", [STARTED], BEFORE)
    assert list(await listener.next(SOON)) == []
    listener.close()


async def test_all_listeners_hear_everything(dispatch: Dispatch) -> None:
    listeners = [await dispatch.subscribe("run_1") for _ in range(3)]
    dispatch.publish("run_1", [STARTED, COMPLETED], BEFORE)
    for listener in listeners:
        assert list(await listener.next(BOUND)) == [STARTED, COMPLETED]
        listener.close()


async def test_text_that_a_listener_had_no_time_for_comes_in_one_piece(dispatch: Dispatch) -> None:
    """A client that is slower than the model takes bigger bites; nothing is dropped."""
    listener = await dispatch.subscribe("run_1")
    dispatch.publish("run_1", [STARTED], BEFORE)
    words = [text(f"{number % 10}", 4 + number) for number in range(100)]
    for word in words:
        dispatch.publish("run_1", [word], EventId(1, word.position - 1))
    told = await listener.next(BOUND)
    assert told[0] == STARTED
    assert texts(told) == "0123456789" * 10
    assert len(told) == 2
    assert (told[-1].id, told[-1].width) == (words[-1].id, 100)
    listener.close()


async def test_a_late_listener_gets_the_whole_leg(dispatch: Dispatch) -> None:
    """What is not in the rows yet comes first, and from where on is known."""
    dispatch.publish("run_1", [STARTED], BEFORE)
    for number in range(200):
        dispatch.publish("run_1", [text("x", 4 + number)], EventId(1, 3 + number))
    listener = await dispatch.subscribe("run_1")
    assert listener.opened_after in {None, BEFORE}  # or its reader looks at the rows first
    backlog = await heard(listener, 2)
    assert (backlog[0], texts(backlog)) == (STARTED, "x" * 200)
    dispatch.publish("run_1", [text("y", 204)], EventId(1, 203))
    assert texts(await listener.next(BOUND)) == "y"
    listener.close()


async def test_an_early_listener_does_not_know_since_when_it_listens(dispatch: Dispatch) -> None:
    """It has to read the rows: nobody has told it what was before."""
    listener = await dispatch.subscribe("run_1")
    assert listener.opened_after is None
    listener.close()


async def test_a_second_listener_knows_what_the_first_has_heard(dispatch: Dispatch) -> None:
    first = await dispatch.subscribe("run_1")
    dispatch.publish("run_1", [STARTED], BEFORE)
    assert await heard(first, 1) == [STARTED]
    second = await dispatch.subscribe("run_1")
    assert second.opened_after in {None, BEFORE}  # or its reader looks at the rows first
    assert await heard(second, 1) == [STARTED]
    first.close()
    second.close()


@pytest.mark.parametrize("end", [ASKING, COMPLETED], ids=["waits", "over"])
async def test_after_a_leg_only_the_rows_know_it(dispatch: Dispatch, end: RunEvent) -> None:
    dispatch.publish("run_1", [STARTED, end], BEFORE)
    late = await dispatch.subscribe("run_1")
    assert late.opened_after is None
    assert list(await late.next(SOON)) == []
    late.close()


async def test_a_listener_stays_from_one_leg_to_the_next(dispatch: Dispatch) -> None:
    """The events endpoint follows a run over its client's outputs."""
    staying = await dispatch.subscribe("run_1")
    dispatch.publish("run_1", [STARTED, ASKING], BEFORE)
    between = await dispatch.subscribe("run_1")
    assert between.opened_after in {None, ASKING.id}
    queued = state("thread.run.queued", 11)
    dispatch.publish("run_1", [queued], ASKING.id)
    assert await heard(staying, 3) == [STARTED, ASKING, queued]
    assert list(await between.next(BOUND)) == [queued]
    staying.close()
    between.close()


async def test_who_has_closed_hears_nothing_and_disturbs_nobody(dispatch: Dispatch) -> None:
    gone, staying = await dispatch.subscribe("run_1"), await dispatch.subscribe("run_1")
    gone.close()
    gone.close()
    dispatch.publish("run_1", [STARTED], BEFORE)
    assert list(await staying.next(BOUND)) == [STARTED]
    assert list(await gone.next(SOON)) == []
    staying.close()


async def test_closing_while_waiting_ends_the_wait_in_time(dispatch: Dispatch) -> None:
    listener = await dispatch.subscribe("run_1")
    waiting = asyncio.create_task(listener.next(SOON))
    await asyncio.sleep(0)
    listener.close()
    dispatch.publish("run_1", [STARTED], BEFORE)
    assert list(await asyncio.wait_for(waiting, BOUND)) == []


async def test_a_wait_that_is_cancelled_loses_no_event(dispatch: Dispatch) -> None:
    listener = await dispatch.subscribe("run_1")
    waiting = asyncio.create_task(listener.next(BOUND))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    dispatch.publish("run_1", [STARTED], BEFORE)
    assert list(await listener.next(BOUND)) == [STARTED]
    listener.close()


async def test_publishing_nothing_tells_nothing(dispatch: Dispatch) -> None:
    listener = await dispatch.subscribe("run_1")
    dispatch.publish("run_1", [], BEFORE)
    assert list(await listener.next(SOON)) == []
    listener.close()


async def test_an_interruption_reaches_every_handler_with_its_run(dispatch: Dispatch) -> None:
    told: list[str] = []
    both = asyncio.Event()

    def note(run_id: str) -> None:
        told.append(run_id)
        if len(told) == 2:
            both.set()

    dispatch.on_interrupt(note)
    dispatch.on_interrupt(note)
    await dispatch.interrupt("run_7")
    await asyncio.wait_for(both.wait(), BOUND)
    assert told == ["run_7", "run_7"]


async def test_an_interruption_sends_listeners_to_the_rows(dispatch: Dispatch) -> None:
    """Without an event: the run may be gone, and nothing will be told of it any more."""
    listener = await dispatch.subscribe("run_1")
    waiting = asyncio.create_task(listener.next(BOUND))
    await asyncio.sleep(0)
    await dispatch.interrupt("run_1")
    assert list(await asyncio.wait_for(waiting, BOUND)) == []
    listener.close()
