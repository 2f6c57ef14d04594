"""Assistants as clients send them (ASST-03 to ASST-09)."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from understudy.wire import validation
from understudy.wire.era import Era
from understudy.wire.objects.tools import (
    ReasoningEffort,
    ResponseFormatOption,
    Tool,
    ToolResources,
)
from understudy.wire.params.metadata import MetadataV1, MetadataV2, changed, given
from understudy.wire.params.response_formats import (
    ResponseFormatOptionV1,
    ResponseFormatOptionV2,
    canonical_response_format,
)
from understudy.wire.params.threads import changed_resources
from understudy.wire.params.tool_resources import (
    NewToolResourcesParam,
    ToolResourcesParam,
    canonical_resources,
    new_vector_stores,
)
from understudy.wire.params.tools import ToolsV1, ToolsV2, canonical_tools
from understudy.wire.params.vector_stores import NewVectorStore

Name = Annotated[str, Meta(max_length=256)]
Description = Annotated[str, Meta(max_length=512)]
Instructions = Annotated[str, Meta(max_length=256_000)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
TopP = Annotated[float, Meta(ge=0, le=1)]
FileIds = Annotated[list[str], Meta(max_length=20)]


class NewAssistant(Struct, frozen=True, kw_only=True):
    """An assistant to be made; ``file_ids`` are those of v1."""

    model: str
    name: str | None = None
    description: str | None = None
    instructions: str | None = None
    tools: list[Tool] = []
    tool_resources: ToolResources = ToolResources()
    new_vector_stores: list[NewVectorStore] = []
    file_ids: list[str] = []
    metadata: dict[str, str] = {}
    temperature: float = 1.0
    top_p: float = 1.0
    response_format: ResponseFormatOption = "auto"
    reasoning_effort: ReasoningEffort | None = None


class AssistantChanges(Struct, frozen=True, kw_only=True):
    """What a request changes in an assistant; UNSET leaves it as it is (ASST-08).

    None clears a text; a null number or format has become its default. In ``tool_resources`` None
    clears everything; a member that is None stays as it is, any other replaces the old one.
    """

    model: str | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    instructions: str | UnsetType | None = UNSET
    tools: list[Tool] | UnsetType = UNSET
    tool_resources: ToolResources | UnsetType | None = UNSET
    file_ids: list[str] | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    response_format: ResponseFormatOption | UnsetType = UNSET
    reasoning_effort: ReasoningEffort | UnsetType | None = UNSET


class _AssistantV1(Struct, kw_only=True, forbid_unknown_fields=True):
    model: str
    name: Name | None = None
    description: Description | None = None
    instructions: Instructions | None = None
    tools: ToolsV1 = []
    file_ids: FileIds = []
    metadata: MetadataV1 | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormatOptionV1 | None = None


class _AssistantV2(Struct, kw_only=True, forbid_unknown_fields=True):
    model: str
    name: Name | None = None
    description: Description | None = None
    instructions: Instructions | None = None
    reasoning_effort: ReasoningEffort | None = None
    tools: ToolsV2 = []
    tool_resources: NewToolResourcesParam | None = None
    metadata: MetadataV2 | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormatOptionV2 | None = None


class _ChangesV1(Struct, kw_only=True, forbid_unknown_fields=True):
    model: str | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET
    tools: ToolsV1 | UnsetType = UNSET
    file_ids: FileIds | UnsetType = UNSET
    metadata: MetadataV1 | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    response_format: ResponseFormatOptionV1 | UnsetType | None = UNSET


class _ChangesV2(Struct, kw_only=True, forbid_unknown_fields=True):
    model: str | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET
    reasoning_effort: ReasoningEffort | UnsetType | None = UNSET
    tools: ToolsV2 | UnsetType = UNSET
    tool_resources: ToolResourcesParam | UnsetType | None = UNSET
    metadata: MetadataV2 | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    top_p: TopP | UnsetType | None = UNSET
    response_format: ResponseFormatOptionV2 | UnsetType | None = UNSET


class _NewFile(Struct, forbid_unknown_fields=True):
    file_id: str


def parse_create(body: bytes, era: Era) -> NewAssistant:
    """Read a request to create an assistant; only ``model`` is required (ASST-03)."""
    return _new_v1(body) if era == "v1" else _new_v2(body)


def _new_v1(body: bytes) -> NewAssistant:
    sent = validation.decode(body, _AssistantV1)
    return NewAssistant(
        model=sent.model,
        name=sent.name,
        description=sent.description,
        instructions=sent.instructions,
        tools=canonical_tools(sent.tools),
        file_ids=sent.file_ids,
        metadata=given(sent.metadata),
        temperature=1.0 if sent.temperature is None else sent.temperature,
        top_p=1.0 if sent.top_p is None else sent.top_p,
        response_format=canonical_response_format(sent.response_format) or "auto",
    )


def _new_v2(body: bytes) -> NewAssistant:
    sent = validation.decode(body, _AssistantV2)
    return NewAssistant(
        model=sent.model,
        name=sent.name,
        description=sent.description,
        instructions=sent.instructions,
        tools=canonical_tools(sent.tools),
        tool_resources=canonical_resources(sent.tool_resources),
        new_vector_stores=new_vector_stores(sent.tool_resources),
        metadata=given(sent.metadata),
        temperature=1.0 if sent.temperature is None else sent.temperature,
        top_p=1.0 if sent.top_p is None else sent.top_p,
        response_format=canonical_response_format(sent.response_format) or "auto",
        reasoning_effort=sent.reasoning_effort,
    )


def parse_modify(body: bytes, era: Era) -> AssistantChanges:
    """Read a request to modify an assistant: omitted keys stay, null clears (ASST-08)."""
    return _changes_v1(body) if era == "v1" else _changes_v2(body)


def _changes_v1(body: bytes) -> AssistantChanges:
    sent = validation.decode(body, _ChangesV1)
    return AssistantChanges(
        model=sent.model,
        name=sent.name,
        description=sent.description,
        instructions=sent.instructions,
        tools=_changed_tools(sent.tools),
        file_ids=sent.file_ids,
        metadata=changed(sent.metadata),
        temperature=1.0 if sent.temperature is None else sent.temperature,
        top_p=1.0 if sent.top_p is None else sent.top_p,
        response_format=_changed_format(sent.response_format),
    )


def _changes_v2(body: bytes) -> AssistantChanges:
    sent = validation.decode(body, _ChangesV2)
    return AssistantChanges(
        model=sent.model,
        name=sent.name,
        description=sent.description,
        instructions=sent.instructions,
        tools=_changed_tools(sent.tools),
        tool_resources=changed_resources(sent.tool_resources),
        metadata=changed(sent.metadata),
        temperature=1.0 if sent.temperature is None else sent.temperature,
        top_p=1.0 if sent.top_p is None else sent.top_p,
        response_format=_changed_format(sent.response_format),
        reasoning_effort=sent.reasoning_effort,
    )


def _changed_tools(sent: ToolsV1 | ToolsV2 | UnsetType) -> list[Tool] | UnsetType:
    return sent if isinstance(sent, UnsetType) else canonical_tools(sent)


def _changed_format(
    sent: ResponseFormatOptionV1 | ResponseFormatOptionV2 | UnsetType | None,
) -> ResponseFormatOption | UnsetType:
    if isinstance(sent, UnsetType):
        return UNSET
    return canonical_response_format(sent) or "auto"


def parse_create_file(body: bytes) -> str:
    """Read a v1 request to attach a file to an assistant; returns its id (ASST-10)."""
    return validation.decode(body, _NewFile).file_id
