"""Groups of writes: what runs together inside one transaction.

A commit waits for the disk and every statement for the network, so the writes of concurrent
requests are taken together: one statement inserts all their runs, another changes all runs that
have gone on. The writes of a plain run are such (``Common``); everything else is rare and is
applied alone, change by change, in a transaction that is rolled back when one is refused.

A write of a group that is refused (a busy thread, a run that has moved on) leaves nothing behind,
since what it needs is looked at before anything of it is written. No two writes of a group name
the same thread, so that none depends on another.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from understudy.errors import UnderstudyError
from understudy.storage.changes import (
    AbandonBytes,
    AddEntries,
    AddPart,
    Answer,
    CancelBatch,
    Change,
    ChangeAttributes,
    ClaimBytes,
    ClaimEntry,
    CommitRun,
    Delete,
    EndEntry,
    EndUpload,
    ExpectBytes,
    ForgetEntryIndex,
    ForgetStoreIndex,
    IngestAgain,
    Insert,
    OpenUpload,
    ReleaseEntry,
    RemoveEntry,
    Replace,
    StartRun,
    Written,
)
from understudy.storage.outcomes import both
from understudy.storage.postgres import (
    index_upkeep,
    ingestion_queue,
    objects,
    runs,
    uploads,
    vector_stores,
)
from understudy.storage.postgres.connecting import Database
from understudy.storage.postgres.runs import Starting
from understudy.storage.postgres.threads import Held, hold
from understudy.storage.records import ThreadBusy

Outcome: TypeAlias = Written | UnderstudyError


class Common(Struct, frozen=True):
    """A write that can share its statements with others: new objects and a run, or a run's change.

    ``thread_ids`` are all that it touches; ``new_thread_ids`` those of them that it makes.
    """

    inserts: tuple[Insert, ...] = ()
    start: StartRun | None = None
    commit: CommitRun | None = None
    thread_ids: frozenset[str] = frozenset()
    new_thread_ids: frozenset[str] = frozenset()


def common(changes: Sequence[Change]) -> Common | None:
    """Return the write in a form that can be grouped, or None when it is a rare one."""
    # The type itself is asked for: isinstance takes ten times as long for Structs, on every write.
    if len(changes) == 1 and type(commit := changes[0]) is CommitRun:
        return Common(commit=commit, thread_ids=frozenset((commit.change.run.thread_id,)))
    inserts = tuple(one for one in changes if type(one) is Insert)
    starts = [one for one in changes if type(one) is StartRun]
    if len(inserts) + len(starts) < len(changes) or len(starts) > 1:
        return None
    new = frozenset(one.id for one in inserts if one.kind == "thread")
    named = {one.thread_id for one in inserts if one.thread_id}
    named |= {one.change.run.thread_id for one in starts}
    return Common(
        inserts=inserts,
        start=starts[0] if starts else None,
        thread_ids=new | named,
        new_thread_ids=new,
    )


async def apply_group(database: Database, group: Sequence[Common]) -> list[Outcome]:
    """Apply the writes, each wholly or not at all, and return what came of each."""
    thread_ids, with_runs = _needed_threads(group)
    held = await hold(database, thread_ids, with_runs=with_runs)
    outcomes = [_judged(one, held) for one in group]
    admitted = [
        (one, outcome)
        for one, outcome in zip(group, outcomes, strict=True)
        if not isinstance(outcome, UnderstudyError)
    ]
    await objects.insert(database, [row for one in admitted for row in _new_objects(*one)])
    await runs.insert(
        database, [Starting(one.start, was.active_run_id) for one, was in admitted if one.start]
    )
    commits = [one.commit for one, _ in admitted if one.commit]
    committed = iter(await runs.commit(database, commits))
    return [
        next(committed) if one.commit else outcome
        for one, outcome in zip(group, outcomes, strict=True)
    ]


def _needed_threads(group: Iterable[Common]) -> tuple[set[str], bool]:
    """Return the threads to be held, and whether their active runs matter."""
    needed: set[str] = set()
    with_runs = False
    for one in group:
        checked = {row.thread_id for row in one.inserts if row.needs_free_thread and row.thread_id}
        if one.start:
            checked.add(one.start.change.run.thread_id)
        checked -= one.new_thread_ids
        with_runs = with_runs or bool(checked)
        needed |= checked
        if one.commit:
            needed.add(one.commit.change.run.thread_id)
    return needed, with_runs


def _judged(one: Common, held: Held) -> Outcome:
    """Return why the write is refused, or that it is not, with the run that it queues behind."""
    try:
        for row in one.inserts:
            if row.needs_free_thread and row.thread_id and row.thread_id not in one.new_thread_ids:
                held.check_free(row.project_id, row.thread_id)
        return Written(active_run_id=_run_in_front(one, held))
    except UnderstudyError as refusal:
        return refusal


def _run_in_front(one: Common, held: Held) -> str | None:
    if one.start is None or one.start.change.run.thread_id in one.new_thread_ids:
        return None
    thread_id = one.start.change.run.thread_id
    held.check_exists(one.start.project_id, thread_id)
    holder = held.runs.get(thread_id)
    if holder is not None and not one.start.queue:
        raise ThreadBusy(holder)
    return holder


def _new_objects(one: Common, judged: Written) -> tuple[Insert, ...]:
    """Return what the write adds now: the messages of a run that queues wait with it."""
    if one.start is None or judged.active_run_id is not None:
        return one.inserts
    return (*one.inserts, *one.start.messages)


async def apply_alone(database: Database, changes: Sequence[Change]) -> Written:
    """Apply the changes of one write in their order, up to the first that does not apply.

    What was done by then is to be rolled back. Raises what a change is refused with.
    """
    written = Written()
    for change in changes:
        written = both(written, await _apply_one(database, change))
        if not written.applied:
            break
    return written


async def _apply_one(database: Database, change: Change) -> Written:
    shared = common([change])
    if shared is not None:
        [outcome] = await apply_group(database, [shared])
        if isinstance(outcome, UnderstudyError):
            raise outcome
        return outcome
    written = await _WRITERS[type(change)](database, change)
    return written or Written()


_WRITERS: Mapping[type[Change], Callable[[Database, Any], Awaitable[Written | None]]] = {
    Replace: objects.replace,
    Delete: objects.delete,
    Answer: objects.remember,
    OpenUpload: uploads.open_upload,
    AddPart: uploads.add_part,
    EndUpload: uploads.end,
    ExpectBytes: uploads.expect_bytes,
    ClaimBytes: uploads.claim_bytes,
    AbandonBytes: uploads.abandon_bytes,
    AddEntries: vector_stores.add_entries,
    RemoveEntry: vector_stores.remove_entry,
    ChangeAttributes: vector_stores.change_attributes,
    CancelBatch: vector_stores.cancel_batch,
    ClaimEntry: ingestion_queue.claim,
    EndEntry: ingestion_queue.end,
    ReleaseEntry: ingestion_queue.release,
    IngestAgain: ingestion_queue.ingest_again,
    ForgetEntryIndex: index_upkeep.forget_entry_index,
    ForgetStoreIndex: index_upkeep.forget_store_index,
}
