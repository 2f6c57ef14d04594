"""What is known of a run, and a change of it."""

from msgspec import Struct
from msgspec.structs import replace

from understudy.runs.status import TERMINAL
from understudy.wire.events import RunEvent
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run, RunStatus
from understudy.wire.objects.steps import RunStep
from understudy.wire.objects.usage import Usage


class RunState(Struct, frozen=True, kw_only=True):
    """Everything that decides what may happen to a run next.

    ``position`` is that of the last event that was sent; ``deadline`` is ``expires_at``, which
    the run object itself forgets when it ends; ``steps`` are all steps so far, oldest first;
    ``pending_usage`` are the tokens of a tool call step that is open and shows none yet (STEP-09).
    """

    run: Run
    attempt: int = 0
    position: int = 0
    deadline: int
    steps: tuple[RunStep, ...] = ()
    pending_usage: Usage | None = None
    open_message: Message | None = None

    @property
    def open_steps(self) -> tuple[RunStep, ...]:
        """Return the steps that have not ended."""
        return tuple(step for step in self.steps if step.status == "in_progress")

    @property
    def usage(self) -> Usage:
        """Return the tokens of every finished model call (RUN-36)."""
        counted = (step.usage for step in self.steps if step.usage)
        return sum(counted, start=self.pending_usage or Usage())


class RunChange(Struct, frozen=True, kw_only=True):
    """A whole change, with the status and attempt that it expects to find.

    ``steps`` and ``messages`` are written whole, new or not. ``lease_until`` is None when the
    change lets go of the run, and otherwise the time until which the worker holds it, or 0 to
    leave the lease as it is.
    """

    run: Run
    expected_status: RunStatus
    expected_attempt: int
    attempt: int
    position: int
    deadline: int
    steps: tuple[RunStep, ...] = ()
    messages: tuple[Message, ...] = ()
    events: tuple[RunEvent, ...] = ()
    pending_usage: Usage | None = None
    lease_until: float | None = 0.0

    @property
    def ends_run(self) -> bool:
        """Return whether the run is over after this change, so that its thread is free."""
        return self.run.status in TERMINAL


def after(state: RunState, change: RunChange) -> RunState:
    """Return the state once the change has been applied."""
    changed = {step.id: step for step in change.steps}
    known = {step.id for step in state.steps}
    steps = tuple(changed.get(step.id, step) for step in state.steps)
    steps += tuple(step for step in change.steps if step.id not in known)
    return replace(
        state,
        run=change.run,
        attempt=change.attempt,
        position=change.position,
        steps=steps,
        pending_usage=change.pending_usage,
        open_message=_open_message(state, change),
    )


def _open_message(state: RunState, change: RunChange) -> Message | None:
    current = change.messages[-1] if change.messages else state.open_message
    return current if current and current.status == "in_progress" else None
