"""Dispatch inside one process: a queue and, per run that is being worked on, a channel.

A channel keeps the events of the current leg, so that somebody who comes in the middle misses
nothing that is not yet in the rows. Between legs, and when nobody listens, there is no channel:
a waiting run costs nothing.
"""

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct

from understudy.dispatch.mailbox import Mailbox
from understudy.runs.deltas import TextRun
from understudy.wire.events import BEGINNING, STOPPING, EventId, RunEvent

UNCLAIMED = frozenset({"thread.created", "thread.run.created", "thread.run.queued"})


class _Channel:
    """The listeners of one run and the events of its current leg.

    Of the backlog only ``_told`` are events; the text that flows now is kept in ``_flowing`` and
    made one delta when somebody comes who has not heard it, or when something else follows.
    """

    __slots__ = ("_flowing", "_told", "listeners", "live", "opened_after", "told")

    def __init__(self, opened_after: EventId | None) -> None:
        self.opened_after = opened_after
        self._told: list[RunEvent] = []
        self._flowing: TextRun | None = None
        self.listeners: list[InProcessSubscription] = []
        self.live = False
        self.told: EventId | None = None

    def send_to_rows(self) -> None:
        for listener in self.listeners:
            listener.send_to_rows()

    def publish(self, events: Sequence[RunEvent]) -> None:
        self.told = events[-1].id
        self.live = events[-1].name not in STOPPING
        for event in events:
            self._keep(event)
        for listener in self.listeners:
            listener.push(events)
        if not self.live:
            self._forget(events[-1].id)

    def backlog(self) -> list[RunEvent]:
        return [*self._told, self._flowing.joined()] if self._flowing else [*self._told]

    def end(self) -> None:
        self.live = False
        self._forget(None)
        for listener in self.listeners:
            listener.push(())

    def _keep(self, event: RunEvent) -> None:
        if self._flowing is not None:
            if self._flowing.take(event):
                return
            self._told.append(self._flowing.joined())
        self._flowing = TextRun.begun_by(event)
        if self._flowing is None:
            self._told.append(event)

    def _forget(self, opened_after: EventId | None) -> None:
        self.opened_after = opened_after
        self._told = []
        self._flowing = None


class InProcessSubscription:
    """A listener of one channel."""

    __slots__ = ("_channel", "_mailbox", "_on_close", "opened_after")

    def __init__(self, channel: _Channel, on_close: Callable[[], None]) -> None:
        self.opened_after = channel.opened_after
        self._channel = channel
        self._on_close = on_close
        self._mailbox = Mailbox()
        backlog = channel.backlog()
        if backlog:
            self._mailbox.push(backlog)

    def push(self, events: Sequence[RunEvent]) -> None:
        """Take events, or none; the reader wakes up once per turn of the event loop."""
        self._mailbox.push(events)

    def send_to_rows(self) -> None:
        """Have the reader look at the rows before it hears more."""
        self._mailbox.send_to_rows()

    async def next(self, timeout_seconds: float) -> Sequence[RunEvent]:
        """Return what has come since the last call, text deltas merged; empty after a timeout."""
        return await self._mailbox.next(timeout_seconds)

    def close(self) -> None:
        """Stop listening; whoever still waits is told nothing more."""
        self._mailbox.close()
        if self in self._channel.listeners:
            self._channel.listeners.remove(self)
            self._on_close()


class InProcessOffer(Struct, frozen=True):
    """An offer that was taken out of the queue."""

    run_id: str
    project_id: str

    async def done(self) -> None:
        """Nobody else knows of it."""

    async def decline(self, seconds: float) -> None:
        """Leave it to the sweeper: there is no other worker who could take it sooner."""


class InProcessDispatch:
    """Dispatch for the embedded mode.

    Without a worker in this process nobody takes offers and no leg is told of here, so nothing is
    kept for either. Where other processes work on the same rows, they tell events that are not
    heard here; listeners are sent to the rows then, so that what they hear has no holes.
    """

    def __init__(self, *, has_worker: bool = True, is_alone: bool = True) -> None:
        self._has_worker = has_worker
        self._is_alone = is_alone and has_worker
        self._offers: asyncio.Queue[InProcessOffer] = asyncio.Queue()
        self._offered: set[str] = set()
        self._channels: dict[str, _Channel] = {}
        self._handlers: list[Callable[[str], None]] = []
        self._entries = asyncio.Event()

    async def offer(self, run_id: str, project_id: str) -> None:
        """Queue the run unless it is queued already."""
        if self._has_worker and run_id not in self._offered:
            self._offered.add(run_id)
            self._offers.put_nowait(InProcessOffer(run_id, project_id))

    async def next_offer(self) -> InProcessOffer:
        """Wait for a run that has something to do."""
        offer = await self._offers.get()
        self._offered.discard(offer.run_id)
        return offer

    def publish(self, run_id: str, events: Sequence[RunEvent], after: EventId) -> None:
        """Hand the events to the listeners and keep them while the leg lasts."""
        channel = self._channels.get(run_id)
        if not events or (channel is None and not self._is_kept(events)):
            return
        if channel is None:
            channel = self._channels[run_id] = _Channel(after)
        elif channel.opened_after is None:
            channel.opened_after = after
        if not self._is_alone and after not in (channel.told, BEGINNING):
            # Others have told what was not heard here: the rows come first.
            channel.send_to_rows()
        channel.publish(events)
        self._drop_if_idle(run_id)

    def _is_kept(self, events: Sequence[RunEvent]) -> bool:
        """Return whether somebody may come who needs these, which nobody has heard.

        Of a run that waits for a worker all is in the rows, and the worker may be elsewhere.
        """
        return self._is_alone or (self._has_worker and events[-1].name not in UNCLAIMED)

    async def subscribe(
        self, run_id: str, *, after: EventId | None = None, from_now: bool = False
    ) -> InProcessSubscription:
        """Listen to a run; what its current leg has told so far lies here and comes first."""
        del after, from_now  # what is past costs nothing here
        channel = self._channels.get(run_id)
        if channel is None:
            channel = self._channels[run_id] = _Channel(None)
        subscription = InProcessSubscription(channel, lambda: self._drop_if_idle(run_id))
        channel.listeners.append(subscription)
        return subscription

    def _drop_if_idle(self, run_id: str) -> None:
        channel = self._channels.get(run_id)
        flows = channel is not None and channel.live and self._has_worker
        if channel is not None and not flows and not channel.listeners:
            del self._channels[run_id]

    def forget(self, run_id: str) -> None:
        """Drop the events of a leg that will have no end of its own."""
        channel = self._channels.get(run_id)
        if channel is not None:
            channel.end()
            self._drop_if_idle(run_id)

    async def interrupt(self, run_id: str) -> None:
        """Tell whoever works on the run or listens to it."""
        for handler in self._handlers:
            handler(run_id)
        self._wake(run_id)

    def _wake(self, run_id: str) -> None:
        """Have the run's listeners look at the rows."""
        channel = self._channels.get(run_id)
        for listener in channel.listeners if channel else ():
            listener.push(())

    def on_interrupt(self, handler: Callable[[str], None]) -> None:
        """Call the handler with the id of every run that is interrupted."""
        self._handlers.append(handler)

    async def announce_entries(self) -> None:
        """Wake up whoever ingests files."""
        self._entries.set()

    async def entries_announced(self) -> None:
        """Wait for an announcement, or take one that was made meanwhile."""
        await self._entries.wait()
        self._entries.clear()

    async def check(self) -> None:
        """Whoever asks is here."""

    async def close(self) -> None:
        """Nothing to let go of."""
