"""Which tool a run must use, as clients send it (RUN-33)."""

from typing import Literal

from msgspec import Struct

from understudy.wire.objects.tools import NamedFunction, NamedToolChoice, ToolChoice
from understudy.wire.violations import missing


class NamedFunctionParam(Struct, forbid_unknown_fields=True):
    """The name of one function."""

    name: str


class NamedToolChoiceV1(Struct, kw_only=True, forbid_unknown_fields=True):
    """One tool, by the names of v1."""

    type: Literal["function", "code_interpreter", "retrieval"]
    function: NamedFunctionParam | None = None


class NamedToolChoiceV2(Struct, kw_only=True, forbid_unknown_fields=True):
    """One tool."""

    type: Literal["function", "code_interpreter", "file_search"]
    function: NamedFunctionParam | None = None


ToolChoiceV1 = Literal["none", "auto"] | NamedToolChoiceV1
ToolChoiceV2 = Literal["none", "auto", "required"] | NamedToolChoiceV2


def canonical_tool_choice(sent: ToolChoiceV1 | ToolChoiceV2 | None) -> ToolChoice | None:
    """Return the choice in the names of v2; a function needs its name (ERR-20)."""
    if sent is None or isinstance(sent, str):
        return sent
    if sent.type != "function":
        return NamedToolChoice("file_search" if sent.type == "retrieval" else sent.type)
    if sent.function is None:
        raise missing("tool_choice.function")
    return NamedToolChoice("function", NamedFunction(sent.function.name))
