"""The events of runs: told by workers, heard by whoever follows a run."""

import asyncio
from collections.abc import Sequence

from understudy.dispatch.nats.connection import CLOSE_SECONDS, Connection
from understudy.dispatch.nats.continuity import Continuity, Trust
from understudy.dispatch.nats.history import History
from understudy.dispatch.nats.listener import NatsSubscription
from understudy.dispatch.nats.outbox import Outbox
from understudy.dispatch.nats.parcel import Parcel
from understudy.dispatch.nats.subjects import Subjects
from understudy.dispatch.nats.unsettled import Unsettled
from understudy.wire.events import EventId, RunEvent


class Events:
    """What is told from here, and the listeners of this process."""

    def __init__(self, connection: Connection, subjects: Subjects) -> None:
        self._connection = connection
        self._subjects = subjects
        self._history = History(connection.client, connection.jetstream, subjects)
        self._outbox = Outbox(connection, subjects)
        self._unsettled = Unsettled()
        self._listeners: dict[str, set[NatsSubscription]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def publish(self, run_id: str, events: Sequence[RunEvent], after: EventId) -> None:
        """Tell the run's listeners: those of this process now, the others in a moment.

        Whoever creates a run here is told so even while NATS is away.
        """
        if not events:
            return
        self._outbox.put(run_id, events, after)
        self._unsettled.take(run_id, events, after)
        for listener in self._listeners.get(run_id, ()):
            listener.take(Parcel(after, events))

    def forget(self, run_id: str) -> None:
        """Others tell of this run from now on."""
        self._unsettled.forget(run_id)

    async def flush(self) -> None:
        """Send what has been published so far, so that what is sent next comes behind it."""
        await self._outbox.flush()

    async def subscribe(
        self, run_id: str, *, after: EventId | None, from_now: bool
    ) -> NatsSubscription:
        """Listen on the run's subject first, and then read what was told before."""
        looks_back = after is None and not from_now
        if looks_back:
            await self._outbox.flush()
        continuity = _continuity(after, from_now=from_now)
        listener = NatsSubscription(
            run_id,
            self._history,
            continuity,
            on_close=self._leave,
            is_up=lambda: self._connection.is_up,
            looks_back=looks_back,
        )
        self._listeners.setdefault(run_id, set()).add(listener)
        try:
            subject = self._subjects.events(run_id)
            listener.listening = await self._connection.listen(subject, listener.hear)
            if looks_back:
                await listener.begin()
        except BaseException:
            listener.close()
            raise
        return listener

    def wake(self, run_id: str) -> None:
        """Wake the run's listeners, with what there is or nothing."""
        for listener in self._listeners.get(run_id, ()):
            listener.wake()

    def send_all_to_rows(self) -> None:
        """Have every listener look at the rows: all may have missed something."""
        for listener in self._all_listeners():
            listener.send_to_rows()

    def begin_again(self) -> None:
        """Tell again what may not have been heard, and look for what was missed."""
        for run_id, parcel in self._unsettled.parcels():
            self._outbox.put_again(run_id, parcel)
        for listener in self._all_listeners():
            listener.look_back()

    async def close(self) -> None:
        """Send what is left, and let the listeners go."""
        await self._outbox.close()
        for listener in self._all_listeners():
            listener.close()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=CLOSE_SECONDS)

    def _all_listeners(self) -> list[NatsSubscription]:
        return [one for listeners in self._listeners.values() for one in listeners]

    def _leave(self, listener: NatsSubscription) -> None:
        listeners = self._listeners.get(listener.run_id, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(listener.run_id, None)
        if listener.listening is not None:
            leaving = asyncio.create_task(self._connection.stop_listening(listener.listening))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


def _continuity(after: EventId | None, *, from_now: bool) -> Continuity:
    """Return what a new listener knows: a place, or what it may take for a beginning."""
    if after is not None:
        return Continuity.behind(after)
    return Continuity(Trust.ANYTHING if from_now else Trust.BEGINNINGS)
