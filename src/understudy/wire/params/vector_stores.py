"""Vector stores as clients send them, alone or with an assistant or a thread (VS-03 to VS-07)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from understudy.wire import validation
from understudy.wire.objects.vector_stores import StaticChunking
from understudy.wire.params.metadata import MetadataV2, changed, given
from understudy.wire.violations import above_maximum

# The hosted bounds of these two were never seen; they are those of an assistant (ASST-03).
Name = Annotated[str, Meta(max_length=256)]
Description = Annotated[str, Meta(max_length=512)]


class NewVectorStore(Struct, frozen=True, kw_only=True):
    """A vector store to be made; without ``expires_after_days`` it stays."""

    name: str | None = None
    description: str | None = None
    file_ids: list[str] = []
    chunking: StaticChunking = StaticChunking()
    expires_after_days: int | None = None
    metadata: dict[str, str] = {}


class VectorStoreChanges(Struct, frozen=True, kw_only=True):
    """What a request changes in a vector store; UNSET leaves it as it is, None clears it."""

    name: str | UnsetType | None = UNSET
    expires_after_days: int | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType = UNSET


class StaticParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """The size of chunks in tokens."""

    max_chunk_size_tokens: Annotated[int, Meta(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Meta(ge=0)]


class AutoChunkingParam(Struct, tag_field="type", tag="auto", forbid_unknown_fields=True):
    """The server chooses the size of chunks."""

    def canonical(self, path: str) -> StaticChunking:  # noqa: ARG002 - the other one can refuse
        """Return what the rest of the program knows this as."""
        return StaticChunking()


class StaticChunkingParam(Struct, tag_field="type", tag="static", forbid_unknown_fields=True):
    """The client chooses the size of chunks."""

    static: StaticParam

    def canonical(self, path: str) -> StaticChunking:
        """Return what the rest of the program knows this as."""
        size, overlap = self.static.max_chunk_size_tokens, self.static.chunk_overlap_tokens
        if overlap > size // 2:
            raise above_maximum(f"{path}.static.chunk_overlap_tokens", size // 2, overlap)
        return StaticChunking(max_chunk_size_tokens=size, chunk_overlap_tokens=overlap)


ChunkingParam = AutoChunkingParam | StaticChunkingParam


class VectorStoreParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """A vector store to be made."""

    file_ids: Annotated[list[str], Meta(max_length=10_000)] | None = None
    chunking_strategy: ChunkingParam | None = None
    metadata: MetadataV2 | None = None

    def canonical(self, path: str) -> NewVectorStore:
        """Return the vector store as the rest of the program knows it."""
        return NewVectorStore(
            file_ids=self.file_ids or [],
            chunking=canonical_chunking(self.chunking_strategy, f"{path}.chunking_strategy"),
            metadata=given(self.metadata, f"{path}.metadata"),
        )


class ExpiresAfterParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """After how many days without use a store expires (VS-03)."""

    anchor: Literal["last_active_at"]
    days: Annotated[int, Meta(ge=1, le=365)]


class CreateVectorStoreParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """A vector store to be made by itself; its files may be at most 500 (VS-05)."""

    file_ids: Annotated[list[str], Meta(max_length=500)] | None = None
    name: Name | None = None
    description: Description | None = None
    expires_after: ExpiresAfterParam | None = None
    chunking_strategy: ChunkingParam | None = None
    metadata: MetadataV2 | None = None


class ModifyVectorStoreParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed in a vector store."""

    name: Name | UnsetType | None = UNSET
    expires_after: ExpiresAfterParam | UnsetType | None = UNSET
    metadata: MetadataV2 | UnsetType | None = UNSET


def parse_create(body: bytes) -> NewVectorStore:
    """Read a request to create a vector store; an empty body is enough."""
    sent = validation.decode(body, CreateVectorStoreParam)
    return NewVectorStore(
        name=sent.name,
        description=sent.description,
        file_ids=sent.file_ids or [],
        chunking=canonical_chunking(sent.chunking_strategy, "chunking_strategy"),
        expires_after_days=sent.expires_after.days if sent.expires_after else None,
        metadata=given(sent.metadata),
    )


def parse_modify(body: bytes) -> VectorStoreChanges:
    """Read a request to modify a vector store."""
    sent = validation.decode(body, ModifyVectorStoreParam)
    expiry = sent.expires_after
    return VectorStoreChanges(
        name=sent.name,
        expires_after_days=expiry.days if isinstance(expiry, ExpiresAfterParam) else expiry,
        metadata=changed(sent.metadata),
    )


def canonical_chunking(sent: ChunkingParam | None, path: str) -> StaticChunking:
    """Return the size of chunks; the overlap is at most half of it (VS-07)."""
    return StaticChunking() if sent is None else sent.canonical(path)
