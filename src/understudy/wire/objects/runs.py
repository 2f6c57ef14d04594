"""The run object."""

from typing import Literal

from msgspec import Struct

from understudy.wire.objects.tools import (
    ReasoningEffort,
    ResponseFormatOption,
    Tool,
    ToolChoice,
    ToolResources,
    TruncationStrategy,
)
from understudy.wire.objects.usage import Usage

RunStatus = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "cancelled",
    "failed",
    "completed",
    "incomplete",
    "expired",
]
ErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
RunIncompleteReason = Literal["max_completion_tokens", "max_prompt_tokens", "content_filter"]


class CalledFunction(Struct, frozen=True):
    """The function that the model calls, with its arguments as the model wrote them."""

    name: str
    arguments: str


class RequiredToolCall(Struct, frozen=True, kw_only=True):
    """A call whose output the client is asked for (RUN-12)."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class SubmitToolOutputs(Struct, frozen=True):
    """The calls that wait for outputs."""

    tool_calls: list[RequiredToolCall]


class RequiredAction(Struct, frozen=True, kw_only=True):
    """What the client has to do before the run goes on."""

    type: Literal["submit_tool_outputs"] = "submit_tool_outputs"
    submit_tool_outputs: SubmitToolOutputs


class LastError(Struct, frozen=True):
    """Why a run or a step failed (RUN-1D)."""

    code: ErrorCode
    message: str


class RunIncompleteDetails(Struct, frozen=True):
    """Which budget ended the run (RUN-1F)."""

    reason: RunIncompleteReason


class Run(Struct, kw_only=True):
    """A run in the v2 view (RUN-02)."""

    id: str
    object: Literal["thread.run"] = "thread.run"
    created_at: int
    assistant_id: str
    thread_id: str
    status: RunStatus = "queued"
    started_at: int | None = None
    expires_at: int | None = None
    cancelled_at: int | None = None
    failed_at: int | None = None
    completed_at: int | None = None
    required_action: RequiredAction | None = None
    last_error: LastError | None = None
    model: str
    instructions: str | None = None
    tools: list[Tool] = []
    tool_resources: ToolResources = ToolResources()
    metadata: dict[str, str] = {}
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    reasoning_effort: ReasoningEffort | None = None
    max_completion_tokens: int | None = None
    max_prompt_tokens: int | None = None
    truncation_strategy: TruncationStrategy = TruncationStrategy()
    incomplete_details: RunIncompleteDetails | None = None
    usage: Usage | None = None
    response_format: ResponseFormatOption = "auto"
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
