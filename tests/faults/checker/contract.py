"""What the contract says of runs and their events, written down a second time."""

from collections.abc import Mapping

# RUN-10 to RUN-1B: the statuses that may follow directly.
AFTER: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"in_progress", "cancelling", "failed", "expired"}),
    "in_progress": frozenset(
        {"requires_action", "completed", "incomplete", "cancelling", "failed", "expired"}
    ),
    "requires_action": frozenset({"queued", "cancelling", "expired"}),
    "cancelling": frozenset({"cancelled", "completed", "failed"}),
    "cancelled": frozenset(),
    "failed": frozenset(),
    "completed": frozenset(),
    "incomplete": frozenset(),
    "expired": frozenset(),
}
TERMINAL = frozenset(status for status, after in AFTER.items() if not after)
STOPPED = TERMINAL | {"requires_action"}
# RUN-22, RUN-42: of these a thread has one at most; those that wait behind it are queued.
HOLDS_THREAD = frozenset({"in_progress", "requires_action", "cancelling"})
# The times that an end is known by (RUN-15 to RUN-1A).
END_TIMES: Mapping[str, str] = {
    "completed": "completed_at",
    "incomplete": "completed_at",
    "cancelled": "cancelled_at",
    "failed": "failed_at",
}

STEP_ENDS = frozenset({"completed", "failed", "cancelled", "expired"})
MESSAGE_ENDS = frozenset({"completed", "incomplete"})
RUN_EVENTS = frozenset(f"thread.run.{status}" for status in AFTER) | {"thread.run.created"}
STEP_EVENTS = frozenset(
    f"thread.run.step.{name}" for name in (*STEP_ENDS, "created", "in_progress", "delta")
)
MESSAGE_EVENTS = frozenset(
    f"thread.message.{name}" for name in (*MESSAGE_ENDS, "created", "in_progress", "delta")
)

LIFE_SECONDS = 600  # RUN-1C
BUSY_STATUSES = frozenset({429, 503})  # a model that says so is asked again


def reachable() -> dict[str, frozenset[str]]:
    """Return the statuses in which a run can be found later, its present one among them."""
    found = {status: {status, *after} for status, after in AFTER.items()}
    for _ in AFTER:
        for later in found.values():
            later.update(*(found[status] for status in tuple(later)))
    return {status: frozenset(later) for status, later in found.items()}


REACHABLE = reachable()
