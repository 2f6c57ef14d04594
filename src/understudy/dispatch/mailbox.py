"""What a listener has not fetched yet, and the wait for it."""

import asyncio
from collections.abc import Sequence

from understudy.runs.deltas import merged
from understudy.wire.events import RunEvent


class Mailbox:
    """Events for one reader.

    Its timer is not moved for every batch of events: when it rings, it looks since when the reader
    has been waiting, and sets itself again for the rest.
    """

    __slots__ = ("_loop", "_pending", "_ready", "_rows_first", "_timer", "_waiter", "_waits_until")

    def __init__(self) -> None:
        self._pending: list[RunEvent] = []
        self._ready = False
        self._rows_first = False
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._waits_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def push(self, events: Sequence[RunEvent]) -> None:
        """Take events, or none; the reader wakes up once per turn of the event loop."""
        self._pending += events
        self._ready = True
        self._wake()

    def send_to_rows(self) -> None:
        """Give the reader nothing next time, so that it reads the rows; then what is here."""
        self._rows_first = True
        self.push(())

    def join_texts(self) -> None:
        """Make one delta of neighbouring ones now, to save memory."""
        self._pending = merged(self._pending)

    def clear(self) -> None:
        """Throw away what has not been fetched."""
        self._pending = []

    async def next(self, timeout_seconds: float) -> Sequence[RunEvent]:
        """Return what has come since the last call, text deltas merged; empty after a timeout."""
        if not self._ready:
            await self._wait(timeout_seconds)
        if self._rows_first:
            self._rows_first, self._ready = False, bool(self._pending)
            return ()
        self._ready = False
        events, self._pending = self._pending, []
        return merged(events) if len(events) > 1 else events

    async def _wait(self, timeout_seconds: float) -> None:
        self._waiter = self._loop.create_future()
        self._waits_until = self._loop.time() + timeout_seconds
        if self._timer is None or self._timer.when() > self._waits_until:
            self._set_timer()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._waits_until, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._waits_until:
            self._wake()
        else:
            self._set_timer()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Let go; whoever still waits is told nothing more."""
        self._wake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
