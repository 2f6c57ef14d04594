"""Dispatch in one process: what it keeps, and that it keeps nothing longer than a leg."""

import pytest

from understudy.dispatch.in_process import InProcessDispatch
from understudy.wire.events import BEGINNING, EventId, RunEvent

from .tale import ASKING, BEFORE, BOUND, COMPLETED, PROJECT, STARTED, state, text


@pytest.mark.parametrize("end", [ASKING, COMPLETED], ids=["waits", "over"])
async def test_no_channel_is_kept_when_nobody_works_and_nobody_listens(end: RunEvent) -> None:
    """100,000 runs in requires_action cost no memory."""
    dispatch = InProcessDispatch()
    dispatch.publish("run_1", [STARTED, end], BEFORE)
    assert dispatch._channels == {}


async def test_the_last_listener_takes_an_idle_channel_with_it() -> None:
    dispatch = InProcessDispatch()
    first, second = await dispatch.subscribe("run_1"), await dispatch.subscribe("run_1")
    first.close()
    assert set(dispatch._channels) == {"run_1"}
    second.close()
    assert dispatch._channels == {}


async def test_a_listener_who_leaves_in_the_middle_leaves_the_leg_its_channel() -> None:
    dispatch = InProcessDispatch()
    listener = await dispatch.subscribe("run_1")
    dispatch.publish("run_1", [STARTED], BEFORE)
    listener.close()
    assert set(dispatch._channels) == {"run_1"}
    dispatch.publish("run_1", [COMPLETED], STARTED.id)
    assert dispatch._channels == {}


async def test_the_backlog_of_a_long_answer_stays_short() -> None:
    """Its text is merged again and again; memory grows with the text, not with its pieces."""
    dispatch = InProcessDispatch()
    dispatch.publish("run_1", [STARTED], BEFORE)
    for number in range(5_000):
        dispatch.publish("run_1", [text("x", 4 + number)], EventId(1, 3 + number))
    assert len(dispatch._channels["run_1"].backlog()) == 2


async def test_offers_that_were_taken_leave_nothing() -> None:
    dispatch = InProcessDispatch()
    await dispatch.offer("run_1", PROJECT)
    await dispatch.next_offer()
    assert (dispatch._offered, dispatch._offers.qsize()) == (set(), 0)


async def test_a_leg_that_ended_without_an_end_is_forgotten_on_request() -> None:
    """Its thread was deleted, or somebody else has the run: no event will tell."""
    dispatch = InProcessDispatch()
    dispatch.publish("run_1", [STARTED], BEFORE)
    dispatch.forget("run_1")
    dispatch.forget("run_2")
    assert dispatch._channels == {}


async def test_without_a_worker_nothing_is_kept_for_one() -> None:
    """``serve --no-worker``: nobody would ever take it."""
    dispatch = InProcessDispatch(has_worker=False)
    listener = await dispatch.subscribe("run_1")
    await dispatch.offer("run_1", PROJECT)
    dispatch.publish("run_1", [STARTED], BEFORE)
    dispatch.publish("run_2", [STARTED], BEFORE)
    assert list(await listener.next(1)) == []  # another process may have told what was before
    assert list(await listener.next(1)) == [STARTED]
    listener.close()
    assert (dispatch._channels, dispatch._offers.qsize()) == ({}, 0)


async def test_where_others_tell_too_a_listener_reads_the_rows_before_it_goes_on() -> None:
    """What another process has told lies between; only the rows have it."""
    dispatch = InProcessDispatch(is_alone=False)
    listener = await dispatch.subscribe("run_1")
    dispatch.publish("run_1", [STARTED], BEGINNING)
    assert list(await listener.next(BOUND)) == [STARTED]
    dispatch.publish("run_1", [COMPLETED], state("thread.run.requires_action", 8).id)
    assert list(await listener.next(BOUND)) == []
    assert list(await listener.next(BOUND)) == [COMPLETED]
    listener.close()


async def test_a_run_that_another_process_may_work_on_leaves_nothing_here() -> None:
    dispatch = InProcessDispatch(is_alone=False)
    dispatch.publish("run_1", [state("thread.run.queued", 2)], BEGINNING)
    assert dispatch._channels == {}
    dispatch.publish("run_1", [STARTED], state("thread.run.queued", 2).id)
    dispatch.forget("run_1")
    assert dispatch._channels == {}
