"""Tools that an assistant or a run may use, and how a run is told to choose among them."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field


class CodeInterpreterTool(Struct, tag_field="type", tag="code_interpreter", frozen=True):
    """Python in a sandbox."""


class RankingOptions(Struct, frozen=True, kw_only=True):
    """How search results are ranked and cut (ASST-06)."""

    ranker: str = "default_2024_08_21"
    score_threshold: float = 0.0
    hybrid_search: dict[str, float] | None = None


class FileSearchOptions(Struct, frozen=True, kw_only=True):
    """Settings of the file_search tool; ``max_num_results`` is echoed only when given."""

    max_num_results: int | UnsetType = UNSET
    ranking_options: RankingOptions = RankingOptions()


class FileSearchTool(Struct, tag_field="type", tag="file_search", frozen=True):
    """Search in vector stores; the v1 view calls it ``retrieval``."""

    file_search: FileSearchOptions = FileSearchOptions()


def _no_parameters() -> dict[str, Any]:
    return {"type": "object", "properties": {}}


class FunctionDefinition(Struct, frozen=True, kw_only=True):
    """A function that the client runs (ASST-05)."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] = field(default_factory=_no_parameters)
    strict: bool | None = False


class FunctionTool(Struct, tag_field="type", tag="function", frozen=True):
    """A function that the client runs."""

    function: FunctionDefinition


Tool = CodeInterpreterTool | FileSearchTool | FunctionTool


class NamedFunction(Struct, frozen=True):
    """The name of one function."""

    name: str


class NamedToolChoice(Struct, frozen=True, omit_defaults=True):
    """One tool that the first model call must use (RUN-33)."""

    type: Literal["function", "code_interpreter", "file_search"]
    function: NamedFunction | None = None


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice


class JsonSchemaFormat(Struct, frozen=True, omit_defaults=True):
    """A JSON schema that the answer must match."""

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True, omit_defaults=True):
    """The form of the answer: text, any JSON object, or JSON that matches a schema (RUN-34)."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


ResponseFormatOption = Literal["auto", "none"] | ResponseFormat

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TruncationStrategy(Struct, frozen=True):
    """Which messages of the thread the model sees (RUN-31)."""

    type: Literal["auto", "last_messages"] = "auto"
    last_messages: int | None = None


class CodeInterpreterResources(Struct, frozen=True):
    """Files that the code interpreter finds."""

    file_ids: list[str] = []


class FileSearchResources(Struct, frozen=True):
    """Vector stores that file_search looks into."""

    vector_store_ids: list[str] = []


class ToolResources(Struct, frozen=True, omit_defaults=True):
    """What the hosted tools have to work with; ``{}`` when no tool needs anything (ASST-04)."""

    code_interpreter: CodeInterpreterResources | None = None
    file_search: FileSearchResources | None = None

    @property
    def file_ids(self) -> list[str]:
        """Return the files that the code interpreter finds."""
        return self.code_interpreter.file_ids if self.code_interpreter else []

    @property
    def vector_store_ids(self) -> list[str]:
        """Return the stores that file_search looks into."""
        return self.file_search.vector_store_ids if self.file_search else []
