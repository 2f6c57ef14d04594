"""A worker's hold on one run: every write carries the attempt, every event its position."""

import asyncio

from msgspec.structs import replace

from understudy.clock import Clock
from understudy.dispatch.base import Dispatch
from understudy.errors import UnderstudyError
from understudy.runs.happenings import Happening
from understudy.runs.machine import apply
from understudy.runs.state import RunChange, after
from understudy.storage.base import Storage
from understudy.storage.changes import CommitRun, Written
from understudy.storage.records import RunRecord
from understudy.wire.deltas import MessageDelta, StepDelta
from understudy.wire.events import EventId, EventName, RunEvent


class Superseded(UnderstudyError):
    """The run is not as this worker left it: somebody else moved first."""


class Hold:
    """The state of a run in the hands of one worker."""

    def __init__(
        self, record: RunRecord, storage: Storage, dispatch: Dispatch, clock: Clock
    ) -> None:
        self.state = record.state
        self.project_id = record.project_id
        self._storage = storage
        self._dispatch = dispatch
        self._clock = clock
        self._untold: list[RunEvent] = []
        self._told_position = record.state.position

    async def happen(self, happening: Happening) -> None:
        """Commit what follows from the happening, then tell it.

        Raises Superseded when the run has changed. An interruption waits until the commit is
        known, so that state and rows never part.
        """
        self.flush()
        self.state = replace(self.state, position=self._told_position)
        change = apply(self.state, happening, int(self._clock.now()))
        order = CommitRun(change=change, project_id=self.project_id)
        pending = asyncio.ensure_future(self._storage.write(order))
        try:
            written = await asyncio.shield(pending)
        except asyncio.CancelledError:
            await self._committed(change, await pending)
            raise
        await self._committed(change, written)

    async def _committed(self, change: RunChange, written: Written) -> None:
        if not written.applied:
            raise Superseded
        before = EventId(self.state.attempt, self.state.position)
        self.state = after(self.state, change)
        self._told_position = self.state.position
        self._dispatch.publish(change.run.id, change.events, before)
        if written.promoted_run_id is not None:
            await self._dispatch.offer(written.promoted_run_id, self.project_id)

    def tell(
        self, name: EventName, data: MessageDelta | StepDelta, width: int, *, resumed: bool
    ) -> None:
        """Note a delta; it is published with the others of its batch."""
        self._told_position += width
        self._untold.append(
            RunEvent(
                attempt=self.state.attempt,
                position=self._told_position,
                name=name,
                data=data,
                width=width,
                resumed=resumed,
            )
        )

    def flush(self) -> None:
        """Publish the deltas that were noted."""
        if not self._untold:
            return
        events, self._untold = self._untold, []
        first = events[0]
        before = EventId(first.attempt, first.position - first.width)
        self._dispatch.publish(self.state.run.id, events, before)

    def forget(self) -> None:
        """Let go of a run that is no longer this worker's to end."""
        self._dispatch.forget(self.state.run.id)

    async def see_again(self) -> bool:
        """Read the run anew; return whether this worker may still end it.

        The position stays where the told deltas have brought it.
        """
        record = await self._storage.run_record(self.state.run.id)
        if record is None or record.state.attempt != self.state.attempt:
            return False
        self._told_position = max(record.state.position, self._told_position)
        self.state = record.state
        return True
