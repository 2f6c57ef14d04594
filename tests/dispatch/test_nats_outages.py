"""NATS away, silent, full, or back without its data: nobody waits, and everything goes on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress

import nats.errors
import pytest

from tests.services.nats import NatsServer, running
from understudy.dispatch.base import Subscription
from understudy.dispatch.nats import NatsDispatch
from understudy.dispatch.nats.offers import NatsOffer
from understudy.dispatch.nats.outbox import WAITING_MAX
from understudy.dispatch.nats.streams import Keeping
from understudy.errors import Misconfigured, Unavailable
from understudy.wire.events import EventId

from .tale import BEFORE, BOUND, COMPLETED, PROJECT, SOON, STARTED, heard, text, texts

pytestmark = pytest.mark.cluster

MEBIBYTE = 1024 * 1024
Pair = tuple[NatsDispatch, NatsDispatch]


@pytest.fixture
async def pair(own_nats_server: NatsServer) -> AsyncIterator[Pair]:
    """Give the dispatches of two processes on a server of their own."""
    async with AsyncExitStack() as closing:
        opened = [await NatsDispatch.open(own_nats_server.url) for _ in range(2)]
        for one in opened:
            closing.push_async_callback(one.close)
        yield opened[0], opened[1]


async def ready(*dispatches: NatsDispatch) -> None:
    """Return when all are connected and have their streams."""
    async with asyncio.timeout(BOUND):
        for dispatch in dispatches:
            while not await is_ready(dispatch):  # noqa: ASYNC110 - the client tells nobody
                await asyncio.sleep(SOON)


async def is_ready(dispatch: NatsDispatch) -> bool:
    try:
        await dispatch.check()
        await dispatch._streams.restore()
    except Unavailable:
        return False
    return dispatch._streams._problem is None


async def away(*dispatches: NatsDispatch) -> None:
    """Return when all have noticed that nobody answers."""
    async with asyncio.timeout(BOUND):
        for dispatch in dispatches:
            while dispatch._connection.is_up:  # noqa: ASYNC110 - the client tells nobody
                await asyncio.sleep(SOON)


@pytest.mark.parametrize("keeps", [True, False], ids=["with_data", "without_data"])
async def test_after_a_restart_everything_goes_on(
    pair: Pair, own_nats_server: NatsServer, *, keeps: bool
) -> None:
    api, worker = pair
    listener = await api.subscribe("run_1")
    waiting = asyncio.create_task(worker.next_offer())
    await api.offer("run_kept", PROJECT)
    await (await asyncio.wait_for(waiting, BOUND)).done()
    waiting = asyncio.create_task(worker.next_offer())
    own_nats_server.stop()
    if not keeps:
        own_nats_server.forget()
    own_nats_server.start()
    await ready(api, worker)
    await api.offer("run_1", PROJECT)
    assert (await asyncio.wait_for(waiting, BOUND)).run_id == "run_1"
    worker.publish("run_1", [STARTED, COMPLETED], BEFORE)
    assert await heard(listener, 2) == [STARTED, COMPLETED]
    worker.publish("run_2", [STARTED], BEFORE)
    await worker._events.flush()
    await worker.check()
    late = await api.subscribe("run_2")
    assert await heard(late, 1) == [STARTED]


@pytest.mark.parametrize("keeps", [True, False], ids=["with_data", "without_data"])
async def test_text_that_was_told_into_an_outage_is_heard_though_nothing_follows(
    pair: Pair, own_nats_server: NatsServer, *, keeps: bool
) -> None:
    """A model may be silent for long; its last words do not wait for the next ones."""
    api, worker = pair
    listener = await api.subscribe("run_1")
    await api.check()
    worker.publish("run_1", [STARTED], BEFORE)
    worker.publish("run_1", [text("one ", 7)], STARTED.id)
    assert texts(await heard(listener, 2)) == "one "
    own_nats_server.kill()
    await away(api, worker)
    if not keeps:
        own_nats_server.forget()
    worker.publish("run_1", [text("two", 10)], EventId(1, 7))
    own_nats_server.start()
    told = await text_reached(listener, 10)
    assert "".join(told).endswith("two")
    late = await api.subscribe("run_1")
    assert texts(await heard(late, 1)).endswith("one two")


async def text_reached(listener: Subscription, position: int) -> list[str]:
    """Return the texts that are heard up to this position."""
    told: list[str] = []
    async with asyncio.timeout(BOUND):
        while True:
            for event in await listener.next(BOUND):
                told.append(texts([event]))
                if event.position >= position:
                    return told


async def test_an_offer_survives_a_crash_of_the_server(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    api, worker = pair
    await api.offer("run_1", PROJECT)
    own_nats_server.kill()
    own_nats_server.start()
    assert (await asyncio.wait_for(worker.next_offer(), BOUND)).run_id == "run_1"


async def test_what_the_server_has_lost_can_be_offered_again(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    """As the sweeper does."""
    api, worker = pair
    await api.offer("run_1", PROJECT)
    own_nats_server.stop()
    own_nats_server.forget()
    own_nats_server.start()
    await ready(api, worker)
    await api.offer("run_1", PROJECT)
    assert (await asyncio.wait_for(worker.next_offer(), BOUND)).run_id == "run_1"


async def offered_until_taken(dispatch: NatsDispatch, waiting: asyncio.Task[NatsOffer]) -> str:
    """Offer a run as the sweeper does, again and again; return the run that was taken."""
    async with asyncio.timeout(BOUND):
        while not waiting.done():
            await dispatch.offer("run_1", PROJECT)
            await asyncio.wait([waiting], timeout=SOON)
    return waiting.result().run_id


async def test_streams_that_were_deleted_under_us_are_made_again(pair: Pair) -> None:
    api, worker = pair
    waiting = asyncio.create_task(worker.next_offer())
    await asyncio.sleep(SOON)
    await api._connection.jetstream.delete_stream("understudy-offers")
    assert await offered_until_taken(api, waiting) == "run_1"


async def test_a_connection_that_the_server_has_ended_is_opened_anew(pair: Pair) -> None:
    """After an error that the client takes for final, such as credentials that are over."""
    api, worker = pair
    listener = await api.subscribe("run_1")
    waiting = asyncio.create_task(api.next_offer())
    transport = api._connection.client._transport
    assert transport is not None
    transport.write(b"NONSENSE\r\n")
    await away(api)
    await ready(api)
    await worker.offer("run_1", PROJECT)
    assert (await asyncio.wait_for(waiting, BOUND)).run_id == "run_1"
    worker.publish("run_1", [STARTED, COMPLETED], BEFORE)
    assert await heard(listener, 2) == [STARTED, COMPLETED]


async def test_a_server_that_is_away_holds_nobody_up(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    api, worker = pair
    own_nats_server.stop()
    await away(api, worker)
    async with asyncio.timeout(BOUND):
        await api.offer("run_1", PROJECT)
        await api.announce_entries()
        await api.entries_announced()
        listener = await api.subscribe("run_1")
        worker.publish("run_1", [STARTED], BEFORE)
        with pytest.raises(Unavailable, match="NATS"):
            await api.check()
        assert list(await listener.next(SOON)) == []
        listener.close()
        await api.close()


async def test_an_interruption_without_a_server_reaches_this_process(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    api, _ = pair
    told: list[str] = []
    api.on_interrupt(told.append)
    own_nats_server.stop()
    await away(api)
    await api.interrupt("run_1")
    assert told == ["run_1"]


async def test_what_is_told_to_nobody_costs_bounded_memory(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    """A worker goes on with its runs, however long NATS is away."""
    _, worker = pair
    own_nats_server.stop()
    await away(worker)
    place = 4
    for _ in range(40):
        worker.publish("run_1", [text("x" * 500_000, place + 500_000)], EventId(1, place))
        place += 500_000
        await worker._events.flush()
    assert worker._connection.client.pending_data_size < 10 * MEBIBYTE
    outbox = worker._events._outbox
    for number in range(WAITING_MAX + 100):
        worker.publish("run_2", [text("x", 5 + number)], EventId(1, 4 + number))
    assert outbox._waiting_events <= WAITING_MAX


async def test_a_server_that_says_nothing_holds_nobody_up_for_long(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    api, worker = pair
    own_nats_server.freeze()
    try:
        async with asyncio.timeout(BOUND):
            for number in range(100):
                await api.offer(f"run_{number}", PROJECT)
            worker.publish("run_1", [STARTED], BEFORE)
            with pytest.raises(Unavailable, match="NATS"):
                await api.check()
            await away(api, worker)
            await api.close()
    finally:
        own_nats_server.thaw()
    await ready(worker)


@pytest.fixture
def full_server(nats_program: str) -> Iterator[NatsServer]:
    """Give a server with little room."""
    yield from running(nats_program, store_bytes_max=3 * MEBIBYTE)


async def test_a_full_disk_costs_offers_but_no_live_events(full_server: NatsServer) -> None:
    keeping = Keeping(events_bytes_max=MEBIBYTE)
    dispatch = await NatsDispatch.open(full_server.url, keeping=keeping)
    try:
        for number in range(400):
            await dispatch.offer(f"run_{number}{'x' * 10_000}", f"proj_{number}")
        listener = await dispatch.subscribe("run_1", from_now=True)
        dispatch.publish("run_1", [STARTED], BEFORE)
        words = "".join(chr(97 + n % 26) for n in range(200))
        for place, letter in enumerate(words, STARTED.position + 1):
            dispatch.publish("run_1", [text(letter, place)], EventId(1, place - 1))
        told = await heard(listener, 2)
        assert texts(told) == words
        assert (await asyncio.wait_for(dispatch.next_offer(), BOUND)).run_id.startswith("run_0")
    finally:
        await dispatch.close()


async def test_a_server_that_is_not_there_is_named_with_the_remedy() -> None:
    server = NatsServer()
    try:
        with pytest.raises(Misconfigured, match=r"127\.0\.0\.1:\d+.*nats-server -js"):
            await NatsDispatch.open(server.url.replace("//", "//user:secret@"))
    finally:
        server.remove()


async def test_a_server_without_jetstream_is_named_with_the_remedy(nats_program: str) -> None:
    server = NatsServer(program=nats_program, jetstream=False)
    try:
        server.start()
        with pytest.raises(Misconfigured, match="-js"):
            await NatsDispatch.open(server.url)
    finally:
        server.remove()


async def test_a_server_without_room_for_the_streams_says_so(full_server: NatsServer) -> None:
    with pytest.raises(Misconfigured, match="insufficient storage"):
        await NatsDispatch.open(full_server.url)


async def test_a_prefix_that_cannot_be_a_name_is_refused() -> None:
    with pytest.raises(Misconfigured, match="letters"):
        await NatsDispatch.open("nats://127.0.0.1:1", prefix="a.b")


async def test_other_settings_are_taken_over_by_streams_that_exist(
    nats_server: NatsServer, nats_prefix: str
) -> None:
    """Two processes that start at once, the second one after an update, with other settings."""
    opening = [NatsDispatch.open(nats_server.url, prefix=nats_prefix) for _ in range(3)]
    opened = await asyncio.gather(*opening)
    keeping = Keeping(events_seconds=60.0, events_bytes_max=MEBIBYTE)
    changed = await NatsDispatch.open(nats_server.url, prefix=nats_prefix, keeping=keeping)
    info = await changed._connection.jetstream.stream_info(f"{nats_prefix}-events")
    assert (info.config.max_age, info.config.max_bytes) == (60.0, MEBIBYTE)
    for one in [*opened, changed]:
        await one.close()


async def test_a_queue_that_has_lost_its_messages_delivers_again(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    """The consumer remembers places that the stream has yet to come to; nobody waits for that."""
    api, worker = pair
    for number in range(5):
        await api.offer(f"run_old_{number}", PROJECT)
        await (await asyncio.wait_for(worker.next_offer(), BOUND)).done()
    own_nats_server.stop()
    own_nats_server.lose_messages()
    own_nats_server.start()
    await ready(api, worker)
    await api.offer("run_new", PROJECT)
    assert (await asyncio.wait_for(worker.next_offer(), BOUND)).run_id == "run_new"


async def test_a_connection_that_is_lost_again_at_once_does_not_stop_the_return(
    pair: Pair, own_nats_server: NatsServer
) -> None:
    """The second return finds the first one in the middle of making the streams."""
    api, worker = pair
    own_nats_server.stop()
    await away(api, worker)
    own_nats_server.forget()
    own_nats_server.start()
    for _ in range(3):
        await asyncio.sleep(SOON)
        with suppress(nats.errors.Error):
            await api._connection.client.force_reconnect()
    await ready(api, worker)
    waiting = asyncio.create_task(worker.next_offer())
    assert await offered_until_taken(api, waiting) == "run_1"


async def test_text_goes_on_while_a_stream_that_does_not_answer_is_asked(pair: Pair) -> None:
    api, worker = pair
    listener = await api.subscribe("run_1")
    await api.check()
    worker.publish("run_1", [STARTED], BEFORE)
    assert await heard(listener, 1) == [STARTED]
    await api._connection.jetstream.delete_stream("understudy-events")
    listener.look_back()
    worker.publish("run_1", [text("one", 6)], STARTED.id)
    async with asyncio.timeout(SOON * 50):
        assert texts(await heard(listener, 1)) == "one"
