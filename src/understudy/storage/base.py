"""The port to the database.

Objects are kept as the encoded bytes of their v2 view, so that lists are joined from bytes and
never decoded. What clients do not see (the lock of a thread, leases, journals, v1 file ids)
stands beside the bytes.

Every write is a value that says all that it needs, and ``write`` applies several of them in one
transaction or none. A refusal (ThreadBusy, AlreadyAnswered, Conflict) leaves nothing behind.
"""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from understudy.errors import UnderstudyError
from understudy.runs.journal import Entry
from understudy.runs.state import RunChange, RunState
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
    """Files that join a store, each in place of an earlier entry of it; Conflict without the store.

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


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run as workers see it."""

    project_id: str
    state: RunState
    file_ids: tuple[str, ...] = ()
    lease_until: float | None = None
    has_turn: bool = True


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


class Objects(Protocol):
    """Reading what clients see."""

    async def fetch(self, kind: Kind, scope: Scope, object_id: str) -> Row | None:
        """Return the object, or None when the scope does not hold it."""
        ...

    async def page(self, kind: Kind, scope: Scope, part: Slice) -> Rows:
        """Return a part of the list. Raises UnknownCursor."""
        ...

    async def missing_files(self, project_id: str, file_ids: Sequence[str]) -> list[str]:
        """Return those of the ids that the project has no file for, in their order."""
        ...

    async def users_of_file(self, file_id: str) -> Sequence[tuple[Kind, str]]:
        """Return (kind, id) of the objects that name the file, or once did."""
        ...

    def write(self, *changes: Change) -> Awaitable[Written]:
        """Apply all changes in one transaction, or none.

        Raises ThreadBusy, ThreadGone, Conflict and AlreadyAnswered when awaited. Once called, the
        write goes on even if nobody waits for it any more.
        """
        ...

    async def answered(self, project_id: str, key: str) -> Answer | None:
        """Return what the Idempotency-Key was answered."""
        ...

    async def unfinished_runs(self, thread_id: str) -> Sequence[str]:
        """Return the run that locks the thread and those that wait for their turn."""
        ...


class Work(Protocol):
    """What workers ask about runs."""

    async def run_record(self, run_id: str) -> RunRecord | None:
        """Return the run with its steps, or None when it is gone."""
        ...

    async def run_history(self, scope: Scope, run_id: str) -> RunHistory | None:
        """Return everything that happened in the run, or None when the scope does not hold it."""
        ...

    async def thread_messages(self, thread_id: str) -> Sequence[Message]:
        """Return the thread's messages, oldest first."""
        ...

    async def claimable(self, now: float, limit: int) -> Sequence[str]:
        """Return runs that have their turn, something to do, and no worker alive on them."""
        ...

    async def overdue(self, now: float, limit: int) -> Sequence[str]:
        """Return runs that are past their deadline and that no worker holds."""
        ...

    async def renew_leases(self, attempts: Mapping[str, int], until: float) -> None:
        """Prolong the leases of runs that still are at the given attempt."""
        ...

    async def drop_all_leases(self) -> None:
        """Free every run and entry, when it is certain that no other worker is alive."""
        ...

    async def forget_answers(self, before: int) -> None:
        """Remove Idempotency-Keys that are older."""
        ...

    async def expired_files(self, now: int, limit: int) -> Sequence[tuple[str, str]]:
        """Return (project id, file id) of files whose time is over (FILE-08)."""
        ...


class Uploads(Protocol):
    """Files that arrive in parts, and bytes that no row names."""

    async def upload_record(self, project_id: str, upload_id: str) -> UploadRecord | None:
        """Return the project's upload, or None."""
        ...

    async def expired_uploads(self, now: int, limit: int) -> Sequence[tuple[str, str]]:
        """Return (project id, upload id) of uploads that are not over but past their time."""
        ...

    async def unclaimed_bytes(self, now: int, limit: int) -> Sequence[str]:
        """Return the keys of bytes that are to be removed: abandoned, or claimed by nobody."""
        ...

    async def forget_unclaimed_bytes(self, keys: Sequence[str]) -> None:
        """Strike out keys whose bytes have been removed."""
        ...


class VectorStores(Protocol):
    """What is in vector stores. The stores themselves are objects like others."""

    async def tallies(self, store_ids: Collection[str]) -> Mapping[str, Tally]:
        """Return counts and usage of each store; one without files is left out."""
        ...

    async def entry(self, project_id: str, store_id: str, file_id: str) -> StoredEntry | None:
        """Return the file in the store, or None."""
        ...

    async def entries_page(self, scope: EntryScope, part: Slice) -> Entries:
        """Return a part of the files of a store. Raises UnknownCursor."""
        ...

    async def searchable_entries(self, store_id: str) -> Sequence[StoredEntry]:
        """Return the files of a store that can be found: completed, and not removed."""
        ...

    async def live_entries(self, entries: Collection[int]) -> Mapping[int, StoredEntry]:
        """Return those of the entries that can be found."""
        ...

    async def batch(self, project_id: str, store_id: str, batch_id: str) -> StoredBatch | None:
        """Return the batch of the store, or None."""
        ...

    async def ingestible(self, now: float, limit: int, after: str = "") -> Sequence[StoredEntry]:
        """Return entries in progress that no worker holds, in the order in which they are due.

        The stores take turns, in a circle that begins behind the store ``after``, each with its
        oldest entries, so that none waits for all the files of another.
        """
        ...

    async def renew_entry_leases(self, attempts: Mapping[int, int], until: float) -> set[int]:
        """Prolong the leases of entries that still are at the given attempt.

        Return those that still are in progress at it: the others are worked on in vain.
        """
        ...

    async def unneeded_entries(self, now: float, limit: int) -> Sequence[tuple[str, int]]:
        """Return (store id, entry) of what the index can drop: not to be found, and unheld."""
        ...

    async def unneeded_stores(self, now: int, limit: int) -> Sequence[str]:
        """Return stores that are deleted or expired, that the index may keep, and nobody fills."""
        ...


class Keys(Protocol):
    """Projects and their keys."""

    async def find_key(self, key_hash: str) -> ApiKey | None:
        """Return the key with this hash, revoked or not."""
        ...

    async def list_keys(self) -> Sequence[ApiKey]:
        """Return all keys, oldest first."""
        ...

    async def add_key(self, key: ApiKey) -> None:
        """Store a key."""
        ...

    async def revoke_key(self, key_hash: str, now: int) -> bool:
        """Mark the key as revoked. Return whether there was one to revoke."""
        ...

    async def default_project(self, now: int) -> str:
        """Return the id of the first project, made if there is none."""
        ...

    async def project(self, name: str, now: int) -> str:
        """Return the id of the project with this name, made if there is none."""
        ...


class Storage(Objects, Work, Uploads, VectorStores, Keys, Protocol):
    """The whole database."""

    async def check(self) -> None:
        """Raise Unavailable with the cause when the database cannot be read or written."""
        ...

    async def close(self) -> None:
        """Finish what was submitted and close."""
        ...
