"""Events of a run for dispatch to carry."""

import asyncio

from understudy.dispatch.base import Subscription
from understudy.runs.deltas import text_delta
from understudy.wire.deltas import MessageDelta, TextContentDelta
from understudy.wire.events import EventId, RunEvent, RunEventName
from understudy.wire.objects.runs import Run

RUN = Run(id="run_1", created_at=1, assistant_id="asst_1", thread_id="thread_1", model="m")
PROJECT = "proj_1"
SOON = 0.01
BOUND = 20.0  # far longer than anything takes; a test that needs it has failed


def state(name: RunEventName, position: int, *, attempt: int = 1) -> RunEvent:
    """Return an event of the run."""
    return RunEvent(attempt=attempt, position=position, name=name, data=RUN)


def text(value: str, position: int, *, attempt: int = 1) -> RunEvent:
    """Return more text, ending at the position."""
    return RunEvent(
        attempt=attempt,
        position=position,
        name="thread.message.delta",
        data=text_delta("msg_1", 0, value, first=False),
        width=len(value),
    )


STARTED = state("thread.run.in_progress", 3)
COMPLETED = state("thread.run.completed", 9)
ASKING = state("thread.run.requires_action", 9)
BEFORE = EventId(0, 2)


def texts(events: object) -> str:
    """Return the text in the events, joined."""
    joined = ""
    for event in events:  # type: ignore[attr-defined]
        if isinstance(event.data, MessageDelta):
            part = event.data.delta.content[0]
            assert isinstance(part, TextContentDelta)
            joined += part.text.value
    return joined


async def heard(listener: Subscription, number: int) -> list[RunEvent]:
    """Return what the listener hears until there are so many events; empty batches are skipped."""
    events: list[RunEvent] = []
    async with asyncio.timeout(BOUND):
        while len(events) < number:
            events += await listener.next(BOUND)
    return events


async def text_heard(listener: Subscription, length: int) -> str:
    """Return the text that the listener hears until it is so long."""
    joined = ""
    async with asyncio.timeout(BOUND):
        while len(joined) < length:
            joined += texts(await listener.next(BOUND))
    return joined
