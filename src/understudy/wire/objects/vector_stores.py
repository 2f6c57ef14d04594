"""Vector stores, the files in them, and the batches in which these were added (VS-01 to VS-13)."""

from typing import Literal

from msgspec import Struct

StoreStatus = Literal["in_progress", "completed", "expired"]
StoreFileStatus = Literal["in_progress", "completed", "cancelled", "failed"]
BatchStatus = Literal["in_progress", "completed", "cancelled", "failed"]
# A string of at most 512 characters, a number or a boolean (VS-11).
Attributes = dict[str, str | bool | int | float]


class FileCounts(Struct, frozen=True, kw_only=True):
    """How many files are in which status."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    total: int = 0


class ExpiresAfter(Struct, frozen=True, kw_only=True):
    """After how many days without use a store expires (VS-03)."""

    anchor: Literal["last_active_at"] = "last_active_at"
    days: int


class VectorStore(Struct, frozen=True, kw_only=True):
    """A vector store (VS-01). Usage, counts and status follow from its files and are not stored."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str | None = None
    description: str | None = None
    usage_bytes: int = 0
    file_counts: FileCounts = FileCounts()
    status: StoreStatus = "completed"
    expires_after: ExpiresAfter | None = None
    expires_at: int | None = None
    last_active_at: int
    metadata: dict[str, str] = {}


class StaticChunking(Struct, frozen=True, kw_only=True):
    """The size of chunks in tokens; the default is what ``auto`` stands for (VS-06)."""

    max_chunk_size_tokens: int = 800
    chunk_overlap_tokens: int = 400


class StaticStrategy(Struct, tag_field="type", tag="static", frozen=True, kw_only=True):
    """Chunks of a fixed size; also what ``auto`` is echoed as (VS-06)."""

    static: StaticChunking = StaticChunking()


class StoreFileError(Struct, frozen=True):
    """Why a file could not be made searchable (VS-08)."""

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class VectorStoreFile(Struct, frozen=True, kw_only=True):
    """A file in a vector store, under the file's own id (VS-06, ID-04)."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    usage_bytes: int = 0
    created_at: int
    vector_store_id: str
    status: StoreFileStatus = "in_progress"
    last_error: StoreFileError | None = None
    chunking_strategy: StaticStrategy = StaticStrategy()
    attributes: Attributes = {}


class VectorStoreFileBatch(Struct, frozen=True, kw_only=True):
    """Files that were added together (VS-09); ``object`` is the wire's value, not the schema's."""

    id: str
    object: Literal["vector_store.file_batch"] = "vector_store.file_batch"
    created_at: int
    status: BatchStatus
    vector_store_id: str
    file_counts: FileCounts


class FoundText(Struct, frozen=True, kw_only=True):
    """A passage of a file."""

    type: Literal["text"] = "text"
    text: str


class FoundPassage(Struct, frozen=True, kw_only=True):
    """A result of a search; the score is in 0..1 (VS-12)."""

    file_id: str
    filename: str
    score: float
    attributes: Attributes
    content: list[FoundText]


class SearchResultsPage(Struct, frozen=True, kw_only=True):
    """The results of a search, best first (VS-12)."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[FoundPassage]
    has_more: bool = False
    next_page: str | None = None


class FileContentPage(Struct, frozen=True, kw_only=True):
    """The parsed text of a file (VS-13)."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[FoundText]
    has_more: bool = False
    next_page: str | None = None


class StoredChunk(Struct, frozen=True, kw_only=True):
    """A chunk of a file and where it stands in its source (an extension).

    ``start`` and ``end`` count code points of the parsed text; pages count from 1 and are null
    where the format has none.
    """

    object: Literal["vector_store.file.chunk"] = "vector_store.file.chunk"
    index: int
    text: str
    tokens: int
    start: int
    end: int
    page_first: int | None
    page_last: int | None
