"""What comes of several changes that are written together."""

from understudy.storage.changes import Written


def both(first: Written, second: Written) -> Written:
    """Return what came of two changes of one write."""
    return Written(
        applied=first.applied and second.applied,
        promoted_run_id=first.promoted_run_id or second.promoted_run_id,
        active_run_id=first.active_run_id or second.active_run_id,
    )
