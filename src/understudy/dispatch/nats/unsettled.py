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


class Unsettled:
    """Deltas by run, in order and without a hole."""

    def __init__(self) -> None:
        self._after: dict[str, EventId] = {}
        self._deltas: dict[str, list[RunEvent]] = {}

    def __len__(self) -> int:
        return len(self._deltas)

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
        known = self._deltas.get(run_id)
        if known is None or known[-1].id != after:
            # The first ones behind a state, or of another leg, which begins at what the rows have.
            self._after[run_id] = after
            self._deltas[run_id] = [*deltas]
            return
        known += deltas
        if len(known) > PIECES_MAX:
            self._deltas[run_id] = merged(known)

    def forget(self, run_id: str) -> None:
        """The run is over, or in other hands."""
        self._deltas.pop(run_id, None)
        self._after.pop(run_id, None)

    def parcels(self) -> Iterator[tuple[str, Parcel]]:
        """Yield by run what is unsettled now."""
        for run_id, deltas in self._deltas.items():
            yield run_id, Parcel(self._after[run_id], merged(deltas), from_rows=True)
