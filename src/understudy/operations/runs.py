"""Runs: read, change, submit outputs, cancel."""

from functools import partial

from understudy.errors import Unavailable
from understudy.operations.accepted import Accepted
from understudy.operations.metadata import change_metadata
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, page
from understudy.operations.refusals import (
    no_such,
    run_cannot_be_cancelled,
    run_takes_no_outputs,
    wrong_tool_outputs,
)
from understudy.runs import machine
from understudy.runs.happenings import (
    Cancelled,
    CancelRequested,
    Happening,
    ToolOutputsSubmitted,
)
from understudy.runs.state import RunChange
from understudy.runs.status import CANCELLABLE
from understudy.storage.changes import CommitRun
from understudy.storage.records import Row, Rows, RunRecord, Scope, Slice
from understudy.wire.encoding import decode_run, encode
from understudy.wire.events import EventId
from understudy.wire.params.metadata import MetadataChange
from understudy.wire.params.runs import SubmittedOutputs

_TRIES_MAX = 20


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
    return await change_metadata(ports, caller, "run", read, decode_run, changes)


async def submit_tool_outputs(
    ports: Ports, caller: Caller, thread_id: str, run_id: str, outputs: SubmittedOutputs
) -> Accepted:
    """Hand the outputs of all pending calls to the run, which is then queued again (RUN-41)."""
    record = await _record(ports, caller, thread_id, run_id)
    happening = _submitted(record, outputs, caller)
    before = EventId(record.state.attempt, record.state.position)
    subscription = None
    if outputs.stream:
        subscription = await ports.dispatch.subscribe(run_id, after=before)
    change_: RunChange | None = None
    try:
        change_ = await _apply(ports, record, happening, caller)
    finally:
        if subscription is not None and change_ is None:
            subscription.close()
    if change_ is None:
        now = await _record(ports, caller, thread_id, run_id)
        raise run_takes_no_outputs(now.state.run.status, caller.era)  # RUN-44
    ports.dispatch.publish(run_id, change_.events, before)
    await ports.dispatch.offer(run_id, caller.project_id)
    row = Row(run_id, encode(change_.run), record.file_ids)
    return Accepted(row=row, after=before, subscription=subscription)


def _submitted(
    record: RunRecord, outputs: SubmittedOutputs, caller: Caller
) -> ToolOutputsSubmitted:
    run = record.state.run
    if run.status != "requires_action" or run.required_action is None:
        raise run_takes_no_outputs(run.status, caller.era)
    expected = [call.id for call in run.required_action.submit_tool_outputs.tool_calls]
    got = [output.tool_call_id or "" for output in outputs.tool_outputs]
    if sorted(expected) != sorted(got):
        raise wrong_tool_outputs(expected, got)
    by_id = {output.tool_call_id or "": output.output for output in outputs.tool_outputs}
    return ToolOutputsSubmitted(outputs=by_id)


async def cancel(ports: Ports, caller: Caller, thread_id: str, run_id: str) -> Row:
    """Ask for the end of a run (RUN-17).

    A worker that has the run ends it within moments; a run that waits for a worker or for its
    client is ended here.
    """
    for _ in range(_TRIES_MAX):
        record = await _record(ports, caller, thread_id, run_id)
        if record.state.run.status not in CANCELLABLE:
            raise run_cannot_be_cancelled(record.state.run.status, caller.era)
        done = await _apply(ports, record, CancelRequested(), caller)
        if done is not None:
            await stop_work(ports, record)
            return Row(run_id, encode(done.run), record.file_ids)
    raise Unavailable("The run is being changed by too many requests at once. Try again.")


async def stop_work(ports: Ports, cancelling: RunRecord) -> None:
    """Have a run ended whose cancel has been written; ``cancelling`` is as it was before."""
    run_id = cancelling.state.run.id
    await ports.dispatch.interrupt(run_id)
    if cancelling.lease_until is None:
        await _end_unheld(ports, run_id)
    else:
        await ports.dispatch.offer(run_id, cancelling.project_id)


async def _end_unheld(ports: Ports, run_id: str) -> None:
    """End a cancelled run that nobody works on; should this fail, the sweeper has it ended."""
    record = await ports.storage.run_record(run_id)
    if record is None or record.state.run.status != "cancelling":
        return
    change_ = machine.apply(record.state, Cancelled(unheld=True), ports.now)
    written = await ports.storage.write(CommitRun(change=change_, project_id=record.project_id))
    if written.applied:
        before = EventId(record.state.attempt, record.state.position)
        ports.dispatch.publish(run_id, change_.events, before)
    if written.promoted_run_id is not None:
        await ports.dispatch.offer(written.promoted_run_id, record.project_id)


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
