"""Tools as clients send them (ASST-05, ASST-06, ASST-12)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from understudy.wire.objects.tools import (
    CodeInterpreterTool,
    FileSearchOptions,
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    RankingOptions,
    Tool,
)
from understudy.wire.params.json_schemas import check_depth

FunctionName = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9_-]+$")]


class CodeInterpreterParam(
    Struct, tag_field="type", tag="code_interpreter", forbid_unknown_fields=True
):
    """Python in a sandbox."""

    def canonical(self, path: str) -> Tool:  # noqa: ARG002 - the other tools can refuse
        """Return what the rest of the program knows this as."""
        return CodeInterpreterTool()


class RetrievalParam(Struct, tag_field="type", tag="retrieval", forbid_unknown_fields=True):
    """What v1 called file_search."""

    def canonical(self, path: str) -> Tool:  # noqa: ARG002 - the other tools can refuse
        """Return what the rest of the program knows this as."""
        return FileSearchTool()


class RankingOptionsParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """How search results are ranked; clients send back the ``hybrid_search`` that they read."""

    ranker: Literal["auto", "default_2024_08_21"] | None = None
    score_threshold: Annotated[float, Meta(ge=0, le=1)]
    hybrid_search: dict[str, float] | None = None


class FileSearchOptionsParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """Settings of the file_search tool."""

    max_num_results: Annotated[int, Meta(ge=1, le=50)] | UnsetType | None = UNSET
    ranking_options: RankingOptionsParam | None = None

    def canonical(self) -> FileSearchOptions:
        """Return what the rest of the program knows this as."""
        return FileSearchOptions(
            max_num_results=UNSET if self.max_num_results is None else self.max_num_results,
            ranking_options=_ranking_options(self.ranking_options),
        )


def _ranking_options(params: RankingOptionsParam | None) -> RankingOptions:
    if params is None:
        return RankingOptions()
    return RankingOptions(
        ranker=params.ranker or "default_2024_08_21",
        score_threshold=params.score_threshold,
        hybrid_search=params.hybrid_search,
    )


class FileSearchParam(Struct, tag_field="type", tag="file_search", forbid_unknown_fields=True):
    """Search in vector stores."""

    file_search: FileSearchOptionsParam | None = None

    def canonical(self, path: str) -> Tool:  # noqa: ARG002 - functions can refuse
        """Return what the rest of the program knows this as."""
        options = self.file_search
        return FileSearchTool() if options is None else FileSearchTool(options.canonical())


class FunctionDefinitionV1(Struct, kw_only=True, forbid_unknown_fields=True):
    """A function that the client runs."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionDefinitionV2(FunctionDefinitionV1, kw_only=True):
    """A function that the client runs, with arguments that may have to match strictly."""

    strict: bool | None = None


class FunctionV1(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """A function in v1, which knew no ``strict``."""

    function: FunctionDefinitionV1

    def canonical(self, path: str) -> Tool:
        """Return what the rest of the program knows this as."""
        return FunctionTool(_definition(self.function, path, strict=False))


class FunctionV2(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """A function in v2."""

    function: FunctionDefinitionV2

    def canonical(self, path: str) -> Tool:
        """Return what the rest of the program knows this as."""
        return FunctionTool(_definition(self.function, path, strict=bool(self.function.strict)))


def _definition(sent: FunctionDefinitionV1, path: str, *, strict: bool) -> FunctionDefinition:
    if sent.parameters is None:
        return FunctionDefinition(name=sent.name, description=sent.description, strict=strict)
    check_depth(sent.parameters, f"{path}.function.parameters")
    return FunctionDefinition(
        name=sent.name, description=sent.description, parameters=sent.parameters, strict=strict
    )


# The order of the members is the order in which ERR-23 lists them. A run may override as many
# tools as an assistant may have (D-02).
ToolsV1 = Annotated[list[CodeInterpreterParam | FunctionV1 | RetrievalParam], Meta(max_length=128)]
ToolsV2 = Annotated[list[CodeInterpreterParam | FunctionV2 | FileSearchParam], Meta(max_length=128)]


def canonical_tools(
    params: Sequence[
        CodeInterpreterParam | RetrievalParam | FileSearchParam | FunctionV1 | FunctionV2
    ],
) -> list[Tool]:
    """Return the tools in the one form that the rest of the program knows."""
    return [tool.canonical(f"tools[{index}]") for index, tool in enumerate(params)]
