"""Whether what a listener hears is the whole story: pure decisions from positions alone.

Each parcel says behind which event it belongs. A parcel behind something that was not heard is a
gap; nothing but the stream, or the rows, can fill it. A worker that takes a run over begins at the
position of the rows, which is that of the last state that was told, however far the deltas of its
predecessor had come.
"""

from collections.abc import Sequence
from enum import Enum

from understudy.dispatch.nats.parcel import Parcel
from understudy.wire.events import EventId, RunEvent


class Verdict(Enum):
    """How a parcel goes with what was heard before."""

    FOLLOWS = "follows"
    KNOWN = "known"
    GAP = "gap"
    LOST = "lost"


class Trust(Enum):
    """What a listener that has heard nothing takes for the beginning."""

    ANYTHING = "anything"
    BEGINNINGS = "beginnings"
    NOTHING = "nothing"


# Before one of these no text is on its way that is not in the rows.
BEGINNINGS: frozenset[str] = frozenset(
    {"thread.created", "thread.run.created", "thread.run.queued", "thread.run.in_progress"}
)


class Continuity:
    """The place up to which everything was heard; None while that is unknown."""

    __slots__ = ("_settled", "_trust", "told")

    def __init__(self, trust: Trust) -> None:
        self.told: EventId | None = None
        self._settled = 0
        self._trust = trust

    @classmethod
    def behind(cls, after: EventId) -> "Continuity":
        """Return that of a listener who knows everything up to this place."""
        known = cls(Trust.NOTHING)
        known.settle(after)
        return known

    def verdict(self, parcel: Parcel) -> Verdict:
        """Compare the parcel with what was heard."""
        if self.told is None:
            return self._first_verdict(parcel)
        if parcel.events[-1].id <= self.told:
            return Verdict.KNOWN
        taken_over = parcel.events[0].attempt > self.told.attempt
        reached = self._settled if taken_over else self.told.position
        return Verdict.GAP if parcel.after.position > reached else Verdict.FOLLOWS

    def _first_verdict(self, parcel: Parcel) -> Verdict:
        if self._trust is Trust.NOTHING:
            return Verdict.LOST
        begins = self._trust is Trust.ANYTHING or parcel.events[0].name in BEGINNINGS
        return Verdict.FOLLOWS if begins else Verdict.GAP

    def advance(self, after: EventId, events: Sequence[RunEvent]) -> None:
        """Note that these were heard, behind ``after``."""
        if self.told is None:
            self._settled = after.position
        self.told = events[-1].id
        for event in reversed(events):
            if not event.width:
                self._settled = event.position
                return

    def settle(self, told: EventId) -> bool:
        """Go on behind a state that only the rows have; return whether that is news."""
        if self.told is not None and told <= self.told:
            return False
        self.told, self._settled = told, told.position
        return True

    def lose(self) -> None:
        """Know nothing any more, until a state is told."""
        self.told = None
        self._trust = Trust.NOTHING


def footing(parcel: Parcel) -> Parcel | None:
    """Return the part of the parcel with which somebody can begin who has heard nothing before.

    It begins with a state, or behind one: states are in the rows before they are told, so with one
    in hand nothing older is needed.
    """
    if parcel.from_rows:
        return parcel
    for place, event in enumerate(parcel.events):
        if not event.width:
            after = parcel.events[place - 1].id if place else parcel.after
            return Parcel(after, parcel.events[place:])
    return None
