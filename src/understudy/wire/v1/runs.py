"""The run object in v1."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from understudy.wire.objects.runs import (
    LastError,
    RequiredAction,
    Run,
    RunIncompleteDetails,
    RunStatus,
)
from understudy.wire.objects.tools import ResponseFormatOption, TruncationStrategy
from understudy.wire.v1.tools import ToolChoiceV1, ToolV1, tool_choice, tools
from understudy.wire.v1.usage import UsageV1, usage

RunStatusV1 = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "cancelled",
    "failed",
    "completed",
    "expired",
]


class RunV1(Struct, kw_only=True):
    """A run in v1 (RUN-01)."""

    id: str
    object: Literal["thread.run"] = "thread.run"
    created_at: int
    assistant_id: str
    thread_id: str
    status: RunStatusV1
    started_at: int | None
    expires_at: int | None
    cancelled_at: int | None
    failed_at: int | None
    completed_at: int | None
    required_action: RequiredAction | None
    last_error: LastError | None
    model: str
    instructions: str | None
    tools: list[ToolV1]
    file_ids: list[str]
    metadata: dict[str, str]
    temperature: float | None
    top_p: float | None
    max_completion_tokens: int | None
    max_prompt_tokens: int | None
    truncation_strategy: TruncationStrategy
    incomplete_details: RunIncompleteDetails | None
    usage: UsageV1 | None
    response_format: ResponseFormatOption
    tool_choice: ToolChoiceV1


def run(newer: Run, file_ids: Sequence[str]) -> RunV1:
    """Return the run as v1 shows it, with its assistant's v1 files (RUN-04)."""
    return RunV1(
        id=newer.id,
        created_at=newer.created_at,
        assistant_id=newer.assistant_id,
        thread_id=newer.thread_id,
        status=status(newer.status),
        started_at=newer.started_at,
        expires_at=newer.expires_at,
        cancelled_at=newer.cancelled_at,
        failed_at=newer.failed_at,
        completed_at=newer.completed_at,
        required_action=newer.required_action,
        last_error=newer.last_error,
        model=newer.model,
        instructions=newer.instructions,
        tools=tools(newer.tools),
        file_ids=list(file_ids),
        metadata=newer.metadata,
        temperature=newer.temperature,
        top_p=newer.top_p,
        max_completion_tokens=newer.max_completion_tokens,
        max_prompt_tokens=newer.max_prompt_tokens,
        truncation_strategy=newer.truncation_strategy,
        incomplete_details=newer.incomplete_details,
        usage=usage(newer.usage),
        response_format=newer.response_format,
        tool_choice=tool_choice(newer.tool_choice),
    )


def status(newer: RunStatus) -> RunStatusV1:
    """Return the status: a client of v1 would poll an incomplete run for ever (RUN-1E, SDK-06)."""
    return "completed" if newer == "incomplete" else newer
