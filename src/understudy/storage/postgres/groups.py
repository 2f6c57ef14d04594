"""Groups of writes: those of plain runs, many at once, in one call and one transaction.

A commit waits for the disk and every statement for the network, so the writes of concurrent
requests are taken together, those that add objects and start runs, or those that change runs. The
function that is called (``migrations/0003_group_functions.sql``) leaves out the members that are
not plain, and nothing of them is written; they are applied alone then (``alone.py``), as are all
rare writes.

No two members of a group name the same thread, so that none depends on another.
"""

from collections.abc import Sequence

from msgspec import Struct

from understudy.storage.changes import Change, CommitRun, Insert, StartRun
from understudy.storage.postgres import grouped_objects
from understudy.storage.postgres.grouped_objects import adding
from understudy.storage.postgres.grouped_runs import changing
from understudy.storage.postgres.statements import Call


class Common(Struct, frozen=True):
    """A write that goes together with others: new objects with perhaps a run, or a run's change.

    ``thread_ids`` are all that it touches.
    """

    thread_ids: frozenset[str]
    inserts: tuple[Insert, ...] = ()
    start: StartRun | None = None
    commit: CommitRun | None = None

    def goes_with(self, other: "Common | None") -> bool:
        """Return whether both can be members of one group."""
        return other is not None and (self.commit is None) == (other.commit is None)


def common(changes: Sequence[Change]) -> Common | None:
    """Return the write in a form that can be grouped, or None when it is a rare one."""
    # The type itself is asked for: isinstance takes ten times as long for Structs, on every write.
    if len(changes) == 1 and type(commit := changes[0]) is CommitRun:
        return Common(thread_ids=frozenset((commit.change.run.thread_id,)), commit=commit)
    inserts = tuple(
        one for one in changes if type(one) is Insert and one.kind in grouped_objects.KINDS
    )
    starts = [one for one in changes if type(one) is StartRun]
    if not changes or len(inserts) + len(starts) < len(changes) or len(starts) > 1:
        return None
    start = starts[0] if starts else None
    return Common(grouped_objects.thread_ids(inserts, start), inserts=inserts, start=start)


def call_of(group: Sequence[Common]) -> Call:
    """Return the call that writes the group; it returns the numbers of those that it left out."""
    if group[0].commit is not None:
        return changing([one.commit for one in group if one.commit is not None])
    return adding([(one.inserts, one.start) for one in group])
