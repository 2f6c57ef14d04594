"""The port to hosted tools: what the server itself does when a model calls for it.

A leg of the engine offers a run's model the tools that it can use. When a turn of the model ends
with calls, they are made one after the other, in the order of the model. What they return is stored
in the run step and is read by the model in its next turn, and again whenever the run is taken up.

A call may be cancelled at any await, because its run is cancelled, expired or given up; it then
lets go of what it holds at once. A call whose leg dies is made again by the next attempt.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from msgspec import Struct

from understudy.errors import UnderstudyError
from understudy.runs.hosted import HostedType
from understudy.wire.deltas import CellOutputDelta
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import ToolCall


class ToolFailed(UnderstudyError):
    """The tool cannot do its work, and the run fails with this message (RUN-1A, RUN-24)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ToolUse(Struct, frozen=True, kw_only=True):
    """For whom a tool works.

    ``place`` is the first number of the markers that cite what a search finds (ANN-03): no other
    call of the thread has it. ``tell_output`` tells clients what comes out of a cell while it runs;
    the outputs of the finished call have to be what was told, put together by index (STR-07).
    ``ensure_lease`` is awaited right before something is done that cannot be taken back; it raises
    when the run has been taken over by another worker, who may have done it already.
    """

    project_id: str
    run: Run
    place: int
    tell_output: Callable[[CellOutputDelta], None]
    ensure_lease: Callable[[], Awaitable[None]]


class HostedTool(Protocol):
    """One hosted tool of this server, for all runs."""

    @property
    def type(self) -> HostedType:
        """Return the type of the tool, as assistants name it."""
        ...

    async def offered(self, run: Run, project_id: str) -> dict[str, Any] | None:
        """Return the tool as a Chat Completions function, or None when the run has no use for it.

        Called once per leg, before its first model call. The engine chooses the function's name.
        Raises ToolFailed when the run cannot go on.
        """
        ...

    async def call(self, use: ToolUse, call_id: str, arguments: str) -> ToolCall:
        """Do the work and return the finished call, as the step stores it.

        ``arguments`` are as the model wrote them, JSON or not. A search returns all that its model
        reads again: query, place, and the content of every result. Raises ToolFailed when the run
        shall fail with its message. Unavailable and OSError leave the run to be taken up again
        when its lease is over; any other exception fails it.
        """
        ...
