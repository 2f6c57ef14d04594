"""Vector stores that an assistant or a thread brings along (ASST-07, VS-07)."""

from typing import Annotated

from msgspec import Meta, Struct

from understudy.wire.params.metadata import MetadataV2, given
from understudy.wire.violations import above_maximum


class StaticChunking(Struct, frozen=True, kw_only=True):
    """The size of chunks in tokens; the default is what ``auto`` stands for (VS-06)."""

    max_chunk_size_tokens: int = 800
    chunk_overlap_tokens: int = 400


class NewVectorStore(Struct, frozen=True, kw_only=True):
    """A vector store to be made together with its owner."""

    file_ids: list[str] = []
    chunking: StaticChunking = StaticChunking()
    metadata: dict[str, str] = {}


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


def canonical_chunking(sent: ChunkingParam | None, path: str) -> StaticChunking:
    """Return the size of chunks; the overlap is at most half of it (VS-07)."""
    return StaticChunking() if sent is None else sent.canonical(path)
