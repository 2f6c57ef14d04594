"""Runs: create, read, change, submit outputs, cancel."""

import asyncio
from functools import partial
from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from understudy.dispatch.base import Subscription
from understudy.errors import InvalidRequest
from understudy.ids import new_id
from understudy.operations import threads
from understudy.operations.messages import message_insert, refuse_unknown_files, share_files
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import (
    change,
    decode_assistant,
    decode_message,
    decode_run,
    encode,
    find,
    page,
)
from understudy.operations.refusals import (
    no_such,
    no_such_model,
    nothing_to_go_on,
    run_cannot_be_cancelled,
    run_takes_no_outputs,
    thread_has_active_run,
    wrong_tool_outputs,
)
from understudy.runs import machine
from understudy.runs.happenings import CancelRequested, Happening, ToolOutputsSubmitted
from understudy.runs.state import RunChange
from understudy.runs.status import TERMINAL
from understudy.storage.base import (
    CommitRun,
    Conflict,
    Insert,
    Replace,
    Row,
    Rows,
    RunRecord,
    Scope,
    Slice,
    StartRun,
    ThreadBusy,
    ThreadGone,
)
from understudy.wire.events import BEGINNING, STOPPING, EventId, RunEvent
from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.runs import Run
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.tools import TruncationStrategy
from understudy.wire.params.metadata import MetadataChange
from understudy.wire.params.response_formats import check_response_format
from understudy.wire.params.runs import NewRun, NewThreadAndRun, SubmittedOutputs

BusyThread = Literal["reject", "enqueue", "interrupt"]
_TRIES_MAX = 20


class RunOptions(Struct, frozen=True, kw_only=True):
    """What a request asks beyond the hosted API, by headers of ours."""

    on_busy_thread: BusyThread = "reject"
    expires_after_seconds: int | None = None


AS_HOSTED = RunOptions()


class Accepted(Struct, frozen=True, kw_only=True):
    """A run that has been set going, and with ``stream`` the subscription to its events.

    ``after`` is the id behind which this request's events begin.
    """

    row: Row
    after: EventId
    subscription: Subscription | None = None


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
    await refuse_unknown_files(ports, caller, new.additional_messages)
    if caller.era == "v2" and run.instructions is None:
        await _refuse_without_user_message(ports, caller, thread_id, new)
    for _ in range(_TRIES_MAX):
        shared = await share_files(ports, caller, thread_id, new.additional_messages)
        try:
            return await _start(ports, caller, run, file_ids, new, options, before=(), also=shared)
        except Conflict:
            continue
    raise no_such("thread", thread_id)


async def create_with_thread(
    ports: Ports, caller: Caller, new: NewThreadAndRun, options: RunOptions = AS_HOSTED
) -> Accepted:
    """Create a thread and a run on it, both or neither (RUN-21)."""
    assistant, file_ids = await _assistant(ports, caller, new.run.assistant_id)
    thread, inserts = await threads.prepare(ports, caller, new.thread)
    run = _run(ports, thread.id, assistant, new.run, options)
    _check(ports, run)
    spoken = any(message.role == "user" for message in new.thread.messages)
    if caller.era == "v2" and run.instructions is None and not spoken:
        raise nothing_to_go_on()
    return await _start(
        ports, caller, run, file_ids, new.run, options, before=inserts, also=(), thread=thread
    )


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
    rows = await ports.storage.page("message", scope, Slice(limit=100))
    if not any(decode_message(row.body).role == "user" for row in rows.rows):
        raise nothing_to_go_on()


async def _start(
    ports: Ports,
    caller: Caller,
    run: Run,
    file_ids: tuple[str, ...],
    new: NewRun,
    options: RunOptions,
    *,
    before: tuple[Insert, ...],
    also: list[Replace] | tuple[()],
    thread: Thread | None = None,
) -> Accepted:
    """Write the run, tell its first events, offer it to the workers."""
    order = StartRun(
        project_id=caller.project_id,
        change=machine.create(run, deadline=run.expires_at or 0),
        messages=tuple(
            message_insert(ports, caller, run.thread_id, one)[1] for one in new.additional_messages
        ),
        file_ids=file_ids,
        queue=options.on_busy_thread != "reject",
    )
    row = Row(run.id, encode(run), file_ids)
    subscription = await ports.dispatch.subscribe(run.id) if new.stream else None
    try:
        written = await ports.storage.write(
            *caller.answers("run", row.body, file_ids, ports.now, str(BEGINNING)),
            *before,
            order,
            *also,
        )
    except BaseException as error:
        if subscription is not None:
            subscription.close()
        raise _refusal(error, run.thread_id) from error
    ports.dispatch.publish(run.id, _first_events(order.change, thread), BEGINNING)
    if written.active_run_id is None:
        await ports.dispatch.offer(run.id)
    elif options.on_busy_thread == "interrupt":
        await _interrupt(ports, written.active_run_id)
    return Accepted(row=row, after=BEGINNING, subscription=subscription)


def _refusal(error: BaseException, thread_id: str) -> BaseException:
    if isinstance(error, ThreadBusy):
        return thread_has_active_run(thread_id, error.run_id)
    if isinstance(error, ThreadGone):
        return no_such("thread", thread_id)
    return error


def _first_events(change: RunChange, thread: Thread | None) -> tuple[RunEvent, ...]:
    if thread is None:
        return change.events
    created = RunEvent(attempt=0, position=0, name="thread.created", data=thread)
    return (created, *change.events)


async def get(ports: Ports, caller: Caller, thread_id: str, run_id: str) -> Row:
    """Return a run of the thread."""
    return await find(ports, caller, "run", run_id, thread_id)


async def list_page(ports: Ports, caller: Caller, thread_id: str, part: Slice) -> Rows:
    """Return a part of the thread's runs."""
    await find(ports, caller, "thread", thread_id)
    scope = Scope(project_id=caller.project_id, thread_id=thread_id)
    return await page(ports, "run", scope, part)


async def modify(
    ports: Ports, caller: Caller, thread_id: str, run_id: str, changes: MetadataChange
) -> Row:
    """Change the metadata of a run in any status (RUN-40)."""
    read = partial(get, ports, caller, thread_id, run_id)
    if changes.metadata is UNSET:
        return await read()
    metadata = changes.metadata

    def decide(row: Row) -> Replace:
        run = replace(decode_run(row.body), metadata=metadata)
        return Replace(
            kind="run",
            project_id=caller.project_id,
            id=run_id,
            read=row.body,
            body=encode(run),
            file_ids=row.file_ids,
            metadata=encode(metadata),
        )

    return await change(ports, caller, read, decide)


async def submit_tool_outputs(
    ports: Ports, caller: Caller, thread_id: str, run_id: str, outputs: SubmittedOutputs
) -> Accepted:
    """Hand the outputs of all pending calls to the run, which is then queued again (RUN-41)."""
    record = await _record(ports, caller, thread_id, run_id)
    happening = _submitted(record, outputs)
    subscription = await ports.dispatch.subscribe(run_id) if outputs.stream else None
    change_ = await _apply(ports, record, happening, caller)
    if change_ is None:
        if subscription is not None:
            subscription.close()
        now = await _record(ports, caller, thread_id, run_id)
        raise run_takes_no_outputs(now.state.run.status)  # RUN-44
    before = EventId(record.state.attempt, record.state.position)
    ports.dispatch.publish(run_id, change_.events, before)
    await ports.dispatch.offer(run_id)
    row = Row(run_id, encode(change_.run), record.file_ids)
    return Accepted(row=row, after=before, subscription=subscription)


def _submitted(record: RunRecord, outputs: SubmittedOutputs) -> ToolOutputsSubmitted:
    run = record.state.run
    if run.status != "requires_action" or run.required_action is None:
        raise run_takes_no_outputs(run.status)
    expected = [call.id for call in run.required_action.submit_tool_outputs.tool_calls]
    got = [output.tool_call_id or "" for output in outputs.tool_outputs]
    if sorted(expected) != sorted(got):
        raise wrong_tool_outputs(expected, got)
    by_id = {output.tool_call_id or "": output.output for output in outputs.tool_outputs}
    return ToolOutputsSubmitted(outputs=by_id)


async def cancel(ports: Ports, caller: Caller, thread_id: str, run_id: str) -> Row:
    """Ask for the end of a run (RUN-17); a worker ends it within moments."""
    for _ in range(_TRIES_MAX):
        record = await _record(ports, caller, thread_id, run_id)
        if record.state.run.status not in ("queued", "in_progress", "requires_action"):
            break
        done = await _apply(ports, record, CancelRequested(), caller)
        if done is not None:
            await ports.dispatch.interrupt(run_id)
            await ports.dispatch.offer(run_id)
            return Row(run_id, encode(done.run), record.file_ids)
    raise run_cannot_be_cancelled(record.state.run.status)


async def _interrupt(ports: Ports, run_id: str) -> None:
    """Cancel a run on behalf of the one that waits behind it, if it has not ended by itself."""
    record = await ports.storage.run_record(run_id)
    if record is None:
        return
    caller = Caller(project_id=record.project_id, era="v2")
    try:
        await cancel(ports, caller, record.state.run.thread_id, run_id)
    except InvalidRequest:
        return


async def _record(ports: Ports, caller: Caller, thread_id: str, run_id: str) -> RunRecord:
    record = await ports.storage.run_record(run_id)
    if (
        record is not None
        and record.project_id == caller.project_id
        and record.state.run.thread_id == thread_id
    ):
        return record
    await find(ports, caller, "thread", thread_id)
    raise no_such("run", run_id)


async def _apply(
    ports: Ports, record: RunRecord, happening: Happening, caller: Caller
) -> RunChange | None:
    """Commit what follows from the happening, or return None when the run has moved on."""
    change_ = machine.apply(record.state, happening, ports.now)
    row = encode(change_.run)
    before = str(EventId(record.state.attempt, record.state.position))
    written = await ports.storage.write(
        *caller.answers("run", row, record.file_ids, ports.now, before),
        CommitRun(change=change_, project_id=record.project_id),
    )
    return change_ if written.applied else None


async def wait(ports: Ports, caller: Caller, thread_id: str, run_id: str, seconds: float) -> Row:
    """Return the run once it needs its client or is over, or after ``seconds`` (an extension)."""
    row = await get(ports, caller, thread_id, run_id)
    if _has_stopped(row):
        return row
    subscription = await ports.dispatch.subscribe(run_id)
    try:
        row = await get(ports, caller, thread_id, run_id)
        if not _has_stopped(row):
            await _stopping_event(subscription, seconds)
            row = await get(ports, caller, thread_id, run_id)
    finally:
        subscription.close()
    return row


def _has_stopped(row: Row) -> bool:
    status = decode_run(row.body).status
    return status == "requires_action" or status in TERMINAL


async def _stopping_event(subscription: Subscription, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        events = await subscription.next(left)
        if any(event.name in STOPPING for event in events):
            return
