"""Objects: written once, read in their own project only, changed when unchanged, deleted."""

import asyncio

import pytest
from msgspec import json

from understudy.errors import AlreadyAnswered
from understudy.storage.base import Storage
from understudy.storage.changes import Answer, Change, Delete, Replace
from understudy.storage.records import Conflict, Kind, Row, Scope, Slice, ThreadBusy, ThreadGone

from .rows import (
    ACME,
    NOW,
    OTHER,
    answered,
    claimed,
    functions_called,
    happen,
    ids,
    make_run,
    make_thread,
    message,
    message_row,
    message_started,
    order,
    plain_row,
    recorded,
    start,
    thread_row,
    within,
)

NOWHERE = Scope(project_id=OTHER)
KINDS: list[tuple[Kind, dict[str, str]]] = [
    ("assistant", {}),
    ("thread", {}),
    ("message", {"thread_id": "thread_1"}),
    ("run_step", {"thread_id": "thread_1", "run_id": "run_1"}),
    ("file", {"purpose": "assistants"}),
]


def replacing(read: bytes, body: bytes, object_id: str = "asst_1") -> Replace:
    row = Row(object_id, read)
    return Replace(kind="assistant", project_id=ACME, id=object_id, read=row, body=body)


def deleting(kind: Kind, object_id: str, project_id: str = ACME) -> Delete:
    return Delete(kind=kind, project_id=project_id, id=object_id, now=NOW + 5)


@pytest.mark.parametrize(("kind", "place"), KINDS)
async def test_what_was_written_is_read_as_it_was(
    storage: Storage, kind: Kind, place: dict[str, str]
) -> None:
    row = plain_row(kind, "x_1", NOW, file_ids=("file-1", "file-2"), **place)
    await storage.write(row)
    found = await storage.fetch(kind, within(place.get("thread_id")), "x_1")
    assert found == Row("x_1", row.body, ("file-1", "file-2"))


@pytest.mark.parametrize(("kind", "place"), KINDS)
async def test_another_project_finds_nothing(
    storage: Storage, kind: Kind, place: dict[str, str]
) -> None:
    """Another project's object is as unknown as one that never was."""
    await storage.write(plain_row(kind, "x_1", NOW, **place))
    assert await storage.fetch(kind, NOWHERE, "x_1") is None
    assert ids(await storage.page(kind, NOWHERE, Slice())) == []


async def test_another_project_can_neither_change_nor_delete(storage: Storage) -> None:
    row = plain_row("assistant", "asst_1", NOW)
    await storage.write(row)
    theirs = Replace(
        kind="assistant", project_id=OTHER, id="asst_1", read=Row("asst_1", row.body), body=b"{}"
    )
    for change in (theirs, deleting("assistant", "asst_1", OTHER)):
        with pytest.raises(Conflict):
            await storage.write(change)
    assert await storage.fetch("assistant", within(None), "asst_1") == Row("asst_1", row.body)


async def test_another_project_cannot_use_the_thread(storage: Storage) -> None:
    await make_thread(storage)
    with pytest.raises(ThreadGone):
        await storage.write(start("run_1", project_id=OTHER))
    with pytest.raises(ThreadGone):
        await storage.write(message_row("msg_1", project_id=OTHER, needs_free_thread=True))


async def test_an_object_is_found_only_in_its_thread_and_run(storage: Storage) -> None:
    """RUN-1 and STEP-1 paths: thread and run of the path have to be right."""
    await storage.write(
        thread_row("thread_1"),
        thread_row("thread_2"),
        message_row("msg_1"),
        plain_row("run_step", "step_1", NOW, thread_id="thread_1", run_id="run_1"),
    )
    assert await storage.fetch("message", within("thread_2"), "msg_1") is None
    assert await storage.fetch("run_step", within(run_id="run_1"), "step_1") is not None
    assert await storage.fetch("run_step", within(run_id="run_2"), "step_1") is None


async def test_a_file_is_found_by_its_purpose(storage: Storage) -> None:
    """LIST-11."""
    await storage.write(plain_row("file", "file-1", NOW, purpose="vision"))
    await storage.write(plain_row("file", "file-2", NOW, purpose="assistants"))
    scope = Scope(project_id=ACME, purpose="vision")
    assert ids(await storage.page("file", scope, Slice())) == ["file-1"]


async def test_missing_files_are_named_in_their_order(storage: Storage) -> None:
    await storage.write(plain_row("file", "file-1", NOW, purpose="vision"))
    await storage.write(plain_row("file", "file-9", NOW, purpose="vision", project_id=OTHER))
    asked = ["file-9", "file-1", "file-0"]
    assert await storage.missing_files(ACME, asked) == ["file-9", "file-0"]


async def test_a_change_needs_the_body_that_was_read(storage: Storage) -> None:
    row = plain_row("assistant", "asst_1", NOW)
    await storage.write(row)
    await storage.write(replacing(row.body, b'{"id":"asst_1","n":1}'))
    with pytest.raises(Conflict):
        await storage.write(replacing(row.body, b'{"id":"asst_1","n":2}'))
    found = await storage.fetch("assistant", within(None), "asst_1")
    assert found is not None
    assert found.body == b'{"id":"asst_1","n":1}'


async def test_of_changes_at_once_exactly_one_wins(storage: Storage) -> None:
    row = plain_row("assistant", "asst_1", NOW)
    await storage.write(row)
    changes = [storage.write(replacing(row.body, b'{"n":%d}' % n)) for n in range(20)]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 19


async def test_a_deleted_object_is_gone_and_cannot_be_deleted_twice(storage: Storage) -> None:
    row = plain_row("assistant", "asst_1", NOW)
    await storage.write(row)
    await storage.write(deleting("assistant", "asst_1"))
    assert await storage.fetch("assistant", within(None), "asst_1") is None
    for change in (deleting("assistant", "asst_1"), replacing(row.body, b"{}")):
        with pytest.raises(Conflict):
            await storage.write(change)


async def test_a_deleted_thread_takes_everything_with_it(storage: Storage) -> None:
    """THR-05."""
    await make_run(storage)
    await storage.write(message_row("msg_1"))
    await happen(storage, claimed(), *functions_called())
    await storage.write(start("run_2", queue=True, messages=(message_row("msg_2"),)))
    await storage.write(deleting("thread", "thread_1"))
    for kind in ("thread", "run", "message", "run_step"):
        assert ids(await storage.page(kind, within(None), Slice())) == []
    assert await storage.run_record("run_1") is None
    assert await storage.run_history(within(), "run_1") is None
    assert await storage.thread_messages("thread_1") == []
    assert await storage.unfinished_runs("thread_1") == []
    assert await storage.claimable(NOW + 9999, 10) == []
    assert await storage.overdue(NOW + 9999, 10) == []


async def test_a_worker_cannot_write_into_a_deleted_thread(storage: Storage) -> None:
    """THR-05: the active run just ends."""
    await make_run(storage)
    await happen(storage, claimed())
    mine = await recorded(storage)
    await storage.write(deleting("thread", "thread_1"))
    written = await storage.write(order(mine, message_started()))
    assert not written.applied
    assert ids(await storage.page("message", within(), Slice())) == []


async def test_a_deleted_thread_takes_no_runs_and_no_messages(storage: Storage) -> None:
    await make_thread(storage)
    await storage.write(deleting("thread", "thread_1"))
    for change in (start("run_1"), message_row("msg_1", needs_free_thread=True)):
        with pytest.raises(ThreadGone):
            await storage.write(change)


async def test_a_busy_thread_takes_no_messages(storage: Storage) -> None:
    """THR-08, ERR-50."""
    await make_run(storage)
    with pytest.raises(ThreadBusy) as refused:
        await storage.write(message_row("msg_1", needs_free_thread=True))
    assert refused.value.run_id == "run_1"
    assert await storage.thread_messages("thread_1") == []


async def test_a_message_that_a_client_deleted_stays_deleted(storage: Storage) -> None:
    """A worker that still writes it does not bring it back."""
    await make_run(storage)
    await happen(storage, claimed(), message_started())
    await storage.write(deleting("message", "msg_a1"))
    await happen(storage, answered())
    assert await storage.fetch("message", within(), "msg_a1") is None
    assert (await recorded(storage)).state.run.status == "completed"


async def test_changes_of_one_write_are_all_or_none(storage: Storage) -> None:
    row = plain_row("assistant", "asst_1", NOW)
    await storage.write(row)
    await make_run(storage)
    refusals: dict[type[Exception], Change] = {
        ThreadBusy: start("run_2"),
        ThreadGone: start("run_2", "thread_9"),
        Conflict: replacing(b"?", b"{}"),
    }
    for refusal, change in refusals.items():
        with pytest.raises(refusal):
            await storage.write(thread_row("thread_2"), replacing(row.body, b"{}"), change)
        assert await storage.fetch("thread", within(None), "thread_2") is None
        assert await storage.fetch("assistant", within(None), "asst_1") == Row("asst_1", row.body)


async def test_a_run_change_that_comes_too_late_takes_its_company_with_it(
    storage: Storage,
) -> None:
    await make_run(storage)
    late = order(await recorded(storage), claimed())
    await happen(storage, claimed())
    written = await storage.write(thread_row("thread_2"), late)
    assert not written.applied
    assert await storage.fetch("thread", within(None), "thread_2") is None


def answer(key: str = "k", **fields: object) -> Answer:
    known = dict(
        project_id=ACME,
        key=key,
        fingerprint="f",
        kind="thread",
        body=b"{}",
        file_ids=("file-1",),
        after="1-2",
        created_at=NOW,
    )
    return Answer(**(known | fields))  # type: ignore[arg-type]


async def test_an_answer_is_kept_under_its_key(storage: Storage) -> None:
    await storage.write(answer())
    assert await storage.answered(ACME, "k") == answer()
    assert await storage.answered(OTHER, "k") is None
    assert await storage.answered(ACME, "other") is None


async def test_a_key_is_answered_once_and_nothing_else_is_written_then(storage: Storage) -> None:
    await storage.write(answer(), thread_row("thread_1"))
    with pytest.raises(AlreadyAnswered):
        await storage.write(answer(body=b"2"), thread_row("thread_2"))
    assert await storage.answered(ACME, "k") == answer()
    assert await storage.fetch("thread", within(None), "thread_2") is None


async def test_the_same_key_is_free_in_another_project(storage: Storage) -> None:
    await storage.write(answer())
    await storage.write(answer(project_id=OTHER))


async def test_of_requests_with_one_key_at_once_exactly_one_is_done(storage: Storage) -> None:
    writes = [storage.write(answer(), thread_row(f"thread_{n}")) for n in range(10)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(outcome, AlreadyAnswered) for outcome in outcomes) == 9
    assert len(ids(await storage.page("thread", within(None), Slice()))) == 1


async def test_a_refused_run_leaves_its_key_free(storage: Storage) -> None:
    await make_run(storage)
    with pytest.raises(ThreadBusy):
        await storage.write(answer(), start("run_2"))
    assert await storage.answered(ACME, "k") is None


async def test_old_answers_are_forgotten(storage: Storage) -> None:
    await storage.write(answer("old"), answer("new", created_at=NOW + 10))
    await storage.forget_answers(NOW + 10)
    assert await storage.answered(ACME, "old") is None
    assert await storage.answered(ACME, "new") is not None


async def test_files_whose_time_is_over_are_found(storage: Storage) -> None:
    """FILE-08."""
    await storage.write(plain_row("file", "file-1", NOW, purpose="batch", expires_at=NOW + 5))
    await storage.write(plain_row("file", "file-2", NOW, purpose="batch", expires_at=NOW + 50))
    await storage.write(plain_row("file", "file-3", NOW, purpose="batch"))
    assert await storage.expired_files(NOW + 4, 10) == []
    assert await storage.expired_files(NOW + 5, 10) == [(ACME, "file-1")]
    assert len(await storage.expired_files(NOW + 99, 1)) == 1
    await storage.write(deleting("file", "file-1"))
    assert await storage.expired_files(NOW + 5, 10) == []


async def test_a_threads_messages_come_oldest_first_and_whole(storage: Storage) -> None:
    """LIST-03: ties in the order of insertion."""
    await storage.write(thread_row("thread_1"), *(message_row(f"msg_{n}") for n in range(30)))
    assert await storage.thread_messages("thread_1") == [message(f"msg_{n}") for n in range(30)]


async def test_the_database_says_that_it_works(storage: Storage) -> None:
    await storage.check()


async def test_a_write_goes_on_when_nobody_waits_for_it(storage: Storage) -> None:
    """A client that disconnects does not undo its request."""
    waiting = asyncio.ensure_future(storage.write(thread_row("thread_1")))
    waiting.cancel()
    await storage.write(thread_row("thread_2"))
    assert await storage.fetch("thread", within(None), "thread_1") is not None


async def test_bodies_keep_every_byte(storage: Storage) -> None:
    body = json.encode({"text": "\u2028 🙂 \x00 '\""})
    await storage.write(plain_row("assistant", "asst_1", NOW))
    read = plain_row("assistant", "asst_1", NOW).body
    await storage.write(replacing(read, body))
    found = await storage.fetch("assistant", within(None), "asst_1")
    assert found is not None
    assert found.body == body
