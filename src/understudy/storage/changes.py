"""What can be written to the database: values, each complete in itself."""

from msgspec import Struct

from understudy.runs.state import RunChange
from understudy.storage.records import AnswerKind, Kind, Row
from understudy.wire.objects.vector_stores import (
    Attributes,
    StoreFileError,
)


class Insert(Struct, frozen=True, kw_only=True):
    """A new object. With ``needs_free_thread`` the thread must have no active run (ERR-50).

    ``uses`` are all files that the object names, so that a deleted file is found in it (FILE-07).
    """

    kind: Kind
    project_id: str
    id: str
    created_at: int
    body: bytes
    file_ids: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    thread_id: str | None = None
    run_id: str | None = None
    purpose: str | None = None
    expires_at: int | None = None
    needs_free_thread: bool = False


class Replace(Struct, frozen=True, kw_only=True):
    """Another body for an object that still is as it was read, or Conflict.

    ``metadata`` is set when the change is one of metadata, so that a worker that writes the same
    object later keeps it. ``expires_at`` is that of a vector store.
    """

    kind: Kind
    project_id: str
    id: str
    read: Row
    body: bytes
    file_ids: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    metadata: bytes | None = None
    expires_at: int | None = None


class Delete(Struct, frozen=True, kw_only=True):
    """Removes an object and all that belongs to it; its place in lists is kept (LIST-08)."""

    kind: Kind
    project_id: str
    id: str
    now: int


class StartRun(Struct, frozen=True, kw_only=True):
    """A new run on a thread that is free, with the messages that go before it.

    On a busy thread: ThreadBusy, or with ``queue`` the run waits for its turn, and so do its
    messages.
    """

    project_id: str
    change: RunChange
    messages: tuple[Insert, ...] = ()
    file_ids: tuple[str, ...] = ()
    queue: bool = False


class CommitRun(Struct, frozen=True, kw_only=True):
    """A change of a run, if it still has the status and attempt that the change expects."""

    change: RunChange
    project_id: str


class Answer(Struct, frozen=True, kw_only=True):
    """What an Idempotency-Key was answered: the object as it was then.

    ``after`` is the id behind which the events of a streamed answer begin.
    Written together with the request's own changes; AlreadyAnswered if the key is taken.
    """

    project_id: str
    key: str
    fingerprint: str
    kind: AnswerKind
    body: bytes
    file_ids: tuple[str, ...] = ()
    after: str = ""
    created_at: int = 0


class OpenUpload(Struct, frozen=True, kw_only=True):
    """A new upload that takes parts before ``open_until`` (UPL-01).

    ``file_expires_after_seconds`` is how long its file is kept once it is there (FILE-08).
    """

    project_id: str
    id: str
    created_at: int
    open_until: int
    body: bytes
    file_expires_after_seconds: int | None = None


class AddPart(Struct, frozen=True, kw_only=True):
    """A new part of an upload that takes parts, or Conflict (UPL-02)."""

    project_id: str
    upload_id: str
    id: str
    size: int
    now: int


class EndUpload(Struct, frozen=True, kw_only=True):
    """The last body of an upload that is not over yet, or Conflict; its parts are given up."""

    project_id: str
    upload_id: str
    body: bytes


class ExpectBytes(Struct, frozen=True, kw_only=True):
    """Bytes are about to be stored; without a ClaimBytes they are removed after ``keep_until``."""

    key: str
    keep_until: int


class ClaimBytes(Struct, frozen=True, kw_only=True):
    """The bytes belong to a row of the same write, or Conflict when they were given up before."""

    key: str
    now: int


class AbandonBytes(Struct, frozen=True, kw_only=True):
    """The bytes can be removed at once; nothing happens when they were claimed."""

    key: str


class NewEntry(Struct, frozen=True, kw_only=True):
    """A file that is to be in a store; sizes of chunks are in tokens."""

    file_id: str
    filename: str
    size_tokens: int = 800
    overlap_tokens: int = 400
    attributes: Attributes = {}


class AddEntries(Struct, frozen=True, kw_only=True):
    """Files that join a store, each in place of an earlier entry of it.

    Conflict when the project does not have the store, or one of the files (any more).
    ``batch_id`` names the batch that they make up, which is added with them.
    """

    project_id: str
    store_id: str
    created_at: int
    entries: tuple[NewEntry, ...]
    batch_id: str | None = None


class RemoveEntry(Struct, frozen=True, kw_only=True):
    """A file that leaves a store, or Conflict when it is not in it."""

    project_id: str
    store_id: str
    file_id: str
    now: int


class ChangeAttributes(Struct, frozen=True, kw_only=True):
    """Other attributes for a file in a store (VS-11), or Conflict when it is not in it."""

    project_id: str
    store_id: str
    file_id: str
    attributes: Attributes


class CancelBatch(Struct, frozen=True, kw_only=True):
    """The files of a batch that are still in progress need not be ingested (VS-09)."""

    project_id: str
    batch_id: str


class ClaimEntry(Struct, frozen=True, kw_only=True):
    """A worker takes an entry in progress that is at ``attempt``, for the attempt after it."""

    entry: int
    attempt: int
    lease_until: float


class EndEntry(Struct, frozen=True, kw_only=True):
    """The ingestion of an entry is over, if it still is in progress at ``attempt``."""

    entry: int
    attempt: int
    usage_bytes: int = 0
    error: StoreFileError | None = None


class ReleaseEntry(Struct, frozen=True, kw_only=True):
    """Whoever took an entry for ``attempt`` works on it no more, and has not ended it.

    Others may take it at once. What this attempt may have left in the index is dropped when the
    entry is not wanted any more, even if that was done before.
    """

    entry: int
    attempt: int


class IngestAgain(Struct, frozen=True, kw_only=True):
    """The completed files of a store have to be ingested again, since its index is lost.

    ``entries`` are those of which something is lost; None stands for all.
    """

    store_id: str
    entries: tuple[int, ...] | None = None


class ForgetEntryIndex(Struct, frozen=True, kw_only=True):
    """The index keeps nothing of these entries any more."""

    entries: tuple[int, ...]


class ForgetStoreIndex(Struct, frozen=True, kw_only=True):
    """The index keeps nothing of a store that is deleted or expired any more."""

    store_id: str


Change = (
    Insert
    | Replace
    | Delete
    | StartRun
    | CommitRun
    | Answer
    | OpenUpload
    | AddPart
    | EndUpload
    | ExpectBytes
    | ClaimBytes
    | AbandonBytes
    | AddEntries
    | RemoveEntry
    | ChangeAttributes
    | CancelBatch
    | ClaimEntry
    | EndEntry
    | ReleaseEntry
    | IngestAgain
    | ForgetEntryIndex
    | ForgetStoreIndex
)


class Written(Struct, frozen=True):
    """What came of a write.

    Whether the run change found what it expected, which waiting run has its turn now, and whether
    a started run had to queue behind ``active_run_id``.
    """

    applied: bool = True
    promoted_run_id: str | None = None
    active_run_id: str | None = None
