"""Runs as clients send them (RUN-20 to RUN-35, RUN-41)."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from understudy.wire import validation
from understudy.wire.era import Era
from understudy.wire.objects.tools import (
    ReasoningEffort,
    ResponseFormatOption,
    Tool,
    ToolChoice,
    ToolResources,
    TruncationStrategy,
)
from understudy.wire.params.messages import MessageV1, MessageV2, NewMessage, canonical_messages
from understudy.wire.params.metadata import (
    MetadataChange,
    MetadataV1,
    MetadataV2,
    given,
    parse_change,
)
from understudy.wire.params.path_ids import check_id
from understudy.wire.params.response_formats import (
    ResponseFormatOptionV1,
    ResponseFormatOptionV2,
    canonical_response_format,
)
from understudy.wire.params.threads import NewThread, ThreadV1, ThreadV2
from understudy.wire.params.tool_choices import (
    ToolChoiceV1,
    ToolChoiceV2,
    canonical_tool_choice,
)
from understudy.wire.params.tool_resources import ToolResourcesParam, canonical_resources
from understudy.wire.params.tools import ToolsV1, ToolsV2, canonical_tools
from understudy.wire.violations import missing, unknown

# The hosted API documented 256 as the least budget but accepted 16 (RUN-27). The upper end is
# ours: what a database column and a model's context can hold.
TokenBudget = Annotated[int, Meta(ge=1, le=2_147_483_647)]


class NewRun(Struct, frozen=True, kw_only=True):
    """A run to be made; None stands for what was not given (RUN-29)."""

    assistant_id: str
    model: str | None = None
    instructions: str | None = None
    additional_instructions: str | None = None
    additional_messages: list[NewMessage] = []
    tools: list[Tool] | None = None
    metadata: dict[str, str] = {}
    temperature: float | None = None
    top_p: float | None = None
    stream: bool = False
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    truncation_strategy: TruncationStrategy | None = None
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormatOption | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None


class NewThreadAndRun(Struct, frozen=True, kw_only=True):
    """A thread to be made and a run to be made on it (RUN-21)."""

    thread: NewThread
    run: NewRun


class ToolOutput(Struct, frozen=True, kw_only=True):
    """What the client's function gave; a missing output is an empty one (RUN-41)."""

    tool_call_id: str | None
    output: str


class SubmittedOutputs(Struct, frozen=True, kw_only=True):
    """The outputs that a run waits for."""

    tool_outputs: list[ToolOutput]
    stream: bool = False


class TruncationParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which messages of the thread the model sees (RUN-31)."""

    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Meta(ge=1, le=2_147_483_647)] | None = None

    def canonical(self) -> TruncationStrategy:
        """Return the strategy; the type last_messages needs its number (ERR-20)."""
        if self.type == "auto":
            return TruncationStrategy()
        if self.last_messages is None:
            raise missing("truncation_strategy.last_messages")
        return TruncationStrategy("last_messages", self.last_messages)


class _Sampling(Struct, kw_only=True, forbid_unknown_fields=True):
    """What all four requests have in common, in the order in which it is checked."""

    assistant_id: str
    model: str | None = None
    instructions: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stream: bool | None = None
    max_prompt_tokens: TokenBudget | None = None
    max_completion_tokens: TokenBudget | None = None
    truncation_strategy: TruncationParam | None = None


class _CommonV1(_Sampling, kw_only=True):
    tools: ToolsV1 | None = None
    metadata: MetadataV1 | None = None
    tool_choice: ToolChoiceV1 | None = None
    response_format: ResponseFormatOptionV1 | None = None


class _CommonV2(_Sampling, kw_only=True):
    tools: ToolsV2 | None = None
    metadata: MetadataV2 | None = None
    tool_choice: ToolChoiceV2 | None = None
    response_format: ResponseFormatOptionV2 | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None


class _RunV1(_CommonV1, kw_only=True):
    additional_instructions: str | None = None
    additional_messages: list[MessageV1] | None = None
    thread_id: Any = None


class _RunV2(_CommonV2, kw_only=True):
    additional_instructions: str | None = None
    additional_messages: list[MessageV2] | None = None
    thread_id: Any = None


class _ThreadAndRunV1(_CommonV1, kw_only=True):
    thread: ThreadV1 | None = None


class _ThreadAndRunV2(_CommonV2, kw_only=True):
    thread: ThreadV2 | None = None
    tool_resources: ToolResourcesParam | None = None


class _OutputParam(Struct, kw_only=True, forbid_unknown_fields=True):
    tool_call_id: str | None = None
    output: str | None = None


class _Outputs(Struct, kw_only=True, forbid_unknown_fields=True):
    tool_outputs: list[_OutputParam]
    stream: bool | None = None


def parse_create(body: bytes, era: Era, thread_id: str) -> NewRun:
    """Read a request to create a run on the thread that the path names."""
    sent = validation.decode(body, _RunV1) if era == "v1" else validation.decode(body, _RunV2)
    if sent.thread_id is not None and sent.thread_id != thread_id:
        raise unknown("thread_id")  # D-01: old documents want it in the body
    return _new_run(
        sent,
        era,
        additional_instructions=sent.additional_instructions,
        additional_messages=canonical_messages(sent.additional_messages, "additional_messages"),
    )


def parse_create_thread_and_run(body: bytes, era: Era) -> NewThreadAndRun:
    """Read a request to create a thread and a run on it (RUN-21)."""
    if era == "v1":
        first = validation.decode(body, _ThreadAndRunV1)
        return NewThreadAndRun(thread=_new_thread(first.thread), run=_new_run(first, era))
    second = validation.decode(body, _ThreadAndRunV2)
    thread = _with_resources(_new_thread(second.thread), second.tool_resources)
    return NewThreadAndRun(thread=thread, run=_new_run(second, era))


def parse_modify(body: bytes, era: Era) -> MetadataChange:
    """Read a request to modify a run, of which only metadata can change (RUN-40)."""
    return parse_change(body, era)


def parse_submit(body: bytes, era: Era) -> SubmittedOutputs:  # noqa: ARG001 - the eras agree
    """Read a request to submit tool outputs (RUN-41)."""
    sent = validation.decode(body, _Outputs)
    return SubmittedOutputs(
        tool_outputs=[
            ToolOutput(tool_call_id=each.tool_call_id, output=each.output or "")
            for each in sent.tool_outputs
        ],
        stream=bool(sent.stream),
    )


def _new_run(
    sent: _CommonV1 | _CommonV2,
    era: Era,
    *,
    additional_instructions: str | None = None,
    additional_messages: list[NewMessage] | None = None,
) -> NewRun:
    check_id("assistant_id", sent.assistant_id, era)
    truncation = sent.truncation_strategy
    return NewRun(
        assistant_id=sent.assistant_id,
        model=sent.model,
        instructions=sent.instructions,
        additional_instructions=additional_instructions,
        additional_messages=additional_messages or [],
        tools=None if sent.tools is None else canonical_tools(sent.tools),
        metadata=given(sent.metadata),
        temperature=sent.temperature,
        top_p=sent.top_p,
        stream=bool(sent.stream),
        max_prompt_tokens=sent.max_prompt_tokens,
        max_completion_tokens=sent.max_completion_tokens,
        truncation_strategy=None if truncation is None else truncation.canonical(),
        tool_choice=canonical_tool_choice(sent.tool_choice),
        response_format=canonical_response_format(sent.response_format),
        parallel_tool_calls=sent.parallel_tool_calls if isinstance(sent, _CommonV2) else None,
        reasoning_effort=sent.reasoning_effort if isinstance(sent, _CommonV2) else None,
    )


def _new_thread(sent: ThreadV1 | ThreadV2 | None) -> NewThread:
    return NewThread() if sent is None else sent.canonical("thread.")


def _with_resources(thread: NewThread, sent: ToolResourcesParam | None) -> NewThread:
    """Return the thread with the request's own resources, which win over the thread's."""
    if sent is None:
        return thread
    given_here, of_thread = canonical_resources(sent), thread.tool_resources
    return NewThread(
        messages=thread.messages,
        metadata=thread.metadata,
        tool_resources=ToolResources(
            code_interpreter=given_here.code_interpreter or of_thread.code_interpreter,
            file_search=given_here.file_search or of_thread.file_search,
        ),
        new_vector_stores=[] if given_here.file_search else thread.new_vector_stores,
    )
