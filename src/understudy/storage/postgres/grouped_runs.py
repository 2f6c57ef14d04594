"""Changes of runs of many callers, as one call of a function."""

from collections.abc import Sequence

from understudy.runs import journal
from understudy.storage.changes import CommitRun
from understudy.storage.postgres.statements import Call
from understudy.wire.encoding import encode
from understudy.wire.objects.messages import Message
from understudy.wire.objects.steps import RunStep

_SQL = "SELECT change_runs_1($1, $2, $3)"


def changing(group: Sequence[CommitRun]) -> Call:
    """Return the call that changes the members' runs, in the order of their ids."""
    members = sorted(enumerate(group), key=lambda one: one[1].change.run.id)
    return Call(
        _SQL,
        [_changed(member, order) for member, order in members],
        [_written(member, order, step) for member, order in members for step in order.change.steps],
        [
            _written(member, order, message)
            for member, order in members
            for message in order.change.messages
        ],
    )


def _changed(member: int, order: CommitRun) -> tuple[object, ...]:
    change = order.change
    return (
        member,
        change.run.id,
        change.run.thread_id,
        change.expected_status,
        change.expected_attempt,
        change.run.status,
        change.ends_run,
        change.attempt,
        change.position,
        change.lease_until == 0.0,
        change.lease_until,
        encode(change.pending_usage) if change.pending_usage else None,
        encode(change.run),
        journal.write(change.events),
    )


def _written(member: int, order: CommitRun, one: RunStep | Message) -> tuple[object, ...]:
    return (
        member,
        one.id,
        order.project_id,
        one.thread_id,
        one.run_id,
        one.created_at,
        encode(one),
    )
