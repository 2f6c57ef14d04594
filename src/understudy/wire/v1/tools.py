"""Tools and the choice among them in v1."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from understudy.wire.objects.tools import (
    CodeInterpreterTool,
    FileSearchTool,
    NamedFunction,
    NamedToolChoice,
    Tool,
    ToolChoice,
)


class RetrievalTool(Struct, tag_field="type", tag="retrieval", frozen=True):
    """What v2 calls file_search; v1 had no settings for it."""


class FunctionDefinitionV1(Struct, frozen=True, kw_only=True):
    """A function, without ``strict`` (ASST-05); a description only if there is one."""

    name: str
    description: str | UnsetType = UNSET
    parameters: dict[str, Any]


class FunctionToolV1(Struct, tag_field="type", tag="function", frozen=True):
    """A function that the client runs."""

    function: FunctionDefinitionV1


ToolV1 = CodeInterpreterTool | RetrievalTool | FunctionToolV1


class NamedToolChoiceV1(Struct, frozen=True, omit_defaults=True):
    """One tool that the first model call must use (RUN-33)."""

    type: Literal["function", "code_interpreter", "retrieval"]
    function: NamedFunction | None = None


ToolChoiceV1 = Literal["none", "auto", "required"] | NamedToolChoiceV1


def tools(newer: Sequence[Tool]) -> list[ToolV1]:
    """Return the tools by their names in v1."""
    return [_tool(each) for each in newer]


def _tool(newer: Tool) -> ToolV1:
    if isinstance(newer, FileSearchTool):
        return RetrievalTool()
    if isinstance(newer, CodeInterpreterTool):
        return newer
    function = newer.function
    return FunctionToolV1(
        FunctionDefinitionV1(
            name=function.name,
            description=UNSET if function.description is None else function.description,
            parameters=function.parameters,
        )
    )


def tool_choice(newer: ToolChoice) -> ToolChoiceV1:
    """Return the choice by its name in v1; ``required`` has no older name (V1V2-06)."""
    if not isinstance(newer, NamedToolChoice):
        return newer
    kind = newer.type
    return NamedToolChoiceV1("retrieval" if kind == "file_search" else kind, newer.function)
