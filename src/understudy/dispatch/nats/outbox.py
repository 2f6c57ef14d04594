"""Events on their way out: gathered for one turn of the event loop, sent in order, never awaited.

Whoever publishes must not wait for NATS. What cannot be sent is dropped, with one line in the log
for each outage: the rows have every state, and listeners see from the positions that they have
missed something.
"""

import asyncio
from collections.abc import Sequence

import nats.errors
import structlog

from understudy.dispatch.nats.connection import Connection
from understudy.dispatch.nats.parcel import Parcel, encode
from understudy.dispatch.nats.subjects import Subjects
from understudy.runs.deltas import merged
from understudy.wire.events import EventId, RunEvent

log = structlog.get_logger("understudy.dispatch")

# A server that is connected and does not read: some seconds of many busy runs.
WAITING_MAX = 20_000
FLUSH_SECONDS = 1.0


class _Gathered:
    """Events of one run, each behind the one before it."""

    __slots__ = ("after", "events", "from_rows", "run_id")

    def __init__(
        self, run_id: str, after: EventId, events: list[RunEvent], *, from_rows: bool = False
    ) -> None:
        self.run_id = run_id
        self.after = after
        self.events = events
        self.from_rows = from_rows


class Outbox:
    """Sends events in the order in which they were put here."""

    def __init__(self, connection: Connection, subjects: Subjects) -> None:
        self._client = connection.client
        self._subjects = subjects
        self._waiting: list[_Gathered] = []
        self._latest: dict[str, _Gathered] = {}
        self._waiting_events = 0
        self._dropping = False
        self._something = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._task = asyncio.create_task(self._send_for_ever(), name="nats-outbox")

    def put(self, run_id: str, events: Sequence[RunEvent], after: EventId) -> None:
        """Take events to be sent with the next turn of the event loop."""
        if self._waiting_events + len(events) > WAITING_MAX:
            self._drop(run_id, "too much is waiting to be sent")
            return
        self._waiting_events += len(events)
        gathered = self._latest.get(run_id)
        if gathered is not None and gathered.events[-1].id == after:
            gathered.events += events
        else:
            gathered = self._latest[run_id] = _Gathered(run_id, after, [*events])
            self._waiting.append(gathered)
        self._something.set()
        self._all_sent.clear()

    def put_again(self, run_id: str, parcel: Parcel) -> None:
        """Take what was sent before and may not have been heard."""
        events = [*parcel.events]
        self._waiting.append(_Gathered(run_id, parcel.after, events, from_rows=parcel.from_rows))
        self._something.set()
        self._all_sent.clear()

    async def flush(self) -> None:
        """Wait until what is here has been sent, but no longer than a moment."""
        if self._all_sent.is_set():
            return
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._all_sent.wait()
        except TimeoutError:
            log.debug("events_not_sent_yet", events=self._waiting_events)

    async def close(self) -> None:
        """Send what is left, if that takes no longer than a moment."""
        await self.flush()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _send_for_ever(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            waiting, self._waiting, self._latest = self._waiting, [], {}
            self._waiting_events = 0
            for gathered in waiting:
                await self._send_one(gathered)
            if not self._waiting:
                self._all_sent.set()

    async def _send_one(self, gathered: _Gathered) -> None:
        try:
            for parcel in self._parcels(gathered):
                await self._client.publish(self._subjects.events(gathered.run_id), parcel)
        except (nats.errors.Error, OSError) as error:
            self._drop(gathered.run_id, str(error))
        else:
            self._dropping = False

    def _parcels(self, gathered: _Gathered) -> Sequence[bytes]:
        """Return one message, or several when one would be too large."""
        events = merged(gathered.events) if len(gathered.events) > 1 else gathered.events
        return self._fitting(Parcel(gathered.after, events, from_rows=gathered.from_rows))

    def _fitting(self, parcel: Parcel) -> list[bytes]:
        whole = encode(parcel)
        if len(whole) <= self._client.max_payload:
            return [whole]
        if len(parcel.events) == 1:
            (event,) = parcel.events
            return [whole if event.width else encode(Parcel(parcel.after, only_in_rows=event.id))]
        half = len(parcel.events) // 2
        first, second = parcel.events[:half], parcel.events[half:]
        return [
            *self._fitting(Parcel(parcel.after, first, from_rows=parcel.from_rows)),
            *self._fitting(Parcel(first[-1].id, second)),
        ]

    def _drop(self, run_id: str, cause: str) -> None:
        if not self._dropping:
            self._dropping = True
            log.warning("events_dropped", run_id=run_id, cause=cause)
