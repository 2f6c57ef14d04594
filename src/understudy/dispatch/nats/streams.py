"""The streams and the consumer that this adapter needs, made where they are missing."""

import asyncio
from collections.abc import Callable

import nats.errors
import structlog
from msgspec import Struct
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError, ServiceUnavailableError

from understudy.dispatch.nats.subjects import Subjects
from understudy.errors import Misconfigured, Unavailable

log = structlog.get_logger("understudy.dispatch")

WORKERS = "workers"
# So many offers of one project are worth keeping: workers take some hundred a second, and the
# sweeper offers more every second. A project with 100,000 runs has no more than these in front of
# another project's single one.
OFFERS_PER_PROJECT_MAX = 512
# An offer that nobody came for is made anew by the sweeper; an old one has often lost its meaning.
OFFERS_KEEP_SECONDS = 600.0
# From delivery to the claim in the rows it takes milliseconds.
TAKE_SECONDS = 5.0
# Declined offers count as delivered while they wait; a low number would let the declined offers of
# a few busy projects stop everybody.
DELIVERED_MAX = 50_000
WAITING_WORKERS_MAX = 4_096
TRIES_MAX = 60
PAUSE_SECONDS = 0.5
_OTHER_CONFIGURATION = 10058
# Its subjects overlap with a stream: with this very one, while another process makes it.
_BEING_MADE = 10065
OVERLAPS_MAX = 6


class Keeping(Struct, frozen=True):
    """How long and how much the stream of events keeps, and in how many copies."""

    events_seconds: float = 3_600.0
    events_bytes_max: int = 1024 * 1024 * 1024
    replicas: int = 1


class Streams:
    """Makes streams and consumer, again if NATS was started without its data."""

    def __init__(self, jetstream: JetStreamContext, subjects: Subjects, keeping: Keeping) -> None:
        self._jetstream = jetstream
        self._subjects = subjects
        self._keeping = keeping
        self._making: asyncio.Task[None] | None = None
        self._problem: str | None = None
        self._on_made: list[Callable[[], None]] = []

    def on_made(self, callback: Callable[[], None]) -> None:
        """Call this when streams that were missed are there again."""
        self._on_made.append(callback)

    async def open(self) -> None:
        """Make what is missing. Raises Misconfigured with the cause when that is refused."""
        try:
            await self._make()
        except (ServiceUnavailableError, NoStreamResponseError, nats.errors.NoRespondersError) as e:
            raise Misconfigured(
                f"NATS answers, but has no JetStream for us ({e}). Start nats-server with -js, or"
                " enable JetStream for this account."
            ) from e
        except (nats.errors.Error, OSError) as error:
            raise Misconfigured(
                f"NATS refuses to make the streams {self._subjects.offers_stream} and"
                f" {self._subjects.events_stream}: {error}. Look at its limits, or remove streams"
                " of these names that are not ours."
            ) from error

    def restore(self, *, after_seconds: float = 0.0) -> asyncio.Task[None]:
        """Make what is missing, trying for a while, unless that is being done already."""
        if self._making is None or self._making.done():
            work = self._try_to_make(after_seconds)
            self._making = asyncio.create_task(work, name="nats-streams")
        return self._making

    async def check(self) -> None:
        """Raise Unavailable when the streams could not be made again."""
        if self._problem is not None:
            raise Unavailable(f"NATS has lost its streams and makes no new ones: {self._problem}.")

    async def close(self) -> None:
        """Stop trying."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    async def _try_to_make(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        for _ in range(TRIES_MAX):
            try:
                await self._make()
            except (nats.errors.Error, OSError) as error:
                self._problem = repr(error)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self._problem = None
                for callback in self._on_made:
                    callback()
                return
        log.error("nats_streams_missing", cause=self._problem)

    async def _make(self) -> None:
        await self._make_stream(self._offers())
        await self._make_stream(self._events())
        await self._make_consumer()

    async def _make_consumer(self) -> None:
        """Make the consumer, and anew when it is ahead of its stream.

        After a crash on a full disk the stream may have lost messages that the consumer remembers:
        it would deliver nothing until the stream had counted up to there again.
        """
        stream = self._subjects.offers_stream
        consumer = await self._jetstream.add_consumer(stream, _workers())
        state = (await self._jetstream.stream_info(stream)).state
        if consumer.delivered is not None and consumer.delivered.stream_seq > state.last_seq:
            log.warning("nats_consumer_made_anew", ahead_of=state.last_seq)
            await self._jetstream.delete_consumer(stream, WORKERS)
            await self._jetstream.add_consumer(stream, _workers())

    async def _make_stream(self, config: StreamConfig) -> None:
        """Make the stream, or give it the present settings; several at once do no harm."""
        for _ in range(OVERLAPS_MAX):
            try:
                return await self._add_or_update(config)
            except (BadRequestError, APIError) as error:
                if error.err_code != _BEING_MADE:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
        return await self._add_or_update(config)

    async def _add_or_update(self, config: StreamConfig) -> None:
        try:
            await self._jetstream.add_stream(config)
        except (BadRequestError, APIError) as error:
            if error.err_code != _OTHER_CONFIGURATION:
                raise
            await self._jetstream.update_stream(config)

    def _offers(self) -> StreamConfig:
        """Offers lie in a file: a restart of NATS need not cost the pace of a sweep."""
        return StreamConfig(
            name=self._subjects.offers_stream,
            subjects=[self._subjects.all_offers],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            max_msgs_per_subject=OFFERS_PER_PROJECT_MAX,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            max_age=OFFERS_KEEP_SECONDS,
            num_replicas=self._keeping.replicas,
        )

    def _events(self) -> StreamConfig:
        """Events lie in a file: a gigabyte of memory is dear, and the page cache is as fast."""
        return StreamConfig(
            name=self._subjects.events_stream,
            subjects=[self._subjects.all_events],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_age=self._keeping.events_seconds,
            max_bytes=self._keeping.events_bytes_max,
            num_replicas=self._keeping.replicas,
        )


def _workers() -> ConsumerConfig:
    """Redelivery is bounded by whoever gets the offer (``offers.py``).

    A bound in the server would leave the message in the queue for good, in the way of others.
    """
    return ConsumerConfig(
        durable_name=WORKERS,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=TAKE_SECONDS,
        max_ack_pending=DELIVERED_MAX,
        max_waiting=WAITING_WORKERS_MAX,
    )
