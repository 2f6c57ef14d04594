"""The events of a run, as streams carry them (STR-02, STR-03).

An event's id is two numbers, ``attempt-position``. The position counts what a client has been
shown: a state change advances it by one, a delta by the number of code points that it adds. So
any id in the middle of a text says exactly how much of the text its owner has, however the text
was cut into deltas and whichever process sends the rest. The attempt keeps events of a worker
apart from those of its successor, who may have to write a message anew.
"""

import re
from typing import Literal

from msgspec import Struct

from understudy.wire.deltas import MessageDelta, StepDelta
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep
from understudy.wire.objects.threads import Thread

RunEventName = Literal[
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.requires_action",
    "thread.run.completed",
    "thread.run.incomplete",
    "thread.run.failed",
    "thread.run.cancelling",
    "thread.run.cancelled",
    "thread.run.expired",
]
StepEventName = Literal[
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.run.step.delta",
    "thread.run.step.completed",
    "thread.run.step.failed",
    "thread.run.step.cancelled",
    "thread.run.step.expired",
]
MessageEventName = Literal[
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.message.incomplete",
]
EventName = Literal["thread.created"] | RunEventName | StepEventName | MessageEventName

# After one of these the hosted streams end (STR-05: requires_action is a normal end).
STOPPING: frozenset[str] = frozenset(
    {
        "thread.run.requires_action",
        "thread.run.completed",
        "thread.run.incomplete",
        "thread.run.failed",
        "thread.run.cancelled",
        "thread.run.expired",
    }
)
TERMINAL: frozenset[str] = STOPPING - {"thread.run.requires_action"}


class EventId(Struct, frozen=True, order=True):
    """The place of an event in the history of its run."""

    attempt: int
    position: int

    def __str__(self) -> str:
        """Return the form of the ``id:`` line, such as ``2-117``."""
        return f"{self.attempt}-{self.position}"

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """Read the form of the ``id:`` line. Raises ValueError for anything else."""
        match = _EVENT_ID.fullmatch(text)
        if match is None:
            raise ValueError(text)
        return cls(int(match[1]), int(match[2]))


_EVENT_ID = re.compile(r"([0-9]{1,9})-([0-9]{1,18})")
# The first position is kept for thread.created, which most runs do without.
BEGINNING = EventId(0, 0)
FIRST_POSITION = 1


EventData = Thread | Run | RunStep | Message | MessageDelta | StepDelta


class RunEvent(Struct, frozen=True, kw_only=True):
    """One thing that a client is told about a run.

    ``width`` is 0 for a state change and the number of positions that a delta covers otherwise.
    ``resumed`` marks deltas of an object that an earlier attempt had begun.
    """

    attempt: int
    position: int
    name: EventName
    data: EventData
    width: int = 0
    resumed: bool = False

    @property
    def id(self) -> EventId:
        """Return the place of this event."""
        return EventId(self.attempt, self.position)
