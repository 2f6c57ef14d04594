"""The table of the run state machine (RUN-10 to RUN-1E).

Read a row as: in this status, these happenings are allowed and lead to that status. Whatever is
not in the table is refused. Terminal states have nothing after them.
"""

from collections.abc import Mapping

from understudy.wire.objects.runs import RunStatus

TABLE: Mapping[RunStatus, Mapping[str, RunStatus]] = {
    "queued": {
        "Claimed": "in_progress",
        "CancelRequested": "cancelling",
        "Failed": "failed",
        "Expired": "expired",
    },
    "in_progress": {
        "Claimed": "in_progress",  # taken over from a worker that lost its lease
        "MessageStarted": "in_progress",
        "ToolCallsStarted": "in_progress",
        "MessageAbandoned": "in_progress",
        "HostedToolsRan": "in_progress",
        "FunctionsCalled": "requires_action",
        "Answered": "completed",
        "BudgetSpent": "incomplete",
        "CancelRequested": "cancelling",
        "Failed": "failed",
        "Expired": "expired",
    },
    "requires_action": {
        "ToolOutputsSubmitted": "queued",
        "CancelRequested": "cancelling",
        "Expired": "expired",
    },
    "cancelling": {
        "Claimed": "cancelling",
        "Cancelled": "cancelled",
        "Expired": "cancelled",  # RUN-19: the request to cancel wins
    },
    "cancelled": {},
    "failed": {},
    "completed": {},
    "incomplete": {},
    "expired": {},
}

TERMINAL: frozenset[RunStatus] = frozenset(status for status, row in TABLE.items() if not row)
CANCELLABLE: frozenset[RunStatus] = frozenset(
    status for status, row in TABLE.items() if "CancelRequested" in row
)
# Statuses in which a worker has something to do.
CLAIMABLE: frozenset[RunStatus] = frozenset({"queued", "in_progress", "cancelling"})


def chart() -> str:
    """Return the table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> queued: RunCreated"]
    for status, row in TABLE.items():
        lines += [f"    {status} --> {after}: {happening}" for happening, after in row.items()]
        if not row:
            lines.append(f"    {status} --> [*]")
    return "\n".join(lines)
