"""The port between those who take requests and those who work on runs.

Everything here only makes things faster. A lost offer is made again by the sweeper, and a lost
event is read from the rows: the rows are the truth.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from understudy.wire.events import EventId, RunEvent


class Subscription(Protocol):
    """The events of one run, from now on, and those of its current leg."""

    @property
    def opened_after(self) -> EventId | None:
        """Return the id after which this subscription has every event, or None if unknown."""
        ...

    async def next(self, timeout_seconds: float) -> Sequence[RunEvent]:
        """Return what has come since the last call, text deltas merged.

        Empty after a timeout, and whenever the rows should be read: the run was interrupted, or
        something may have been missed. What comes after that goes on from the rows.
        """
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Offer(Protocol):
    """A run that may have something to do. It is a hint: the claim in the rows decides."""

    @property
    def run_id(self) -> str:
        """Return the run."""
        ...

    @property
    def project_id(self) -> str:
        """Return whose run it is."""
        ...

    async def done(self) -> None:
        """Never make this offer again: the rows say by now who works on the run."""
        ...

    async def decline(self, seconds: float) -> None:
        """Give it back: somebody may take it after this time, or the sweeper offers it again."""
        ...


class Dispatch(Protocol):
    """Offers of work, events of runs, and orders to stop."""

    async def offer(self, run_id: str, project_id: str) -> None:
        """Tell the workers that this run has something to do.

        Never raises: an offer that is lost, or for which there is no place, is made again by the
        sweeper.
        """
        ...

    async def next_offer(self) -> Offer:
        """Wait for a run that has something to do; nobody else is told of it meanwhile."""
        ...

    def publish(self, run_id: str, events: Sequence[RunEvent], after: EventId) -> None:
        """Tell the run's listeners; ``after`` is the id of the event before the first of these."""
        ...

    async def subscribe(
        self, run_id: str, *, after: EventId | None = None, from_now: bool = False
    ) -> Subscription:
        """Listen to a run; what its current leg has told so far comes first.

        With ``after`` the caller knows all events up to there, as whoever sets a run going does;
        with ``from_now`` it only wants to know that something happens. Nothing is looked up then.
        Never raises: without a connection the rows are all there is.
        """
        ...

    def forget(self, run_id: str) -> None:
        """Keep nothing of the run any more: whoever worked on it has let go for good."""
        ...

    async def interrupt(self, run_id: str) -> None:
        """Tell whoever works on the run, or listens to it, to look at its rows at once."""
        ...

    def on_interrupt(self, handler: Callable[[str], None]) -> None:
        """Call the handler with the id of every run that is interrupted."""
        ...

    async def announce_entries(self) -> None:
        """Tell the workers that files wait to be ingested."""
        ...

    async def entries_announced(self) -> None:
        """Wait until files have been announced since the last call."""
        ...

    async def check(self) -> None:
        """Raise Unavailable with the cause when others cannot be told anything."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
