"""Creates runs: on a thread that exists, or together with one."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from understudy.errors import InvalidRequest
from understudy.ids import new_id
from understudy.operations import threads
from understudy.operations.accepted import Accepted
from understudy.operations.messages import message_insert
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, retried
from understudy.operations.refusals import (
    no_such,
    no_such_model,
    nothing_to_go_on,
    thread_has_active_run,
)
from understudy.operations.runs import stop_work
from understudy.operations.thread_files import check_files, share_files
from understudy.operations.tool_stores import write
from understudy.runs import machine
from understudy.runs.happenings import CancelRequested
from understudy.runs.state import RunChange
from understudy.runs.status import CANCELLABLE
from understudy.storage.changes import Change, CommitRun, StartRun, Written
from understudy.storage.records import (
    Conflict,
    Row,
    RunRecord,
    Scope,
    Slice,
    ThreadBusy,
    ThreadGone,
)
from understudy.wire.encoding import decode_assistant, decode_message, encode
from understudy.wire.events import BEGINNING, FIRST_POSITION, RunEvent
from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.runs import Run
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.tools import TruncationStrategy
from understudy.wire.params.response_formats import check_response_format
from understudy.wire.params.runs import NewRun, NewThreadAndRun

BusyThread = Literal["reject", "enqueue", "interrupt"]


class RunOptions(Struct, frozen=True, kw_only=True):
    """What a request asks beyond the hosted API, by headers of ours."""

    on_busy_thread: BusyThread = "reject"
    expires_after_seconds: int | None = None


AS_HOSTED = RunOptions()


async def create(
    ports: Ports,
    caller: Caller,
    thread_id: str,
    new: NewRun,
    options: RunOptions = AS_HOSTED,
) -> Accepted:
    """Create a run on a thread (RUN-20); everything is checked before anything is written."""
    await find(ports, caller, "thread", thread_id)
    assistant, file_ids = await _assistant(ports, caller, new.assistant_id)
    run = _run(ports, thread_id, assistant, new, options)
    _check(ports, run)
    await check_files(ports, caller, new.additional_messages)
    if caller.era == "v2" and run.instructions is None:
        await _refuse_without_user_message(ports, caller, thread_id, new)

    async def attempt() -> tuple[Accepted, RunRecord | None]:
        shared = await share_files(ports, caller, thread_id, new.additional_messages)
        stopped = await _run_to_stop(ports, thread_id, options)
        also = (*shared, *_cancelling(ports, stopped))
        return await _start(ports, caller, run, file_ids, new, options, also=also), stopped

    accepted, stopped = await retried(attempt)
    if stopped is not None:
        await stop_work(ports, stopped)
    return accepted


async def create_with_thread(
    ports: Ports, caller: Caller, new: NewThreadAndRun, options: RunOptions = AS_HOSTED
) -> Accepted:
    """Create a thread and a run on it, both or neither (RUN-21)."""
    assistant, file_ids = await _assistant(ports, caller, new.run.assistant_id)

    async def attempt() -> Accepted:
        thread, changes = await threads.prepare(ports, caller, new.thread)
        run = _run(ports, thread.id, assistant, new.run, options)
        _check(ports, run)
        spoken = any(message.role == "user" for message in new.thread.messages)
        if caller.era == "v2" and run.instructions is None and not spoken:
            raise nothing_to_go_on()
        return await _start(
            ports, caller, run, file_ids, new.run, options, before=changes, thread=thread
        )

    return await retried(attempt)


async def _assistant(
    ports: Ports, caller: Caller, assistant_id: str
) -> tuple[Assistant, tuple[str, ...]]:
    row = await find(ports, caller, "assistant", assistant_id)
    return decode_assistant(row.body), row.file_ids


def _run(
    ports: Ports, thread_id: str, assistant: Assistant, new: NewRun, options: RunOptions
) -> Run:
    """Copy the assistant as it is now, with what the request overrides (RUN-03, RUN-26)."""
    now = ports.now
    return Run(
        id=new_id("run"),
        created_at=now,
        assistant_id=assistant.id,
        thread_id=thread_id,
        expires_at=now + _life_seconds(ports, options),
        model=new.model or assistant.model,
        instructions=_instructions(assistant, new),
        tools=assistant.tools if new.tools is None else new.tools,
        metadata=new.metadata,
        temperature=assistant.temperature if new.temperature is None else new.temperature,
        top_p=assistant.top_p if new.top_p is None else new.top_p,
        reasoning_effort=new.reasoning_effort or assistant.reasoning_effort,
        max_completion_tokens=new.max_completion_tokens,
        max_prompt_tokens=new.max_prompt_tokens,
        truncation_strategy=new.truncation_strategy or TruncationStrategy(),
        response_format=new.response_format or assistant.response_format,
        tool_choice=new.tool_choice or "auto",
        parallel_tool_calls=new.parallel_tool_calls is not False,
    )


def _life_seconds(ports: Ports, options: RunOptions) -> int:
    """Return how long the run may take, waiting for tool outputs included (RUN-1C)."""
    asked, most = options.expires_after_seconds, ports.settings.expires_after_seconds_max
    if asked is None:
        return ports.settings.expires_after_seconds
    if not 1 <= asked <= most:
        raise InvalidRequest(
            f"Invalid 'Understudy-Expires-After': expected 1 to {most} seconds, got {asked}.",
            param="Understudy-Expires-After",
            code="invalid_value",
        )
    return asked


def _instructions(assistant: Assistant, new: NewRun) -> str | None:
    """Return the merged instructions, joined by a line break (RUN-32)."""
    base = assistant.instructions if new.instructions is None else new.instructions
    parts = [part for part in (base, new.additional_instructions) if part]
    return "\n".join(parts) or None


def _check(ports: Ports, run: Run) -> None:
    if not ports.models.knows(run.model):
        raise no_such_model(run.model)
    check_response_format(run.response_format, run.tools)


async def _refuse_without_user_message(
    ports: Ports, caller: Caller, thread_id: str, new: NewRun
) -> None:
    """RUN-23: v2 wants something to go on; v1 let the model talk to itself."""
    if any(message.role == "user" for message in new.additional_messages):
        return
    scope = Scope(project_id=caller.project_id, thread_id=thread_id)
    part: Slice | None = Slice(limit=100, order="asc")
    while part is not None:
        rows = await ports.storage.page("message", scope, part)
        if any(decode_message(row.body).role == "user" for row in rows.rows):
            return
        part = replace(part, after=rows.rows[-1].id) if rows.has_more else None
    raise nothing_to_go_on()


async def _run_to_stop(ports: Ports, thread_id: str, options: RunOptions) -> RunRecord | None:
    """Return the run that this one shall interrupt, if there is one that still can be."""
    if options.on_busy_thread != "interrupt":
        return None
    for run_id in (await ports.storage.unfinished_runs(thread_id))[:1]:
        record = await ports.storage.run_record(run_id)
        if record is not None and record.state.run.status in CANCELLABLE:
            return record
    return None


def _cancelling(ports: Ports, stopped: RunRecord | None) -> list[CommitRun]:
    """Return the cancel, to be written together with the run that wants it."""
    if stopped is None:
        return []
    change = machine.apply(stopped.state, CancelRequested(), ports.now)
    return [CommitRun(change=change, project_id=stopped.project_id)]


async def _start(
    ports: Ports,
    caller: Caller,
    run: Run,
    file_ids: tuple[str, ...],
    new: NewRun,
    options: RunOptions,
    *,
    before: Sequence[Change] = (),
    also: Sequence[Change] = (),
    thread: Thread | None = None,
) -> Accepted:
    """Write the run, tell its first events, offer it to the workers.

    Raises Conflict when one of the changes ``before`` or ``also`` did not find what it expected.
    """
    order = StartRun(
        project_id=caller.project_id,
        change=_with_thread(machine.create(run, deadline=run.expires_at or 0), thread),
        messages=tuple(
            message_insert(ports, caller, run.thread_id, one)[1] for one in new.additional_messages
        ),
        file_ids=file_ids,
        queue=options.on_busy_thread != "reject",
    )
    row = Row(run.id, encode(run), file_ids)
    answers = caller.answers("run", row.body, file_ids, ports.now, str(BEGINNING))
    subscription = await ports.dispatch.subscribe(run.id, after=BEGINNING) if new.stream else None
    written = Written(applied=False)
    try:
        written = await write(ports, *answers, *before, order, *also)
    except ThreadBusy as busy:
        raise thread_has_active_run(run.thread_id, busy.run_id) from busy
    except ThreadGone as gone:
        raise no_such("thread", run.thread_id) from gone
    finally:
        if subscription is not None and not written.applied:
            subscription.close()
    if not written.applied:
        raise Conflict
    ports.dispatch.publish(run.id, order.change.events, BEGINNING)
    if written.active_run_id is None:
        await ports.dispatch.offer(run.id, caller.project_id)
    return Accepted(row=row, after=BEGINNING, subscription=subscription)


def _with_thread(change: RunChange, thread: Thread | None) -> RunChange:
    """Let the run's story begin with the thread that was made for it."""
    if thread is None:
        return change
    created = RunEvent(attempt=0, position=FIRST_POSITION, name="thread.created", data=thread)
    return replace(change, events=(created, *change.events))
