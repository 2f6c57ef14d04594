"""The port, put together from its parts."""

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from understudy.dispatch.nats.connection import Connection
from understudy.dispatch.nats.control import Control
from understudy.dispatch.nats.events import Events
from understudy.dispatch.nats.listener import NatsSubscription
from understudy.dispatch.nats.offers import NatsOffer, Offers
from understudy.dispatch.nats.streams import Keeping, Streams
from understudy.dispatch.nats.subjects import Subjects
from understudy.errors import Misconfigured
from understudy.wire.events import EventId, RunEvent

_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NatsDispatch:
    """Dispatch between processes. Made by ``open``, for it needs a server that answers."""

    def __init__(self, connection: Connection, subjects: Subjects, keeping: Keeping) -> None:
        self._connection = connection
        self._streams = Streams(connection.jetstream, subjects, keeping)
        self._events = Events(connection, subjects)
        self._offers = Offers(connection, subjects, self._streams, before=self._events.flush)
        self._control = Control(connection, subjects)

    @classmethod
    async def open(
        cls,
        url: str,
        credentials: Path | None = None,
        *,
        prefix: str = "understudy",
        keeping: Keeping | None = None,
    ) -> "NatsDispatch":
        """Connect to one of the servers in ``url``, separated by commas, and make the streams.

        Raises Misconfigured with cause and remedy when that is impossible. All processes of one
        installation use the same prefix.
        """
        if not _PREFIX.fullmatch(prefix):
            raise Misconfigured(
                f"{prefix!r} cannot be the beginning of names in NATS. Use letters, digits,"
                " hyphens and underscores."
            )
        connection = await Connection.open(url, credentials)
        dispatch = cls(connection, Subjects(prefix), keeping or Keeping())
        try:
            await dispatch._begin()
        except BaseException:
            await dispatch.close()
            raise
        return dispatch

    async def _begin(self) -> None:
        await self._offers.open()
        await self._control.open()
        # Behind the subscriptions on the same connection: when it is answered, they are known.
        await self._streams.open()
        self._control.on_interrupt(self._events.wake)
        self._streams.on_made(self._offers.begin_again)
        self._connection.on_return(self._return)

    async def _return(self) -> None:
        """Mistrust everything: NATS may have been started anew without its data."""
        self._offers.begin_again()
        self._control.begin_again()
        self._events.send_all_to_rows()
        # Whoever cancels this, because the connection was lost again, does not stop the making.
        await asyncio.shield(self._streams.restore())
        # Told again when the stream is there: who hears nothing yet will find it in the stream.
        self._events.begin_again()

    async def offer(self, run_id: str, project_id: str) -> None:
        """Put the run into the queue, behind the events that were published before."""
        await self._offers.offer(run_id, project_id)

    async def next_offer(self) -> NatsOffer:
        """Wait for a run that has something to do."""
        return await self._offers.next()

    def publish(self, run_id: str, events: Sequence[RunEvent], after: EventId) -> None:
        """Tell the run's listeners, in whichever process they are."""
        self._events.publish(run_id, events, after)

    async def subscribe(
        self, run_id: str, *, after: EventId | None = None, from_now: bool = False
    ) -> NatsSubscription:
        """Listen to a run; what its current leg has told so far comes first."""
        return await self._events.subscribe(run_id, after=after, from_now=from_now)

    def forget(self, run_id: str) -> None:
        """Tell nothing of it again; what the stream has of the run grows old with the rest."""
        self._events.forget(run_id)

    async def interrupt(self, run_id: str) -> None:
        """Tell whoever works on the run or listens to it, in all processes."""
        await self._events.flush()
        await self._control.interrupt(run_id)

    def on_interrupt(self, handler: Callable[[str], None]) -> None:
        """Call the handler with the id of every run that is interrupted."""
        self._control.on_interrupt(handler)

    async def announce_entries(self) -> None:
        """Wake up whoever ingests files."""
        await self._control.announce_entries()

    async def entries_announced(self) -> None:
        """Wait for an announcement, or take one that was made meanwhile."""
        await self._control.entries_announced()

    async def check(self) -> None:
        """Raise Unavailable with the cause when NATS does not answer or has lost its streams."""
        await self._connection.check()
        await self._streams.check()

    async def close(self) -> None:
        """Send what is left, give back what was delivered, and hang up; all that takes moments."""
        await self._streams.close()
        await self._offers.close()
        await self._events.close()
        await self._connection.close()
