"""Threads as clients send them (THR-03, THR-04)."""

from msgspec import UNSET, Struct, UnsetType

from understudy.wire import validation
from understudy.wire.era import Era
from understudy.wire.objects.tools import ToolResources
from understudy.wire.params.messages import MessageV1, MessageV2, NewMessage, canonical_messages
from understudy.wire.params.metadata import MetadataV1, MetadataV2, changed, given
from understudy.wire.params.tool_resources import (
    NewToolResourcesParam,
    ToolResourcesParam,
    canonical_resources,
    new_vector_stores,
)
from understudy.wire.params.vector_stores import NewVectorStore


class NewThread(Struct, frozen=True, kw_only=True):
    """A thread to be made, with its first messages."""

    messages: list[NewMessage] = []
    metadata: dict[str, str] = {}
    tool_resources: ToolResources = ToolResources()
    new_vector_stores: list[NewVectorStore] = []


class ThreadChanges(Struct, frozen=True, kw_only=True):
    """What a request changes in a thread; UNSET leaves it as it is.

    In ``tool_resources`` None clears everything; a member that is None stays as it is, and any
    other member replaces the old one as a whole.
    """

    metadata: dict[str, str] | UnsetType = UNSET
    tool_resources: ToolResources | UnsetType | None = UNSET


class ThreadV1(Struct, kw_only=True, forbid_unknown_fields=True):
    """A thread in v1."""

    messages: list[MessageV1] = []
    metadata: MetadataV1 | None = None

    def canonical(self, path: str = "") -> NewThread:
        """Return the thread as the rest of the program knows it."""
        return NewThread(
            messages=canonical_messages(self.messages, f"{path}messages"),
            metadata=given(self.metadata, f"{path}metadata"),
        )


class ThreadV2(Struct, kw_only=True, forbid_unknown_fields=True):
    """A thread in v2, which may bring resources for the hosted tools."""

    messages: list[MessageV2] = []
    tool_resources: NewToolResourcesParam | None = None
    metadata: MetadataV2 | None = None

    def canonical(self, path: str = "") -> NewThread:
        """Return the thread as the rest of the program knows it."""
        return NewThread(
            messages=canonical_messages(self.messages, f"{path}messages"),
            metadata=given(self.metadata, f"{path}metadata"),
            tool_resources=canonical_resources(self.tool_resources),
            new_vector_stores=new_vector_stores(self.tool_resources, f"{path}tool_resources"),
        )


class _ChangesV1(Struct, kw_only=True, forbid_unknown_fields=True):
    metadata: MetadataV1 | UnsetType | None = UNSET


class _ChangesV2(Struct, kw_only=True, forbid_unknown_fields=True):
    tool_resources: ToolResourcesParam | UnsetType | None = UNSET
    metadata: MetadataV2 | UnsetType | None = UNSET


def parse_create(body: bytes, era: Era) -> NewThread:
    """Read a request to create a thread; an empty body is enough (GEN-03)."""
    if era == "v1":
        return validation.decode(body, ThreadV1).canonical()
    return validation.decode(body, ThreadV2).canonical()


def parse_modify(body: bytes, era: Era) -> ThreadChanges:
    """Read a request to modify a thread: metadata, in v2 also tool_resources (THR-04)."""
    if era == "v1":
        return ThreadChanges(metadata=changed(validation.decode(body, _ChangesV1).metadata))
    params = validation.decode(body, _ChangesV2)
    return ThreadChanges(
        metadata=changed(params.metadata), tool_resources=changed_resources(params.tool_resources)
    )


def changed_resources(
    sent: ToolResourcesParam | UnsetType | None,
) -> ToolResources | UnsetType | None:
    """Return the resources to change: None clears all of them, UNSET none."""
    if sent is None or isinstance(sent, UnsetType):
        return sent
    return canonical_resources(sent)
