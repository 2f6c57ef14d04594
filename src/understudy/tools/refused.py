"""A tool that this server cannot have: a run with it fails at once, and says why."""

from typing import Any

from understudy.runs.hosted import HostedType
from understudy.tools.base import ToolFailed, ToolUse
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import ToolCall


class Refused:
    """Stands for the tool of that type."""

    def __init__(self, type_: HostedType, message: str) -> None:
        self._type = type_
        self.message = message

    @property
    def type(self) -> HostedType:
        """See the port."""
        return self._type

    async def offered(self, run: Run, project_id: str) -> dict[str, Any] | None:
        """Raise ToolFailed."""
        del run, project_id
        raise ToolFailed(self.message)

    async def call(self, use: ToolUse, call_id: str, arguments: str) -> ToolCall:
        """Raise ToolFailed."""
        del use, call_id, arguments
        raise ToolFailed(self.message)
