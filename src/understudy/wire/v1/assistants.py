"""The assistant object and the assistant's files in v1."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.tools import ResponseFormatOption
from understudy.wire.v1.tools import ToolV1, tools


class AssistantV1(Struct, kw_only=True):
    """An assistant in v1 (ASST-01)."""

    id: str
    object: Literal["assistant"] = "assistant"
    created_at: int
    name: str | None
    description: str | None
    model: str
    instructions: str | None
    tools: list[ToolV1]
    top_p: float | None
    temperature: float | None
    file_ids: list[str]
    metadata: dict[str, str]
    response_format: ResponseFormatOption


class AssistantFile(Struct, kw_only=True):
    """A file of an assistant, under the file's own id (ASST-10, ID-04)."""

    id: str
    object: Literal["assistant.file"] = "assistant.file"
    created_at: int
    assistant_id: str


def assistant(newer: Assistant, file_ids: Sequence[str]) -> AssistantV1:
    """Return the assistant as v1 shows it, with the files that v1 gave it (V1V2-05)."""
    return AssistantV1(
        id=newer.id,
        created_at=newer.created_at,
        name=newer.name,
        description=newer.description,
        model=newer.model,
        instructions=newer.instructions,
        tools=tools(newer.tools),
        top_p=newer.top_p,
        temperature=newer.temperature,
        file_ids=list(file_ids),
        metadata=newer.metadata,
        response_format=newer.response_format,
    )


def assistant_file(file_id: str, created_at: int, assistant_id: str) -> AssistantFile:
    """Return the object that stands for a file's being attached to an assistant."""
    return AssistantFile(id=file_id, created_at=created_at, assistant_id=assistant_id)
