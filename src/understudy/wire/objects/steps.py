"""The run step object and the tool calls in it."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from understudy.wire.objects.runs import LastError
from understudy.wire.objects.usage import Usage

StepStatus = Literal["in_progress", "cancelled", "failed", "completed", "expired"]
StepType = Literal["message_creation", "tool_calls"]


class FunctionCall(Struct, kw_only=True):
    """The function that was called; ``output`` is null until the client submits it (STEP-06)."""

    name: str
    arguments: str
    output: str | None = None


class FunctionToolCall(Struct, tag_field="type", tag="function", kw_only=True):
    """A call of one of the client's functions."""

    id: str
    function: FunctionCall


class LogsOutput(Struct, tag_field="type", tag="logs"):
    """Text that a cell printed."""

    logs: str


class ImageReference(Struct, frozen=True):
    """A file that holds an image."""

    file_id: str


class ImageOutput(Struct, tag_field="type", tag="image"):
    """An image that a cell made."""

    image: ImageReference


CellOutput = LogsOutput | ImageOutput


class MadeFile(Struct, frozen=True):
    """A file that a cell made: its path below ``/mnt/data``, and the file that it has become."""

    path: str
    file_id: str


class CodeInterpreterCall(Struct, kw_only=True):
    """A cell of Python and what came out of it (STEP-07).

    ``files`` are stored for the model, which reads of them, and for the links of its answers
    (ANN-04), and never shown.
    """

    input: str
    outputs: list[CellOutput] = []
    files: list[MadeFile] | UnsetType = UNSET


class CodeInterpreterToolCall(Struct, tag_field="type", tag="code_interpreter", kw_only=True):
    """A call of the code interpreter."""

    id: str
    code_interpreter: CodeInterpreterCall


class SearchResultText(Struct, frozen=True, kw_only=True):
    """A passage that was found."""

    type: Literal["text"] = "text"
    text: str


class SearchResult(Struct, kw_only=True):
    """A found passage; ``content`` is always stored and shown only by ``include[]`` (STEP-08)."""

    file_id: str
    file_name: str
    score: float
    attributes: dict[str, Any] = {}
    content: list[SearchResultText] | UnsetType = UNSET


class StepRankingOptions(Struct, frozen=True, kw_only=True):
    """The ranking that a search used."""

    ranker: str = "default_2024_08_21"
    score_threshold: float = 0.0


class FileSearchCall(Struct, kw_only=True):
    """A search and its results.

    ``query`` and ``place``, the first number of the markers that cite these results (ANN-03), are
    stored for the model, which reads its searches again, and never shown.
    """

    ranking_options: StepRankingOptions = StepRankingOptions()
    results: list[SearchResult] = []
    query: str | UnsetType = UNSET
    place: int | UnsetType = UNSET


class FileSearchToolCall(Struct, tag_field="type", tag="file_search", kw_only=True):
    """A call of file_search."""

    id: str
    file_search: FileSearchCall


ToolCall = FunctionToolCall | CodeInterpreterToolCall | FileSearchToolCall


class CreatedMessage(Struct, frozen=True):
    """The message that a step wrote."""

    message_id: str


class MessageCreationDetails(Struct, tag_field="type", tag="message_creation", kw_only=True):
    """The step wrote a message (STEP-04)."""

    message_creation: CreatedMessage


class ToolCallsDetails(Struct, tag_field="type", tag="tool_calls", kw_only=True):
    """The step holds all calls of one model turn (STEP-05)."""

    tool_calls: list[ToolCall] = []


StepDetails = MessageCreationDetails | ToolCallsDetails


class RunStep(Struct, kw_only=True):
    """A run step: the wire's ``expires_at`` and the schema's ``expired_at``, both (STEP-01)."""

    id: str
    object: Literal["thread.run.step"] = "thread.run.step"
    created_at: int
    run_id: str
    assistant_id: str
    thread_id: str
    type: StepType
    status: StepStatus = "in_progress"
    cancelled_at: int | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    expired_at: int | None = None
    failed_at: int | None = None
    last_error: LastError | None = None
    step_details: StepDetails
    metadata: dict[str, str] = {}
    usage: Usage | None = None
