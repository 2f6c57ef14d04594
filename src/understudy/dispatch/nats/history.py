"""What the stream still has of a run's events."""

import asyncio
import json
from contextlib import suppress

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DEFAULT_PREFIX, AckPolicy, ConsumerConfig, ConsumerInfo

from understudy.dispatch.nats.parcel import Parcel, decode
from understudy.dispatch.nats.subjects import Subjects
from understudy.repeats import Repeats

log = structlog.get_logger("understudy.dispatch")

# A reader needs a consumer of its own in the server for a moment. When many streams have missed
# something at once, they take turns.
READERS_MAX = 16
READ_SECONDS = 4.0
# Among several servers, a reader may be given to one that has just died: then nobody answers, and
# the next try may be given to another.
BEGIN_SECONDS = 1.0
BEGIN_TRIES = 3
# The server removes a reader that was not removed, because its process died in the middle.
ABANDONED_SECONDS = 10.0


class History:
    """Reads runs' events from the stream."""

    def __init__(self, client: Client, jetstream: JetStreamContext, subjects: Subjects) -> None:
        self._client = client
        self._jetstream = jetstream
        self._subjects = subjects
        self._turns = asyncio.Semaphore(READERS_MAX)
        self._repeats = Repeats()

    def complain(self, run_id: str, cause: Exception) -> None:
        """Log that a run's events could not be read; of many that fail alike, the first."""
        if times := self._repeats.count(type(cause).__name__):
            log.warning("events_not_replayed", run_id=run_id, cause=repr(cause), times=times)

    async def read(self, run_id: str) -> list[Parcel]:
        """Return what is there of the run, oldest first.

        Raises TimeoutError or an error of nats when the stream cannot be read.
        """
        if not self._client.is_connected:
            raise nats.errors.ConnectionReconnectingError
        async with asyncio.timeout(READ_SECONDS), self._turns:
            reader = await self._begun(run_id)
            try:
                return await self._fetch(reader.name, reader.num_pending or 0)
            finally:
                await self._remove(reader.name)

    async def _begun(self, run_id: str) -> ConsumerInfo:
        config = ConsumerConfig(
            filter_subject=self._subjects.events(run_id),
            ack_policy=AckPolicy.NONE,
            inactive_threshold=ABANDONED_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        for _ in range(BEGIN_TRIES - 1):
            with suppress(nats.errors.TimeoutError):
                return await self._begin(config)
        return await self._begin(config)

    async def _begin(self, config: ConsumerConfig) -> ConsumerInfo:
        stream = self._subjects.events_stream
        return await self._jetstream.add_consumer(stream, config, timeout=BEGIN_SECONDS)

    async def _fetch(self, reader: str, number: int) -> list[Parcel]:
        if not number:
            return []
        batch = _Batch(number)
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=batch.take)
        try:
            request = json.dumps({"batch": number, "no_wait": True}).encode()
            subject = self._api("MSG.NEXT", reader)
            await self._client.publish(subject, request, reply=inbox)
            # Not left to the limit around all this: the client may swallow a cancellation.
            await asyncio.wait_for(batch.complete.wait(), READ_SECONDS)
        finally:
            await subscription.unsubscribe()
        return batch.parcels

    async def _remove(self, reader: str) -> None:
        await self._client.publish(self._api("DELETE", reader))

    def _api(self, call: str, reader: str) -> str:
        return f"{DEFAULT_PREFIX}.CONSUMER.{call}.{self._subjects.events_stream}.{reader}"


class _Batch:
    """Messages that were asked for; the end is their number, or a status in place of one."""

    def __init__(self, number: int) -> None:
        self.parcels: list[Parcel] = []
        self.complete = asyncio.Event()
        self._left = number

    async def take(self, message: Msg) -> None:
        if is_status(message):
            self.complete.set()
            return
        parcel = read(message)
        if parcel is not None:
            self.parcels.append(parcel)
        self._left -= 1
        if not self._left:
            self.complete.set()


def is_status(message: Msg) -> bool:
    """Return whether the server says something about a request, instead of a message."""
    return not message.data and bool(message.headers)


def read(message: Msg) -> Parcel | None:
    """Return the parcel in the message, or None for what this version cannot read.

    During an update a newer worker may tell things that an older process does not know; it then
    finds a gap, and what it knows of in the rows.
    """
    try:
        return decode(message.data)
    except msgspec.MsgspecError as error:
        log.warning("event_not_understood", subject=message.subject, cause=str(error))
        return None
