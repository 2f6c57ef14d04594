"""What the hosted tools have to work with, as clients send it (ASST-04, ASST-07)."""

from typing import Annotated

from msgspec import Meta, Struct

from understudy.errors import InvalidRequest
from understudy.wire.objects.tools import (
    CodeInterpreterResources,
    FileSearchResources,
    ToolResources,
)
from understudy.wire.params.vector_stores import NewVectorStore, VectorStoreParam

VectorStoreIds = Annotated[list[str], Meta(max_length=1)]


class CodeInterpreterResourcesParam(Struct, forbid_unknown_fields=True):
    """Files that the code interpreter finds."""

    file_ids: Annotated[list[str], Meta(max_length=20)] | None = None


class FileSearchResourcesParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """Vector stores that file_search looks into."""

    vector_store_ids: VectorStoreIds | None = None


class NewFileSearchResourcesParam(FileSearchResourcesParam, kw_only=True):
    """Vector stores that file_search looks into, or one to be made (ASST-07)."""

    vector_stores: Annotated[list[VectorStoreParam], Meta(max_length=1)] | None = None


class ToolResourcesParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """Resources of something that exists; clients send back the nulls of their own models."""

    code_interpreter: CodeInterpreterResourcesParam | None = None
    file_search: FileSearchResourcesParam | None = None


class NewToolResourcesParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """Resources of something new, which may bring a vector store along."""

    code_interpreter: CodeInterpreterResourcesParam | None = None
    file_search: NewFileSearchResourcesParam | None = None


def canonical_resources(
    sent: ToolResourcesParam | NewToolResourcesParam | None,
) -> ToolResources:
    """Return the resources; what the client did not mention is None."""
    if sent is None:
        return ToolResources()
    code, search = sent.code_interpreter, sent.file_search
    return ToolResources(
        code_interpreter=None if code is None else CodeInterpreterResources(code.file_ids or []),
        file_search=None if search is None else FileSearchResources(search.vector_store_ids or []),
    )


def new_vector_stores(
    sent: NewToolResourcesParam | None, path: str = "tool_resources"
) -> list[NewVectorStore]:
    """Return the vector stores to be made; a store is either named or made, never both."""
    if sent is None or sent.file_search is None or not sent.file_search.vector_stores:
        return []
    if sent.file_search.vector_store_ids:
        raise InvalidRequest(
            f"Invalid '{path}.file_search': expected either 'vector_store_ids' or"
            " 'vector_stores', but got both.",
            param=f"{path}.file_search",
            code="invalid_value",
        )
    return [
        store.canonical(f"{path}.file_search.vector_stores[{index}]")
        for index, store in enumerate(sent.file_search.vector_stores)
    ]
