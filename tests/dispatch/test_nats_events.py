"""Events between processes: each of them has a NatsDispatch of its own on one server."""

import asyncio

import pytest
from msgspec.structs import replace

from understudy.dispatch.nats import NatsDispatch
from understudy.dispatch.nats.listener import UNREAD_MAX
from understudy.wire.events import EventId, RunEvent
from understudy.wire.objects.runs import Run

from .conftest import Another
from .tale import (
    ASKING,
    BEFORE,
    BOUND,
    COMPLETED,
    SOON,
    STARTED,
    heard,
    state,
    text,
    text_heard,
    texts,
)

pytestmark = pytest.mark.cluster

FIRST = STARTED.position + 1


def say(worker: NatsDispatch, words: str, position: int, *, attempt: int = 1) -> int:
    """Tell text that begins at the position, a delta for each character; return where it ends."""
    for place, letter in enumerate(words, position + 1):
        worker.publish("run_1", [text(letter, place, attempt=attempt)], EventId(attempt, place - 1))
    return position + len(words)


async def settled(dispatch: NatsDispatch) -> None:
    """Return when the server has what was published, in the stream too."""
    await dispatch._events.flush()
    await dispatch.check()
    await dispatch._events._history.read("run_1")


async def test_what_one_process_tells_others_hear(another: Another) -> None:
    worker, first, second = await another(), await another(), await another()
    listeners = [await first.subscribe("run_1"), await second.subscribe("run_1")]
    await first.check()
    await second.check()
    worker.publish("run_1", [STARTED], BEFORE)
    say(worker, "hello", STARTED.position)
    worker.publish("run_1", [COMPLETED], EventId(1, 8))
    for listener in listeners:
        told = await heard(listener, 3)
        assert (told[0], texts(told), told[-1]) == (STARTED, "hello", COMPLETED)


async def test_who_comes_in_the_middle_is_told_the_beginning_once(another: Another) -> None:
    """STR-12: reconnecting, to a third process too, shows each event once and in order."""
    worker = await another()
    worker.publish("run_1", [STARTED], BEFORE)
    place = say(worker, "one ", STARTED.position)
    for _ in range(2):
        await settled(worker)
        late = await (await another()).subscribe("run_1")
        assert late.opened_after == BEFORE
        place = say(worker, "and more ", place)
        told: list[RunEvent] = []
        while not told or told[-1].position < place:
            told += await late.next(BOUND)
        assert told[0] == STARTED
        assert len(texts(told)) == place - STARTED.position
        assert [one.id for one in told] == sorted({one.id for one in told})
        late.close()


async def test_earlier_legs_are_not_told_to_those_who_come_late(another: Another) -> None:
    worker = await another()
    worker.publish("run_1", [STARTED, ASKING], BEFORE)
    again = state("thread.run.in_progress", 12, attempt=2)
    queued = state("thread.run.queued", 11)
    worker.publish("run_1", [queued], EventId(1, 10))
    worker.publish("run_1", [again], queued.id)
    await settled(worker)
    late = await (await another()).subscribe("run_1")
    assert list(await late.next(BOUND)) == [queued, again]


async def test_each_event_comes_once_and_in_order_at_three_thousand_a_second(
    another: Another,
) -> None:
    """Two workers tell 20 runs; half of the listeners come in the middle."""
    workers = [await another(), await another()]
    listening = await another()
    runs = [f"run_{number}" for number in range(20)]
    early = [await listening.subscribe(run_id, from_now=True) for run_id in runs]
    await listening.check()
    for number, run_id in enumerate(runs):
        workers[number % 2].publish(run_id, [STARTED], BEFORE)
    late = []
    for place in range(FIRST, FIRST + 150):
        for number, run_id in enumerate(runs):
            delta = text(chr(97 + place % 26), place)
            workers[number % 2].publish(run_id, [delta], EventId(1, place - 1))
        if place == FIRST + 75:
            late = [await listening.subscribe(run_id) for run_id in runs]
        await asyncio.sleep(0)
    expected = "".join(chr(97 + place % 26) for place in range(FIRST, FIRST + 150))
    for listener in [*early, *late]:
        assert await text_heard(listener, len(expected)) == expected
        assert list(await listener.next(SOON)) == []


async def test_a_gap_is_filled_from_the_stream(another: Another) -> None:
    """The listener's connection broke while the worker went on."""
    worker, api = await another(), await another()
    listener = await api.subscribe("run_1")
    worker.publish("run_1", [STARTED], BEFORE)
    assert list(await listener.next(BOUND)) == [STARTED]
    await api._connection.client.force_reconnect()
    place = say(worker, "not heard, ", STARTED.position)
    await settled(worker)
    await back(api)
    say(worker, "heard", place)
    assert await text_heard(listener, 16) == "not heard, heard"
    assert list(await listener.next(SOON)) == []


async def back(dispatch: NatsDispatch) -> None:
    """Return when the dispatch is connected again."""
    async with asyncio.timeout(BOUND):
        while not dispatch._connection.is_up:  # noqa: ASYNC110 - the client tells nobody
            await asyncio.sleep(SOON)
    await dispatch.check()


async def test_after_a_connection_broke_listeners_look_at_the_rows(another: Another) -> None:
    """The last event of the run may have been told meanwhile; nothing would come any more."""
    api = await another()
    listener = await api.subscribe("run_1")
    await api._connection.client.force_reconnect()
    assert list(await asyncio.wait_for(listener.next(2 * BOUND), BOUND)) == []


async def test_a_gap_that_the_stream_has_too_sends_to_the_rows(another: Another) -> None:
    """Deltas were dropped by the worker: what follows makes no sense before the next state."""
    worker, api = await another(), await another()
    listener = await api.subscribe("run_1")
    worker.publish("run_1", [STARTED], BEFORE)
    assert list(await listener.next(BOUND)) == [STARTED]
    say(worker, "without its beginning", 60)
    end = state("thread.run.completed", 100)
    worker.publish("run_1", [end], EventId(1, 99))
    assert list(await asyncio.wait_for(listener.next(2 * BOUND), BOUND)) == []
    assert list(await listener.next(BOUND)) == [end]


async def test_a_successor_begins_where_the_rows_are(another: Another) -> None:
    """A takeover is silent and tells the text anew, under a higher attempt; that is no gap."""
    worker, successor, api = await another(), await another(), await another()
    listener = await api.subscribe("run_1")
    await api.check()
    worker.publish("run_1", [STARTED], BEFORE)
    say(worker, "lost text", STARTED.position)
    assert await text_heard(listener, 9) == "lost text"
    say(successor, "new", STARTED.position, attempt=2)
    told = await heard(listener, 1)
    assert (texts(told), told[-1].id) == ("new", EventId(2, 6))


async def test_a_worker_that_was_believed_dead_is_not_listened_to(another: Another) -> None:
    """SIGSTOP past its lease, then SIGCONT: its deltas are late."""
    worker, successor, api = await another(), await another(), await another()
    listener = await api.subscribe("run_1")
    await api.check()
    worker.publish("run_1", [STARTED], BEFORE)
    await settled(worker)
    place = say(successor, "new ", STARTED.position, attempt=2)
    await settled(successor)
    say(worker, "too late", STARTED.position)
    await settled(worker)
    say(successor, "text", place, attempt=2)
    assert await text_heard(listener, 8) == "new text"


async def test_a_listener_who_does_not_read_costs_little_and_is_sent_to_the_rows(
    another: Another,
) -> None:
    worker, api = await another(), await another()
    listener = await api.subscribe("run_1")
    await api.check()
    worker.publish("run_1", [STARTED], BEFORE)
    for number in range(3 * UNREAD_MAX):
        step = state("thread.run.in_progress", FIRST + number)
        worker.publish("run_1", [step], EventId(1, FIRST + number - 1))
        if number % 100 == 0:
            await asyncio.sleep(0)
    end = state("thread.run.completed", FIRST + 3 * UNREAD_MAX)
    worker.publish("run_1", [end], EventId(1, end.position - 1))
    async with asyncio.timeout(BOUND):
        while listener._continuity.told != end.id:
            assert len(listener._mailbox) <= UNREAD_MAX
            await asyncio.sleep(SOON)
    assert list(await listener.next(BOUND)) == []
    assert (await listener.next(BOUND))[-1] == end


async def test_a_long_text_that_nobody_reads_is_one_delta(another: Another) -> None:
    worker, api = await another(), await another()
    listener = await api.subscribe("run_1")
    await api.check()
    worker.publish("run_1", [STARTED], BEFORE)
    place = STARTED.position
    for _ in range(50):
        place = say(worker, "x" * 100, place)
        await asyncio.sleep(0)
    assert await text_heard(listener, 5_000) == "x" * 5_000


async def test_an_event_that_is_too_large_for_a_message_sends_to_the_rows(
    another: Another,
) -> None:
    worker, api = await another(), await another()
    listener = await api.subscribe("run_1")
    worker.publish("run_1", [STARTED], BEFORE)
    assert list(await listener.next(BOUND)) == [STARTED]
    large = enlarged(state("thread.run.queued", FIRST), 2_000_000)
    worker.publish("run_1", [large], STARTED.id)
    say(worker, "on", FIRST)
    assert list(await asyncio.wait_for(listener.next(2 * BOUND), BOUND)) == []
    assert await text_heard(listener, 2) == "on"
    late = await (await another()).subscribe("run_1")
    assert (late.opened_after, texts(await late.next(BOUND))) == (large.id, "on")


def enlarged(event: RunEvent, size: int) -> RunEvent:
    """Return the event about a run with long instructions."""
    assert isinstance(event.data, Run)
    return replace(event, data=replace(event.data, instructions="x" * size))


async def test_many_events_that_are_too_large_together_go_one_by_one(another: Another) -> None:
    worker, api = await another(), await another()
    listener = await api.subscribe("run_1")
    await api.check()
    worker.publish("run_1", [STARTED], BEFORE)
    states = [enlarged(state("thread.run.queued", FIRST + n), 500_000) for n in range(3)]
    worker.publish("run_1", states, STARTED.id)
    assert await heard(listener, 4) == [STARTED, *states]


async def test_an_interruption_reaches_workers_and_listeners_of_all_processes(
    another: Another,
) -> None:
    api, worker, elsewhere = await another(), await another(), await another()
    told: asyncio.Queue[str] = asyncio.Queue()
    worker.on_interrupt(told.put_nowait)
    listener = await elsewhere.subscribe("run_1")
    await worker.check()
    await elsewhere.check()
    await api.interrupt("run_1")
    assert await asyncio.wait_for(told.get(), BOUND) == "run_1"
    assert list(await asyncio.wait_for(listener.next(2 * BOUND), BOUND)) == []


async def test_entries_are_announced_to_all(another: Another) -> None:
    api, worker = await another(), await another()
    await worker.check()
    await api.announce_entries()
    await asyncio.wait_for(worker.entries_announced(), BOUND)


async def test_listeners_that_leave_leave_nothing(another: Another, nats_prefix: str) -> None:
    """Here and in the server."""
    api = await another()
    api.publish("run_1", [STARTED], BEFORE)
    before = set(api._connection.client._subs)
    for _ in range(10):
        listener = await api.subscribe("run_1")
        listener.close()
    await asyncio.gather(*api._events._leaving)
    async with asyncio.timeout(BOUND):
        while await readers_of(api, f"{nats_prefix}-events"):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(SOON)
    assert (set(api._connection.client._subs), api._events._listeners) == (before, {})


async def readers_of(dispatch: NatsDispatch, stream: str) -> int:
    info = await dispatch._connection.jetstream.stream_info(stream)
    return info.state.consumer_count


async def test_whoever_set_a_run_going_never_begins_in_the_middle_of_a_text(
    another: Another,
) -> None:
    """What came first was lost in an outage: the reader goes to the rows, and on from a state."""
    api, worker = await another(), await another()
    listener = await api.subscribe("run_1", after=BEFORE)
    await api.check()
    completed = state("thread.run.completed", 21)
    worker.publish("run_1", [text("lost before", 20)], EventId(1, 9))
    worker.publish("run_1", [completed], EventId(1, 20))
    assert list(await listener.next(BOUND)) == []  # to read the rows, perhaps more than once
    told: list[RunEvent] = []
    async with asyncio.timeout(BOUND):
        while not told:
            told += await listener.next(BOUND)
    assert told == [completed]
