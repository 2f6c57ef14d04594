"""The assistant object."""

from typing import Literal

from msgspec import Struct

from understudy.wire.objects.tools import (
    ReasoningEffort,
    ResponseFormatOption,
    Tool,
    ToolResources,
)


class Assistant(Struct, kw_only=True):
    """An assistant in the v2 view (ASST-02)."""

    id: str
    object: Literal["assistant"] = "assistant"
    created_at: int
    name: str | None = None
    description: str | None = None
    model: str
    instructions: str | None = None
    tools: list[Tool] = []
    top_p: float | None = 1.0
    temperature: float | None = 1.0
    reasoning_effort: ReasoningEffort | None = None
    tool_resources: ToolResources = ToolResources()
    metadata: dict[str, str] = {}
    response_format: ResponseFormatOption = "auto"
