"""A change in the making: what becomes of a run, its steps and messages, and what clients are told.

Every method keeps objects and events together, so that none is written without being told.
"""

from typing import Any

from msgspec.structs import replace

from understudy.runs.happenings import LastWords
from understudy.runs.pieces import message_pieces
from understudy.runs.state import RunChange, RunState
from understudy.wire.deltas import MessageDelta
from understudy.wire.events import EventName, RunEvent
from understudy.wire.objects.messages import (
    Content,
    IncompleteDetails,
    IncompleteReason,
    Message,
)
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    CreatedMessage,
    MessageCreationDetails,
    RunStep,
    StepStatus,
    StepType,
    ToolCall,
    ToolCallsDetails,
)
from understudy.wire.objects.usage import Usage


class Draft:
    """A change in the making."""

    def __init__(self, state: RunState, run: Run, now: int) -> None:
        self.state = state
        self.run = run
        self.now = now
        self.attempt = state.attempt
        self.lease_until: float | None = 0.0
        self.pending_usage = state.pending_usage
        self.position = state.position
        self.steps: dict[str, RunStep] = {}
        self.messages: dict[str, Message] = {}
        self.events: list[RunEvent] = []

    def change(self) -> RunChange:
        """Return the change as far as it has been made."""
        return RunChange(
            run=self.run,
            expected_status=self.state.run.status,
            expected_attempt=self.state.attempt,
            attempt=self.attempt,
            position=self.position,
            deadline=self.state.deadline,
            steps=tuple(self.steps.values()),
            messages=tuple(self.messages.values()),
            events=tuple(self.events),
            pending_usage=self.pending_usage,
            lease_until=self.lease_until,
        )

    def emit(
        self, name: EventName, data: Run | RunStep | Message | MessageDelta, width: int = 0
    ) -> None:
        """Tell clients, at the next position or ``width`` further (a delta, in code points)."""
        self.position += width or 1
        event = RunEvent(
            attempt=self.attempt, position=self.position, name=name, data=data, width=width
        )
        self.events.append(event)

    def emit_run(self, **fields: Any) -> None:
        """Set fields of the run and tell its new status."""
        self.run = replace(self.run, **fields)
        self.emit(f"thread.run.{self.run.status}", self.run)  # type: ignore[arg-type]

    def start_step(self, step: RunStep) -> None:
        """Tell of a new step (STR-04)."""
        self.steps[step.id] = step
        self.emit("thread.run.step.created", step)
        self.emit("thread.run.step.in_progress", step)

    def end_step(self, step: RunStep, status: StepStatus, **fields: Any) -> None:
        """End a step. Its event still shows expires_at, the stored object does not (STEP-02)."""
        if step.type == "tool_calls" and self.pending_usage:
            fields = {"usage": self.pending_usage} | fields
            self.pending_usage = None
        ended = replace(step, status=status, **fields)
        self.steps[step.id] = replace(ended, expires_at=None)
        self.emit(f"thread.run.step.{status}", ended)  # type: ignore[arg-type]

    def start_message(self, message_id: str, step_id: str) -> tuple[Message, RunStep]:
        """Tell of a new message and of its step, which comes first (STEP-04, STR-04)."""
        details = MessageCreationDetails(message_creation=CreatedMessage(message_id))
        step = self.new_step(step_id, details)
        self.start_step(step)
        message = Message(
            id=message_id,
            created_at=self.now,
            assistant_id=self.run.assistant_id,
            thread_id=self.run.thread_id,
            run_id=self.run.id,
            status="in_progress",
            role="assistant",
        )
        self.messages[message_id] = message
        self.emit("thread.message.created", message)
        self.emit("thread.message.in_progress", message)
        return message, step

    def complete_message(self, content: tuple[Content, ...]) -> None:
        """Complete the open message, if there is one."""
        if self.state.open_message is not None:
            self.end_message(self.state.open_message, content)

    def end_message(self, message: Message, content: tuple[Content, ...]) -> None:
        """Complete this message."""
        ended = replace(message, status="completed", completed_at=self.now, content=list(content))
        self.messages[message.id] = ended
        self.emit("thread.message.completed", ended)

    def cut_message_short(self, reason: IncompleteReason, content: tuple[Content, ...]) -> None:
        """Keep what there is of the open message, as incomplete (MSG-13, MSG-14)."""
        message = self.state.open_message
        if message is None:
            return
        ended = replace(
            message,
            status="incomplete",
            incomplete_details=IncompleteDetails(reason),
            incomplete_at=self.now,
            content=list(content) or message.content,
        )
        self.messages[message.id] = ended
        self.emit("thread.message.incomplete", ended)

    def complete_steps(self, usage: Usage, calls: tuple[ToolCall, ...] = ()) -> None:
        """Complete what is open; the tokens of a turn are counted once, on its last step."""
        open_steps = self.state.open_steps
        for step in open_steps:
            counted = usage if step is open_steps[-1] else Usage()
            ended = with_calls(step, calls)
            self.end_step(ended, "completed", completed_at=self.now, usage=counted)

    def cut_steps_short(
        self, status: StepStatus, calls: tuple[ToolCall, ...], **fields: Any
    ) -> None:
        """Keep what there is of the open calls, as of an open message."""
        for step in self.state.open_steps:
            self.end_step(with_calls(step, calls), status, **fields)

    def complete_message_step(self) -> None:
        """Complete the step of a message whose turn goes on with calls, which bear the tokens."""
        for step in self.state.open_steps:
            if step.type == "message_creation":
                self.end_step(step, "completed", completed_at=self.now, usage=Usage())

    def say(self, words: LastWords | None) -> None:
        """Tell a whole message at once; the calls of its turn bear the tokens."""
        if words is None:
            return
        message, step = self.start_message(words.message_id, words.step_id)
        for delta, width in message_pieces(replace(message, content=list(words.content))):
            self.emit("thread.message.delta", delta, width)
        self.end_message(message, words.content)
        self.end_step(step, "completed", completed_at=self.now, usage=Usage())

    def open_tool_steps(self) -> list[RunStep]:
        """Return the steps of calls that have not ended."""
        return [step for step in self.state.open_steps if step.type == "tool_calls"]

    def new_step(self, step_id: str, details: MessageCreationDetails | ToolCallsDetails) -> RunStep:
        """Return a step of this run that begins now."""
        kind: StepType = (
            "tool_calls" if isinstance(details, ToolCallsDetails) else "message_creation"
        )
        return RunStep(
            id=step_id,
            created_at=self.now,
            run_id=self.run.id,
            assistant_id=self.run.assistant_id,
            thread_id=self.run.thread_id,
            type=kind,
            expires_at=self.state.deadline,
            step_details=details,
        )

    def end_run(self, usage: Usage | None = None, **fields: Any) -> None:
        """Let go of the run for good; it forgets its deadline and sums its usage."""
        self.lease_until = None
        total = self.state.usage + (usage or Usage())
        self.pending_usage = None
        self.emit_run(expires_at=None, required_action=None, usage=total, **fields)


def with_calls(step: RunStep, calls: tuple[ToolCall, ...]) -> RunStep:
    """Return the step with the calls that were told; the client's calls stand in it already."""
    if step.type != "tool_calls" or not calls:
        return step
    return replace(step, step_details=ToolCallsDetails(tool_calls=[*calls]))
