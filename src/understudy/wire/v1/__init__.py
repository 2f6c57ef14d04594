"""The older view: the objects of v2 as a client of v1 knew them (contract section 14).

Each module holds the v1 structs of one resource, their keys in the order of the recorded traffic,
and a function that makes them from the v2 object. ``event_name`` does the same for streams.
"""

from understudy.wire.v1.assistants import AssistantFile, assistant, assistant_file
from understudy.wire.v1.deltas import message_delta, step_delta
from understudy.wire.v1.events import event_name
from understudy.wire.v1.messages import MessageFile, message, message_file
from understudy.wire.v1.runs import run, status
from understudy.wire.v1.steps import step
from understudy.wire.v1.threads import thread

__all__ = [
    "AssistantFile",
    "MessageFile",
    "assistant",
    "assistant_file",
    "event_name",
    "message",
    "message_delta",
    "message_file",
    "run",
    "status",
    "step",
    "step_delta",
    "thread",
]
