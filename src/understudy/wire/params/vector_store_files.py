"""Files as clients add them to a vector store, one by one or in batches (VS-05, VS-11)."""

from typing import Annotated

from msgspec import Meta, Struct

from understudy.errors import InvalidRequest
from understudy.wire import validation
from understudy.wire.objects.vector_stores import Attributes, StaticChunking
from understudy.wire.params.metadata import Key
from understudy.wire.params.path_ids import PREFIXES
from understudy.wire.params.vector_stores import ChunkingParam, canonical_chunking
from understudy.wire.violations import missing, wrong_prefix

AttributesParam = Annotated[
    dict[Key, Annotated[str, Meta(max_length=512)] | bool | int | float], Meta(max_length=16)
]


class NewStoreFile(Struct, frozen=True, kw_only=True):
    """A file that is to join a vector store."""

    file_id: str
    chunking: StaticChunking = StaticChunking()
    attributes: Attributes = {}


class StoreFileParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """A file to be added to a vector store."""

    file_id: str
    attributes: AttributesParam | None = None
    chunking_strategy: ChunkingParam | None = None

    def canonical(self, path: str = "") -> NewStoreFile:
        """Return the file as the rest of the program knows it (ERR-24)."""
        if not self.file_id.startswith(PREFIXES["file_id"]):
            raise wrong_prefix(f"{path}file_id", self.file_id, PREFIXES["file_id"])
        return NewStoreFile(
            file_id=self.file_id,
            chunking=canonical_chunking(self.chunking_strategy, f"{path}chunking_strategy"),
            attributes=self.attributes or {},
        )


class AttributesChangeParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """The attributes that a file has from now on."""

    attributes: AttributesParam | None


class FileBatchParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """Files to be added together: as ids that share the rest, or each with its own (VS-05)."""

    file_ids: Annotated[list[str], Meta(min_length=1, max_length=2000)] | None = None
    files: Annotated[list[StoreFileParam], Meta(min_length=1, max_length=2000)] | None = None
    attributes: AttributesParam | None = None
    chunking_strategy: ChunkingParam | None = None


def parse_add(body: bytes) -> NewStoreFile:
    """Read a request to add a file to a vector store."""
    return validation.decode(body, StoreFileParam).canonical()


def parse_attributes(body: bytes) -> Attributes:
    """Read a request to replace the attributes of a file; null clears them (VS-11)."""
    return validation.decode(body, AttributesChangeParam).attributes or {}


def parse_batch(body: bytes) -> list[NewStoreFile]:
    """Read a request to add files together; what they share does not count for ``files``."""
    sent = validation.decode(body, FileBatchParam)
    if sent.files is not None and sent.file_ids is not None:
        raise InvalidRequest(
            "Expected either 'file_ids' or 'files', but got both.",
            param="files",
            code="invalid_value",
        )
    if sent.files is not None:
        return [file.canonical(f"files[{index}].") for index, file in enumerate(sent.files)]
    if sent.file_ids is None:
        raise missing("file_ids")
    chunking = canonical_chunking(sent.chunking_strategy, "chunking_strategy")
    attributes = sent.attributes or {}
    return [
        NewStoreFile(file_id=file_id, chunking=chunking, attributes=attributes)
        for file_id in sent.file_ids
    ]
