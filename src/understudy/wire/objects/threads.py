"""The thread object."""

from typing import Literal

from msgspec import Struct

from understudy.wire.objects.tools import ToolResources


class Thread(Struct, kw_only=True):
    """A conversation in the v2 view (THR-01)."""

    id: str
    object: Literal["thread"] = "thread"
    created_at: int
    metadata: dict[str, str] = {}
    tool_resources: ToolResources = ToolResources()
