"""The run step object in v1."""

from typing import Literal

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from understudy.wire.objects.runs import LastError
from understudy.wire.objects.steps import (
    CodeInterpreterToolCall,
    FileSearchToolCall,
    FunctionToolCall,
    MessageCreationDetails,
    RunStep,
    StepDetails,
    StepStatus,
    StepType,
    ToolCall,
    ToolCallsDetails,
)
from understudy.wire.v1.usage import UsageV1, usage


class RetrievalToolCall(Struct, tag_field="type", tag="retrieval", kw_only=True):
    """A search, of which v1 showed nothing but that it took place (STEP-08)."""

    id: str
    retrieval: dict[str, str] = field(default_factory=dict)


ToolCallV1 = FunctionToolCall | CodeInterpreterToolCall | RetrievalToolCall


class ToolCallsDetailsV1(Struct, tag_field="type", tag="tool_calls", kw_only=True):
    """The step holds all calls of one model turn (STEP-05)."""

    tool_calls: list[ToolCallV1]


class RunStepV1(Struct, kw_only=True):
    """A run step in v1 (STEP-01)."""

    id: str
    object: Literal["thread.run.step"] = "thread.run.step"
    created_at: int
    run_id: str
    assistant_id: str
    thread_id: str
    type: StepType
    status: StepStatus
    cancelled_at: int | None
    completed_at: int | None
    expires_at: int | None
    expired_at: int | None
    failed_at: int | None
    last_error: LastError | None
    step_details: MessageCreationDetails | ToolCallsDetailsV1
    metadata: dict[str, str]
    usage: UsageV1 | None


def step(newer: RunStep) -> RunStepV1:
    """Return the step as v1 shows it."""
    return RunStepV1(
        id=newer.id,
        created_at=newer.created_at,
        run_id=newer.run_id,
        assistant_id=newer.assistant_id,
        thread_id=newer.thread_id,
        type=newer.type,
        status=newer.status,
        cancelled_at=newer.cancelled_at,
        completed_at=newer.completed_at,
        expires_at=newer.expires_at,
        expired_at=newer.expired_at,
        failed_at=newer.failed_at,
        last_error=newer.last_error,
        step_details=_details(newer.step_details),
        metadata=newer.metadata,
        usage=usage(newer.usage),
    )


def _details(newer: StepDetails) -> MessageCreationDetails | ToolCallsDetailsV1:
    if isinstance(newer, ToolCallsDetails):
        return ToolCallsDetailsV1(tool_calls=[_call(each) for each in newer.tool_calls])
    return newer


def _call(newer: ToolCall) -> ToolCallV1:
    if isinstance(newer, FileSearchToolCall):
        return RetrievalToolCall(id=newer.id)
    if isinstance(newer, CodeInterpreterToolCall):
        return replace(newer, code_interpreter=replace(newer.code_interpreter, files=UNSET))
    return newer
