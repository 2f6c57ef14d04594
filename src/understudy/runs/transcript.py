"""Tells the story of a run again, from its journal and its objects.

The state of an object at an earlier event is its present state with the later fields taken back;
the text between ``in_progress`` and the end of a message is told as one delta, at the positions
that the many small ones had.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from understudy.runs.deltas import cut
from understudy.runs.journal import Entry
from understudy.runs.machine import required_action
from understudy.runs.pieces import MessagePieces, StepPieces, message_pieces, step_pieces
from understudy.wire.events import EventId, RunEvent
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep, ToolCallsDetails
from understudy.wire.objects.threads import Thread


class Story(Struct, frozen=True, kw_only=True):
    """A run with all that belongs to it."""

    run: Run
    deadline: int
    journal: Sequence[Entry]
    steps: Mapping[str, RunStep]
    messages: Mapping[str, Message]
    thread: Thread | None = None


def retell(story: Story, after: EventId) -> Iterator[RunEvent]:
    """Yield the events behind ``after``, oldest first."""
    for entry, following in zip(story.journal, [*story.journal[1:], None], strict=True):
        event = _retold(story, entry)
        if event is None:
            continue
        for told in (event, *_deltas(story, event, following)):
            rest = unseen(told, after)
            if rest is not None:
                yield rest


def unseen(event: RunEvent, after: EventId) -> RunEvent | None:
    """Return the part of the event that somebody who is at ``after`` has not seen.

    A delta is compared by position, within one attempt or when it goes on with an object that an
    earlier attempt began; everything else by attempt and position.
    """
    if not event.width:
        return event if event.id > after else None
    if event.attempt > after.attempt and not event.resumed:
        return event
    if event.attempt < after.attempt or event.position <= after.position:
        return None
    seen = after.position - (event.position - event.width)
    return event if seen <= 0 else cut(event, seen)


def _retold(story: Story, entry: Entry) -> RunEvent | None:
    """Return the event, or None when a client has deleted the message that it is about."""
    data: Any
    if entry.object_id == story.run.id:
        data = _run_at(story, entry)
    elif entry.object_id in story.steps:
        data = _step_at(story, entry)
    elif entry.object_id in story.messages:
        data = _message_at(story, entry)
    elif story.thread is not None and entry.object_id == story.thread.id:
        data = story.thread
    else:
        return None
    return RunEvent(attempt=entry.attempt, position=entry.position, name=entry.name, data=data)


def _run_at(story: Story, entry: Entry) -> Run:
    run = story.run
    status = entry.name.removeprefix("thread.run.")
    if status == run.status and entry is _last_of(story, run.id):
        return run
    action = _action_at(story, entry) if status == "requires_action" else None
    return replace(
        run,
        status="queued" if status == "created" else status,
        started_at=entry.started_at,
        expires_at=story.deadline,
        cancelled_at=None,
        failed_at=None,
        completed_at=None,
        required_action=action,
        last_error=None,
        incomplete_details=None,
        usage=None,
    )


def _last_of(story: Story, object_id: str) -> Entry | None:
    return next((e for e in reversed(story.journal) if e.object_id == object_id), None)


def _action_at(story: Story, entry: Entry) -> Any:
    """Return the calls of the tool step that began last before this entry."""
    begun = [e.object_id for e in story.journal if e.position < entry.position]
    for step_id in reversed(begun):
        step = story.steps.get(step_id)
        if step and isinstance(step.step_details, ToolCallsDetails):
            return required_action(step.step_details.tool_calls)
    return None


def _step_at(story: Story, entry: Entry) -> RunStep:
    step = replace(story.steps[entry.object_id], expires_at=story.deadline)
    if not entry.name.endswith((".created", ".in_progress")):
        return step
    details = step.step_details
    begun = ToolCallsDetails() if isinstance(details, ToolCallsDetails) else details
    return replace(
        step,
        status="in_progress",
        cancelled_at=None,
        completed_at=None,
        expired_at=None,
        failed_at=None,
        last_error=None,
        step_details=begun,
        usage=None,
    )


def _message_at(story: Story, entry: Entry) -> Message:
    message = story.messages[entry.object_id]
    if not entry.name.endswith((".created", ".in_progress")):
        return message
    return replace(
        message,
        status="in_progress",
        incomplete_details=None,
        incomplete_at=None,
        completed_at=None,
        content=[],
        attachments=[],
    )


def _deltas(story: Story, event: RunEvent, following: Entry | None) -> Iterator[RunEvent]:
    """Yield what was written after an object went in_progress, if it has been stored."""
    attempt = following.attempt if following else event.attempt
    resumed = attempt != event.attempt
    if event.name == "thread.message.in_progress":
        pieces: MessagePieces | StepPieces = message_pieces(story.messages[event.data.id])
    elif event.name == "thread.run.step.in_progress":
        pieces = step_pieces(story.steps[event.data.id])
    else:
        return
    position = event.position
    for data, width in pieces:
        position += width
        yield RunEvent(
            attempt=attempt,
            position=position,
            name=_delta_name(event),
            data=data,
            width=width,
            resumed=resumed,
        )


def _delta_name(event: RunEvent) -> Any:
    return event.name.replace(".in_progress", ".delta")
