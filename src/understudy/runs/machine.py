"""The run state machine: a state and a happening in, a whole change out.

``apply`` looks the happening up in the table of ``status.py`` and then lets the function of that
happening say what it means for the run, its open steps and its open message (``draft.py``), and
which events clients are told, in the order of STR-04 to STR-13. Nothing here waits, reads a clock
or writes: a change takes effect only when storage finds the status and the attempt that it expects.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from understudy.errors import NotAllowed
from understudy.runs import happenings as h
from understudy.runs.draft import Draft, with_calls
from understudy.runs.state import RunChange, RunState
from understudy.runs.status import TABLE
from understudy.wire.events import FIRST_POSITION, RunEvent
from understudy.wire.objects.messages import IncompleteReason
from understudy.wire.objects.runs import (
    CalledFunction,
    LastError,
    RequiredAction,
    RequiredToolCall,
    Run,
    RunIncompleteDetails,
    SubmitToolOutputs,
)
from understudy.wire.objects.steps import FunctionToolCall, RunStep, ToolCall, ToolCallsDetails
from understudy.wire.objects.usage import Usage


def create(run: Run, deadline: int) -> RunChange:
    """Return the change that brings a queued run into being, with its first events (RUN-10)."""
    created, queued = FIRST_POSITION + 1, FIRST_POSITION + 2
    events = (
        RunEvent(attempt=0, position=created, name="thread.run.created", data=run),
        RunEvent(attempt=0, position=queued, name="thread.run.queued", data=run),
    )
    return RunChange(
        run=run,
        expected_status="queued",
        expected_attempt=0,
        attempt=0,
        position=queued,
        deadline=deadline,
        events=events,
        lease_until=None,
    )


def apply(state: RunState, happening: h.Happening, now: int) -> RunChange:
    """Return what follows when this happens at ``now`` (Unix seconds).

    Raises NotAllowed when the table has no such step from the run's status.
    """
    row = TABLE[state.run.status]
    name = type(happening).__name__
    if name not in row:
        raise NotAllowed(f"A run in status {state.run.status!r} does not admit {name}.")
    draft = Draft(state, replace(state.run, status=row[name]), now)
    _MEANINGS[type(happening)](draft, happening)
    return draft.change()


def _claimed(draft: Draft, happening: h.Claimed) -> None:
    """RUN-11, RUN-14. A takeover is silent: the client has seen in_progress already."""
    draft.attempt += 1
    draft.lease_until = happening.lease_until
    if draft.state.run.status == "queued":
        draft.emit_run(started_at=draft.now)


def _message_started(draft: Draft, happening: h.MessageStarted) -> None:
    draft.start_message(happening.message_id, happening.step_id)


def _message_abandoned(draft: Draft, happening: h.MessageAbandoned) -> None:
    del happening
    draft.cut_message_short("run_failed", ())
    draft.complete_message_step()


def _tool_calls_started(draft: Draft, happening: h.ToolCallsStarted) -> None:
    """Complete the message first: what is told of it lies behind the calls from now on."""
    draft.complete_message(happening.content)
    draft.complete_message_step()
    draft.start_step(draft.new_step(happening.step_id, ToolCallsDetails()))


def _hosted_tools_ran(draft: Draft, happening: h.HostedToolsRan) -> None:
    """Complete the step with all that came of its calls; the same leg goes on (STEP-09)."""
    for step in draft.open_tool_steps():
        ended = with_calls(step, happening.calls)
        draft.end_step(ended, "completed", completed_at=draft.now, usage=happening.usage)
    draft.say(happening.last_words)


def _functions_called(draft: Draft, happening: h.FunctionsCalled) -> None:
    """The step stays open until the outputs arrive (STEP-05), so it shows no usage yet."""
    draft.lease_until = None
    for step in draft.open_tool_steps():
        draft.steps[step.id] = with_calls(step, happening.calls)
    draft.say(happening.last_words)
    draft.pending_usage = happening.usage
    draft.emit_run(required_action=required_action(happening.calls))


def required_action(calls: Iterable[ToolCall]) -> RequiredAction:
    """Return what asks the client for the outputs of those calls that are its own (RUN-12)."""
    required = [
        RequiredToolCall(
            id=call.id, function=CalledFunction(call.function.name, call.function.arguments)
        )
        for call in calls
        if isinstance(call, FunctionToolCall)
    ]
    return RequiredAction(submit_tool_outputs=SubmitToolOutputs(required))


def _tool_outputs_submitted(draft: Draft, happening: h.ToolOutputsSubmitted) -> None:
    """STR-06: the step completes with its outputs, then the run is queued again (RUN-13)."""
    for step in draft.state.open_steps:
        details = _with_outputs(step, happening)
        draft.end_step(step, "completed", completed_at=draft.now, step_details=details)
    draft.emit_run(required_action=None)


def _with_outputs(step: RunStep, happening: h.ToolOutputsSubmitted) -> ToolCallsDetails:
    assert isinstance(step.step_details, ToolCallsDetails)
    calls = [
        replace(call, function=replace(call.function, output=happening.outputs.get(call.id, "")))
        if isinstance(call, FunctionToolCall)
        else call
        for call in step.step_details.tool_calls
    ]
    return ToolCallsDetails(tool_calls=calls)


def _answered(draft: Draft, happening: h.Answered) -> None:
    draft.complete_message(happening.content)
    draft.complete_steps(happening.usage)
    # Without a step to carry them (an empty answer), the tokens are still the run's.
    draft.end_run(happening.usage, completed_at=draft.now)


def _budget_spent(draft: Draft, happening: h.BudgetSpent) -> None:
    """STR-12: the message is incomplete, its step is completed (STEP-12)."""
    reason: IncompleteReason = (
        "content_filter" if happening.reason == "content_filter" else "max_tokens"
    )
    draft.cut_message_short(reason, happening.content)
    draft.complete_steps(happening.usage or Usage(), happening.calls)
    draft.end_run(
        happening.usage,
        completed_at=draft.now,
        incomplete_details=RunIncompleteDetails(happening.reason),
    )


def _cancel_requested(draft: Draft, happening: h.CancelRequested) -> None:
    """Tell nothing yet: whoever ends the run tells both, see ``_cancelled``.

    So positions never collide with those of a worker that is streaming. Outputs are no longer
    asked for.
    """
    del happening
    draft.run = replace(draft.run, required_action=None)


def _cancelled(draft: Draft, happening: h.Cancelled | h.Expired) -> None:
    draft.attempt += happening.unheld
    draft.emit("thread.run.cancelling", draft.state.run)
    draft.cut_message_short("run_cancelled", happening.content)
    draft.cut_steps_short("cancelled", happening.calls, cancelled_at=draft.now)
    draft.end_run(cancelled_at=draft.now)


def _expired(draft: Draft, happening: h.Expired) -> None:
    if draft.run.status == "cancelled":
        _cancelled(draft, happening)
        return
    draft.attempt += happening.unheld
    draft.cut_message_short("run_expired", happening.content)
    draft.cut_steps_short("expired", happening.calls, expired_at=draft.now)
    draft.end_run()


def _failed(draft: Draft, happening: h.Failed) -> None:
    draft.cut_message_short("run_failed", happening.content)
    error = happening.error
    # A step knows one error code less than a run does (STEP-10).
    step_error = (
        error if error.code != "invalid_prompt" else LastError("server_error", error.message)
    )
    draft.cut_steps_short("failed", happening.calls, failed_at=draft.now, last_error=step_error)
    draft.end_run(failed_at=draft.now, last_error=error)


_MEANINGS: dict[type[h.Happening], Callable[[Draft, Any], None]] = {
    h.Claimed: _claimed,
    h.MessageStarted: _message_started,
    h.MessageAbandoned: _message_abandoned,
    h.ToolCallsStarted: _tool_calls_started,
    h.HostedToolsRan: _hosted_tools_ran,
    h.FunctionsCalled: _functions_called,
    h.ToolOutputsSubmitted: _tool_outputs_submitted,
    h.Answered: _answered,
    h.BudgetSpent: _budget_spent,
    h.CancelRequested: _cancel_requested,
    h.Cancelled: _cancelled,
    h.Expired: _expired,
    h.Failed: _failed,
}
