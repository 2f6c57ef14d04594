"""Runs in the database: the lock of a thread, expected states, turns, leases."""

import asyncio

import pytest
from msgspec import json
from msgspec.structs import replace

from understudy.runs import machine
from understudy.runs.happenings import (
    Cancelled,
    CancelRequested,
    Expired,
    Happening,
    ToolOutputsSubmitted,
)
from understudy.runs.state import RunState, after
from understudy.storage.base import Storage
from understudy.storage.changes import Replace
from understudy.storage.records import Claimable, Row, Scope, Slice, ThreadBusy
from understudy.wire.objects.messages import Message, Text, TextContent
from understudy.wire.objects.runs import Run
from understudy.wire.objects.usage import Usage

from .rows import (
    ACME,
    DEADLINE,
    NOW,
    OTHER,
    answered,
    claimed,
    functions_called,
    happen,
    holder,
    ids,
    make_run,
    make_thread,
    message_row,
    message_started,
    new_run,
    order,
    recorded,
    start,
    within,
)

OUTPUTS = ToolOutputsSubmitted(outputs={"call_1": "x"})


async def test_a_new_run_is_queued_and_holds_its_thread(storage: Storage) -> None:
    """RUN-10, RUN-22."""
    await make_run(storage)
    record = await recorded(storage)
    assert (record.project_id, record.lease_until, record.has_turn) == (ACME, None, True)
    assert record.state.run == new_run("run_1")
    assert (record.state.attempt, record.state.deadline) == (0, DEADLINE)
    assert record.state.position == machine.create(new_run("run_1"), DEADLINE).position
    assert await holder(storage, "thread_1") == "run_1"
    assert await storage.claimable(NOW, 10) == [Claimable(ACME, "run_1")]


async def test_a_runs_files_are_kept_beside_it(storage: Storage) -> None:
    """RUN-04, V1V2-05."""
    await make_thread(storage)
    await storage.write(start("run_1", file_ids=("file-1",)))
    assert (await recorded(storage)).file_ids == ("file-1",)
    await happen(storage, claimed())
    row = await storage.fetch("run", within(), "run_1")
    assert row is not None
    assert row.file_ids == ("file-1",)


@pytest.mark.parametrize(
    "happenings",
    [
        (),
        (claimed(),),
        (claimed(), *functions_called()),
        (CancelRequested(),),
    ],
    ids=["queued", "in_progress", "requires_action", "cancelling"],
)
async def test_an_active_run_keeps_every_other_from_its_thread(
    storage: Storage, happenings: tuple[Happening, ...]
) -> None:
    """RUN-22, RUN-42, THR-08."""
    await make_run(storage)
    await happen(storage, *happenings)
    with pytest.raises(ThreadBusy) as refused:
        await storage.write(start("run_2", messages=(message_row("msg_2"),)))
    assert refused.value.run_id == "run_1"
    assert await storage.run_record("run_2") is None
    assert await storage.thread_messages("thread_1") == []


async def test_of_runs_started_at_once_exactly_one_gets_the_thread(storage: Storage) -> None:
    """RUN-22: check and set are one."""
    await make_thread(storage)
    writes = [storage.write(start(f"run_{n}")) for n in range(20)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(outcome, ThreadBusy) for outcome in outcomes) == 19
    assert len(ids(await storage.page("run", within(), Slice()))) == 1


async def test_threads_do_not_lock_each_other(storage: Storage) -> None:
    await make_run(storage, "run_1", "thread_1")
    await make_run(storage, "run_2", "thread_2")
    assert await holder(storage, "thread_2") == "run_2"


@pytest.mark.parametrize("end", [Expired(), answered()])
async def test_a_run_that_is_over_frees_its_thread(storage: Storage, end: Happening) -> None:
    """RUN-1B."""
    await make_run(storage)
    await happen(storage, claimed(), end)
    assert await holder(storage, "thread_1") is None
    await storage.write(start("run_2"))
    assert await holder(storage, "thread_1") == "run_2"


async def test_messages_of_a_run_come_before_it(storage: Storage) -> None:
    """RUN-25."""
    await make_thread(storage)
    await storage.write(start("run_1", messages=(message_row("msg_1"), message_row("msg_2"))))
    assert [one.id for one in await storage.thread_messages("thread_1")] == ["msg_1", "msg_2"]


def shown(state: RunState) -> RunState:
    """Return the state with every list as JSON has it."""
    return json.decode(json.encode(state), type=RunState)


async def test_everything_that_happens_is_read_back(storage: Storage) -> None:
    """The record is the state that the machine would have, had it stayed in memory."""
    await make_run(storage)
    state = (await recorded(storage)).state
    rounds = claimed(), *functions_called(), OUTPUTS, claimed(), message_started(), answered()
    for number, happening in enumerate(rounds):
        change = machine.apply(state, happening, NOW + number)
        await happen(storage, happening, now=NOW + number)
        state = after(state, change)
        assert shown((await recorded(storage)).state) == shown(state)
    assert [step.status for step in state.steps] == ["completed", "completed"]
    assert state.open_message is None
    assert state.run.usage == Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)


async def test_an_open_message_and_step_are_found_by_a_successor(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed(), message_started())
    state = (await recorded(storage)).state
    assert state.open_message is not None
    assert state.open_message.id == "msg_a1"
    assert [step.id for step in state.open_steps] == ["step_1"]


async def test_a_change_that_expects_another_status_does_nothing(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed(), message_started())
    record = await recorded(storage)
    await happen(storage, CancelRequested())
    written = await storage.write(order(record, answered()))
    assert not written.applied
    assert (await recorded(storage)).state.run.status == "cancelling"
    row = await storage.fetch("message", within(), "msg_a1")
    assert row is not None
    assert json.decode(row.body)["status"] == "in_progress"


async def test_a_change_of_an_older_attempt_does_nothing(storage: Storage) -> None:
    """Fencing: whoever lost its lease cannot write."""
    await make_run(storage)
    await happen(storage, claimed())
    lost = await recorded(storage)
    await happen(storage, claimed())
    written = await storage.write(order(lost, message_started()))
    assert not written.applied
    assert (await recorded(storage)).state.attempt == 2
    assert ids(await storage.page("message", within(), Slice())) == []


async def test_of_claims_at_once_exactly_one_holds(storage: Storage) -> None:
    await make_run(storage)
    record = await recorded(storage)
    claims = [storage.write(order(record, claimed(NOW + 15.0 + n))) for n in range(10)]
    outcomes = await asyncio.gather(*claims)
    assert [outcome.applied for outcome in outcomes].count(True) == 1


async def test_a_run_is_read_only_in_its_project_and_thread(storage: Storage) -> None:
    await make_run(storage)
    assert await storage.run_history(within(), "run_1") is not None
    assert await storage.run_history(within("thread_2"), "run_1") is None
    elsewhere = Scope(project_id=OTHER, thread_id="thread_1")
    assert await storage.run_history(elsewhere, "run_1") is None
    assert await storage.run_record("run_0") is None


async def test_the_history_has_every_event_in_order(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed(), message_started(), answered())
    history = await storage.run_history(within(), "run_1")
    assert history is not None
    assert [entry.name.removeprefix("thread.") for entry in history.journal] == [
        "run.created",
        "run.queued",
        "run.in_progress",
        "run.step.created",
        "run.step.in_progress",
        "message.created",
        "message.in_progress",
        "message.completed",
        "run.step.completed",
        "run.completed",
    ]
    assert history.record == await recorded(storage)
    assert set(history.messages) == {"msg_a1"}
    assert set(history.steps) == {"step_1"}


async def with_new_metadata(storage: Storage, kind: str, object_id: str) -> bytes:
    """Let a client change the metadata of a message or run."""
    row = await storage.fetch(kind, within(), object_id)  # type: ignore[arg-type]
    assert row is not None
    type_: type[Run | Message] = Run if kind == "run" else Message
    body = json.encode(replace(json.decode(row.body, type=type_), metadata={"by": "client"}))
    change = Replace(
        kind=kind,  # type: ignore[arg-type]
        project_id=ACME,
        id=object_id,
        read=row,
        body=body,
        metadata=b'{"by":"client"}',
    )
    await storage.write(change)
    return body


@pytest.mark.parametrize(("kind", "object_id"), [("run", "run_1"), ("message", "msg_a1")])
async def test_metadata_that_a_client_sets_outlives_what_a_worker_writes(
    storage: Storage, kind: str, object_id: str
) -> None:
    """RUN-40: in any status; the worker holds an older copy and does not know."""
    await make_run(storage)
    await happen(storage, claimed(), message_started())
    mine = await recorded(storage)
    body = await with_new_metadata(storage, kind, object_id)
    found = await storage.fetch(kind, within(), object_id)  # type: ignore[arg-type]
    assert found == Row(object_id, body)
    assert (await storage.write(order(mine, answered()))).applied
    found = await storage.fetch(kind, within(), object_id)  # type: ignore[arg-type]
    assert found is not None
    kept = json.decode(found.body)
    assert (kept["status"], kept["metadata"]) == ("completed", {"by": "client"})


async def test_metadata_set_twice_is_what_was_set_last(storage: Storage) -> None:
    await make_run(storage)
    await with_new_metadata(storage, "run", "run_1")
    await happen(storage, claimed(), message_started(), answered())
    run = (await recorded(storage)).state.run
    assert (run.status, run.metadata) == ("completed", {"by": "client"})


async def enqueue(storage: Storage, *run_ids: str) -> None:
    """Let these runs wait for the first one, each with a message."""
    for run_id in run_ids:
        message = message_row(f"msg_{run_id}")
        written = await storage.write(start(run_id, queue=True, messages=(message,)))
        assert written.active_run_id == "run_1"


async def test_a_waiting_run_has_no_turn_and_its_messages_are_not_there_yet(
    storage: Storage,
) -> None:
    await make_run(storage)
    await enqueue(storage, "run_2")
    record = await recorded(storage, "run_2")
    assert (record.has_turn, record.state.run.status) == (False, "queued")
    assert await storage.thread_messages("thread_1") == []
    assert await holder(storage, "thread_1") == "run_1"
    assert await storage.claimable(NOW, 10) == [Claimable(ACME, "run_1")]
    assert ids(await storage.page("run", within(), Slice(order="asc"))) == ["run_1", "run_2"]


async def test_runs_that_are_not_over_are_known_by_their_thread(storage: Storage) -> None:
    """The one that locks it and those that wait; a deletion has to stop them all."""
    await make_run(storage)
    await enqueue(storage, "run_2", "run_3")
    await make_run(storage, "run_9", "thread_9")
    await happen(storage, Expired(), run_id="run_2")
    assert sorted(await storage.unfinished_runs("thread_1")) == ["run_1", "run_3"]


async def test_waiting_runs_get_their_turn_in_order_with_their_messages(storage: Storage) -> None:
    await make_run(storage)
    await enqueue(storage, "run_2", "run_3")
    ended = await happen(storage, claimed(), answered())
    assert ended.promoted_run_id == "run_2"
    assert [one.id for one in await storage.thread_messages("thread_1")] == ["msg_run_2"]
    assert (await recorded(storage, "run_2")).has_turn
    ended = await happen(storage, claimed(), answered(), run_id="run_2")
    assert ended.promoted_run_id == "run_3"
    ended = await happen(storage, claimed(), answered(), run_id="run_3")
    assert ended.promoted_run_id is None
    assert len(await storage.thread_messages("thread_1")) == 2


async def test_messages_of_a_waiting_run_stand_behind_the_answer_it_waited_for(
    storage: Storage,
) -> None:
    """LIST-03: the model reads the thread in the order in which the runs had their turns."""
    await make_run(storage)
    await enqueue(storage, "run_2")
    await happen(storage, claimed(), message_started(), answered(), now=NOW + 30)
    thread = await storage.thread_messages("thread_1")
    assert [one.id for one in thread] == ["msg_a1", "msg_run_2"]


async def test_with_queue_a_free_thread_is_taken_at_once(storage: Storage) -> None:
    await make_thread(storage)
    written = await storage.write(start("run_1", queue=True, messages=(message_row("msg_1"),)))
    assert written.active_run_id is None
    assert await holder(storage, "thread_1") == "run_1"
    assert len(await storage.thread_messages("thread_1")) == 1


async def test_a_waiting_run_that_ends_frees_nothing(storage: Storage) -> None:
    """RUN-17, RUN-19: it can be cancelled and it expires; the run in front goes on."""
    await make_run(storage)
    await enqueue(storage, "run_2", "run_3", "run_4")
    cancelled = await happen(storage, CancelRequested(), claimed(), Cancelled(), run_id="run_2")
    expired = await happen(storage, Expired(), run_id="run_3")
    assert (cancelled.promoted_run_id, expired.promoted_run_id) == (None, None)
    assert await holder(storage, "thread_1") == "run_1"
    ended = await happen(storage, claimed(), answered())
    assert ended.promoted_run_id == "run_4"


async def test_a_cancelling_run_that_waits_is_work_for_somebody(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed())
    await enqueue(storage, "run_2")
    await happen(storage, CancelRequested(), run_id="run_2")
    assert await storage.claimable(NOW, 10) == [Claimable(ACME, "run_2")]


async def test_a_held_run_is_free_when_its_lease_is_over(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed(NOW + 15.0))
    assert await storage.claimable(NOW + 15.0, 10) == []
    assert await storage.claimable(NOW + 15.1, 10) == [Claimable(ACME, "run_1", abandoned=True)]


async def test_changes_within_a_leg_leave_its_lease_alone(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed(NOW + 15.0), message_started())
    assert (await recorded(storage)).lease_until == NOW + 15.0


@pytest.mark.parametrize("end", [functions_called(), (answered(),)], ids=["waits", "ends"])
async def test_nothing_holds_a_run_that_waits_or_is_over(
    storage: Storage, end: tuple[Happening, ...]
) -> None:
    await make_run(storage)
    await happen(storage, claimed(), *end)
    assert (await recorded(storage)).lease_until is None
    assert await storage.claimable(NOW + 9999, 10) == []


async def test_leases_are_renewed_for_the_attempt_that_holds(storage: Storage) -> None:
    await make_run(storage, "run_1", "thread_1")
    await make_run(storage, "run_2", "thread_2")
    await make_run(storage, "run_3", "thread_3")
    await happen(storage, claimed(), run_id="run_1")
    await happen(storage, claimed(), claimed(), run_id="run_2")
    await storage.renew_leases({"run_1": 1, "run_2": 1, "run_3": 0}, NOW + 60.0)
    leases = [(await recorded(storage, f"run_{n}")).lease_until for n in (1, 2, 3)]
    assert leases == [NOW + 60.0, NOW + 15.0, None]


async def test_a_renewal_does_not_hold_a_run_that_waits_for_its_client(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed(), *functions_called())
    await storage.renew_leases({"run_1": 1}, NOW + 60.0)
    assert (await recorded(storage)).lease_until is None


async def test_all_leases_are_dropped_at_once(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed())
    await storage.drop_all_leases()
    assert await storage.claimable(NOW, 10) == [Claimable(ACME, "run_1")]


async def test_claimable_gives_no_more_than_asked_for(storage: Storage) -> None:
    for number in range(5):
        await make_run(storage, f"run_{number}", f"thread_{number}")
    assert len(await storage.claimable(NOW, 3)) == 3


async def test_a_run_is_overdue_at_its_deadline_unless_a_worker_holds_it(
    storage: Storage,
) -> None:
    """RUN-19: a worker ends its own runs in time."""
    await make_run(storage)
    assert await storage.overdue(DEADLINE - 0.1, 10) == []
    assert await storage.overdue(DEADLINE, 10) == ["run_1"]
    await happen(storage, claimed(DEADLINE + 5.0))
    assert await storage.overdue(DEADLINE + 5.0, 10) == []
    assert await storage.overdue(DEADLINE + 5.1, 10) == ["run_1"]


async def test_waiting_runs_and_runs_that_wait_for_outputs_are_overdue_too(
    storage: Storage,
) -> None:
    """RUN-1C."""
    await make_run(storage)
    await enqueue(storage, "run_2")
    await happen(storage, claimed(), *functions_called())
    assert sorted(await storage.overdue(DEADLINE, 10)) == ["run_1", "run_2"]
    await happen(storage, Expired(), run_id="run_2")
    assert await storage.overdue(DEADLINE, 10) == ["run_1"]


async def test_the_longest_overdue_come_first(storage: Storage) -> None:
    for number, deadline in enumerate([30, 10, 20]):
        await make_thread(storage, f"thread_{number}")
        await storage.write(start(f"run_{number}", f"thread_{number}", deadline=deadline))
    assert await storage.overdue(99, 2) == ["run_1", "run_2"]


async def test_texts_of_any_kind_survive(storage: Storage) -> None:
    await make_run(storage)
    await happen(storage, claimed(), message_started(), answered("\x00 \u2028 🙂 '\""))
    (message,) = await storage.thread_messages("thread_1")
    assert message.content == [TextContent(Text("\x00 \u2028 🙂 '\""))]


async def test_a_renewal_tells_which_runs_are_to_go_on(storage: Storage) -> None:
    """A worker that missed the word of a cancel learns of it from its next renewal."""
    for number in range(3):
        await make_run(storage, f"run_{number}", f"thread_{number}")
        await happen(storage, claimed(), run_id=f"run_{number}")
    await happen(storage, CancelRequested(), run_id="run_1")
    attempts = {"run_0": 1, "run_1": 1, "run_2": 7, "run_of_nobody": 1}
    assert await storage.renew_leases(attempts, NOW + 99.0) == {"run_0"}
