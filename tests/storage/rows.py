"""What the storage tests write: small rows, and runs that move as the machine says."""

from typing import Any

from msgspec import json

from understudy.runs import machine
from understudy.runs.happenings import (
    Answered,
    Claimed,
    FunctionsCalled,
    Happening,
    MessageStarted,
    ToolCallsStarted,
)
from understudy.storage.base import Storage
from understudy.storage.changes import CommitRun, Insert, StartRun, Written
from understudy.storage.records import Kind, Rows, RunRecord, Scope
from understudy.wire.objects.messages import Message, Text, TextContent
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import FunctionCall, FunctionToolCall
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.usage import Usage

ACME, OTHER = "proj_acme", "proj_other"
NOW = 1_700_000_000
DEADLINE = NOW + 600


def thread_row(thread_id: str, *, project_id: str = ACME, **fields: Any) -> Insert:
    """Return a new thread."""
    thread = Thread(id=thread_id, created_at=NOW, **fields)
    return Insert(
        kind="thread",
        project_id=project_id,
        id=thread_id,
        created_at=NOW,
        body=json.encode(thread),
    )


def message(message_id: str, thread_id: str = "thread_1", *, text: str = "Hi") -> Message:
    """Return a message of the user."""
    content = TextContent(Text(text))
    return Message(
        id=message_id, created_at=NOW, thread_id=thread_id, role="user", content=[content]
    )


def message_row(
    message_id: str,
    thread_id: str = "thread_1",
    *,
    project_id: str = ACME,
    created_at: int = NOW,
    text: str = "Hi",
    needs_free_thread: bool = False,
) -> Insert:
    """Return a new message of the user."""
    return Insert(
        kind="message",
        project_id=project_id,
        id=message_id,
        created_at=created_at,
        body=json.encode(message(message_id, thread_id, text=text)),
        thread_id=thread_id,
        needs_free_thread=needs_free_thread,
    )


def plain_row(kind: Kind, object_id: str, created_at: int, **fields: Any) -> Insert:
    """Return a new object whose body says nothing but its id."""
    return Insert(
        kind=kind,
        project_id=fields.pop("project_id", ACME),
        id=object_id,
        created_at=created_at,
        body=json.encode({"id": object_id}),
        **fields,
    )


def new_run(run_id: str, thread_id: str = "thread_1", **fields: Any) -> Run:
    """Return a run that has just been asked for."""
    return Run(
        id=run_id,
        created_at=NOW,
        assistant_id="asst_1",
        thread_id=thread_id,
        model="gpt-4o",
        expires_at=DEADLINE,
        **fields,
    )


def start(
    run_id: str,
    thread_id: str = "thread_1",
    *,
    project_id: str = ACME,
    deadline: int = DEADLINE,
    **fields: Any,
) -> StartRun:
    """Return the order to start a run."""
    change = machine.create(new_run(run_id, thread_id), deadline)
    return StartRun(project_id=project_id, change=change, **fields)


async def recorded(storage: Storage, run_id: str = "run_1") -> RunRecord:
    """Return the run, which has to be there."""
    record = await storage.run_record(run_id)
    assert record is not None
    return record


async def holder(storage: Storage, thread_id: str = "thread_1") -> str | None:
    """Return the run that locks the thread."""
    for run_id in await storage.unfinished_runs(thread_id):
        if (await recorded(storage, run_id)).has_turn:
            return run_id
    return None


def order(record: RunRecord, happening: Happening, *, now: int = NOW + 1) -> CommitRun:
    """Return what follows from the happening, as an order for storage."""
    change = machine.apply(record.state, happening, now)
    return CommitRun(change=change, project_id=record.project_id)


async def happen(
    storage: Storage, *happenings: Happening, run_id: str = "run_1", now: int = NOW + 1
) -> Written:
    """Let these happen to the run as it is now, one after the other; return the last outcome."""
    written = Written(applied=False)
    for happening in happenings:
        record = await recorded(storage, run_id)
        written = await storage.write(order(record, happening, now=now))
        assert written.applied
    return written


async def make_thread(storage: Storage, thread_id: str = "thread_1") -> None:
    """Write a thread."""
    await storage.write(thread_row(thread_id))


async def make_run(storage: Storage, run_id: str = "run_1", thread_id: str = "thread_1") -> None:
    """Write a thread with a queued run."""
    await storage.write(thread_row(thread_id), start(run_id, thread_id))


def claimed(until: float = NOW + 15.0) -> Claimed:
    """Return a claim that holds until then."""
    return Claimed(lease_until=until)


def message_started(number: int | str = 1) -> MessageStarted:
    """Return the begin of a message."""
    return MessageStarted(message_id=f"msg_a{number}", step_id=f"step_{number}")


def answered(text: str = "Hello") -> Answered:
    """Return the end of a plain run."""
    return Answered(content=(TextContent(Text(text)),), usage=Usage())


def functions_called() -> tuple[ToolCallsStarted, FunctionsCalled]:
    """Return a turn that ends with a call."""
    call = FunctionToolCall(id="call_1", function=FunctionCall(name="f", arguments="{}"))
    spent = Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    called = FunctionsCalled(calls=(call,), usage=spent)
    return ToolCallsStarted(step_id="step_t"), called


def ids(rows: Rows) -> list[str]:
    """Return the ids of a page."""
    return [row.id for row in rows.rows]


def within(thread_id: str | None = "thread_1", **fields: Any) -> Scope:
    """Return a scope in the usual project."""
    return Scope(project_id=ACME, thread_id=thread_id, **fields)
