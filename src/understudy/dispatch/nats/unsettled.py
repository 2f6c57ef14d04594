"""What this process has told of its runs and no row has, yet: the deltas behind their last states.

Whoever missed a state finds it in the rows. A delta that was on its way when NATS went away is
nowhere else, and its client would wait for it until the next state comes; so it is told again.
"""

from collections.abc import Iterator, Sequence

from understudy.dispatch.nats.parcel import Parcel
from understudy.runs.deltas import merged
from understudy.wire.events import EventId, RunEvent

# Neighbouring texts are joined when so many pieces are here, so that a long one costs its length.
PIECES_MAX = 256


class _Tail:
    """Deltas behind a state, or behind the place where a leg took the run over."""

    __slots__ = ("after", "deltas", "join_at")

    def __init__(self, after: EventId, deltas: Sequence[RunEvent]) -> None:
        self.after = after
        self.deltas = [*deltas]
        self.join_at = PIECES_MAX

    def add(self, deltas: Sequence[RunEvent]) -> None:
        self.deltas += deltas
        if len(self.deltas) > self.join_at:
            self.deltas = merged(self.deltas)
            # What cannot be joined is not looked at again with each piece.
            self.join_at = max(PIECES_MAX, 2 * len(self.deltas))


class Unsettled:
    """Deltas by run, in order and without a hole."""

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}

    def __len__(self) -> int:
        return len(self._tails)

    def take(self, run_id: str, events: Sequence[RunEvent], after: EventId) -> None:
        """Note what was told behind ``after``: a state settles everything before it."""
        for place in range(len(events) - 1, -1, -1):
            if not events[place].width:
                self.forget(run_id)
                events, after = events[place + 1 :], events[place].id
                break
        if events:
            self._add(run_id, events, after)

    def _add(self, run_id: str, deltas: Sequence[RunEvent], after: EventId) -> None:
        known = self._tails.get(run_id)
        if known is not None and known.deltas[-1].id == after:
            known.add(deltas)
        else:
            # The first ones behind a state, or of another leg, which begins at what the rows have.
            self._tails[run_id] = _Tail(after, deltas)

    def forget(self, run_id: str) -> None:
        """The run is over, or in other hands."""
        self._tails.pop(run_id, None)

    def parcels(self) -> Iterator[tuple[str, Parcel]]:
        """Yield by run what is unsettled now."""
        for run_id, tail in self._tails.items():
            yield run_id, Parcel(tail.after, merged(tail.deltas), from_rows=True)
