"""What is read from the database, where to look for it, and what can stand in the way."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from understudy.errors import UnderstudyError
from understudy.runs.journal import Entry
from understudy.runs.state import RunState
from understudy.wire.objects.messages import Message
from understudy.wire.objects.steps import RunStep
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.vector_stores import (
    Attributes,
    FileCounts,
    StoreFileError,
    StoreFileStatus,
)

Kind = Literal["assistant", "thread", "message", "run", "run_step", "file", "vector_store"]
# An answer may also be what is no row of its own kind: a file of a v1 assistant, an upload.
AnswerKind = Kind | Literal["assistant_file", "upload", "vector_store_file", "file_batch"]
Order = Literal["asc", "desc"]


class ThreadBusy(UnderstudyError):
    """The thread has an active run (THR-08)."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


class ThreadGone(UnderstudyError):
    """The thread was deleted in the meantime."""


class Conflict(UnderstudyError):
    """The object changed since it was read; read it again."""


class UnknownCursor(UnderstudyError):
    """``after`` or ``before`` names an object that never existed (LIST-08)."""

    def __init__(self, object_id: str) -> None:
        super().__init__(object_id)
        self.object_id = object_id


class Row(Struct, frozen=True):
    """A stored object: the bytes of its v2 view, and its v1 file ids (V1V2-05)."""

    id: str
    body: bytes
    file_ids: tuple[str, ...] = ()


class Scope(Struct, frozen=True, kw_only=True):
    """Where to look: always in one project, and in one thread or run if named."""

    project_id: str
    thread_id: str | None = None
    run_id: str | None = None
    purpose: str | None = None
    metadata: Mapping[str, str] = {}


class Slice(Struct, frozen=True, kw_only=True):
    """Which part of a list: keyset pagination by (created_at, sequence) (LIST-02 to LIST-06)."""

    limit: int = 20
    order: Order = "desc"
    after: str | None = None
    before: str | None = None


class Rows(Struct, frozen=True):
    """A page of objects."""

    rows: Sequence[Row]
    has_more: bool


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run as workers see it."""

    project_id: str
    state: RunState
    file_ids: tuple[str, ...] = ()
    lease_until: float | None = None
    has_turn: bool = True


class Claimable(Struct, frozen=True):
    """A run that has something to do; ``abandoned`` when a worker had it and its lease is over."""

    project_id: str
    run_id: str
    abandoned: bool = False


class RunHistory(Struct, frozen=True, kw_only=True):
    """All that is needed to tell the story of a run."""

    record: RunRecord
    thread: Thread | None
    journal: Sequence[Entry]
    steps: Mapping[str, RunStep]
    messages: Mapping[str, Message]


class UploadRecord(Struct, frozen=True, kw_only=True):
    """An upload and the sizes of its parts by id; one that is over has no parts."""

    body: bytes
    file_expires_after_seconds: int | None = None
    parts: Mapping[str, int] = {}


class StoredEntry(Struct, frozen=True, kw_only=True):
    """A file in a store, as it is known here.

    ``entry`` is the number of this adding of this file; ``removed`` when it has left the store.
    """

    entry: int
    project_id: str
    store_id: str
    file_id: str
    filename: str
    created_at: int
    status: StoreFileStatus
    size_tokens: int
    overlap_tokens: int
    attributes: Attributes = {}
    usage_bytes: int = 0
    error: StoreFileError | None = None
    attempt: int = 0
    removed: bool = False


class Turns(Struct, frozen=True, kw_only=True):
    """Who had the last turn to be ingested: a project, and of each project a store."""

    project_id: str = ""
    stores: Mapping[str, str] = {}


class Entries(Struct, frozen=True):
    """A page of the files of a store."""

    entries: Sequence[StoredEntry]
    has_more: bool


class EntryScope(Struct, frozen=True, kw_only=True):
    """Which files of a store: all, those of a batch, those in a status (LIST-09)."""

    project_id: str
    store_id: str
    batch_id: str | None = None
    status: StoreFileStatus | None = None


class Tally(Struct, frozen=True, kw_only=True):
    """What follows from the files of a store or batch."""

    counts: FileCounts = FileCounts()
    usage_bytes: int = 0


class StoredBatch(Struct, frozen=True, kw_only=True):
    """Files that were added to a store together."""

    id: str
    store_id: str
    created_at: int
    cancelled: bool
    counts: FileCounts


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key as it is stored: never itself, only its hash and a hint to recognise it by."""

    hash: str
    project_id: str
    name: str
    hint: str
    created_at: int
    revoked_at: int | None = None
