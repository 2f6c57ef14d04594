"""The port to the database.

Objects are kept as the encoded bytes of their v2 view, so that lists are joined from bytes and
never decoded. What clients do not see (the lock of a thread, leases, journals, v1 file ids)
stands beside the bytes.

What is read are the values of ``records.py``. Every write is a value of ``changes.py`` that says
all that it needs, and ``write`` applies several of them in one transaction or none. A refusal
(ThreadBusy, AlreadyAnswered, Conflict) leaves nothing behind.
"""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Protocol

from understudy.storage.changes import (
    Answer,
    Change,
    Written,
)
from understudy.storage.records import (
    ApiKey,
    Claimable,
    Entries,
    EntryScope,
    Kind,
    Row,
    Rows,
    RunHistory,
    RunRecord,
    Scope,
    Slice,
    StoredBatch,
    StoredEntry,
    Tally,
    Turns,
    UploadRecord,
)
from understudy.wire.objects.messages import Message

NO_TURNS = Turns()


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

    async def claimable(
        self, now: float, limit: int, project_id: str | None = None
    ) -> Sequence[Claimable]:
        """Return runs that have their turn, something to do, and no worker alive on them.

        The oldest of each project come first, and projects take turns: one with a hundred thousand
        queued runs does not hide another's only one. With ``project_id``, runs of that project.
        """
        ...

    async def overdue(self, now: float, limit: int) -> Sequence[str]:
        """Return runs that are past their deadline and that no worker holds."""
        ...

    async def renew_leases(self, attempts: Mapping[str, int], until: float) -> set[str]:
        """Prolong the leases of runs that still are at the given attempt.

        Return those that are to go on: not the ones that are being cancelled, or are gone.
        """
        ...

    async def release_leases(self, attempts: Mapping[str, int]) -> None:
        """Free runs that still are at the given attempt: their worker has let go of them."""
        ...

    async def hold_duty(self, duty: str, owner: str, now: float, until: float) -> bool:
        """Take a duty that nobody else holds at ``now``, or keep it; return whether it is held."""
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

    async def has_entries_in_progress(self, store_ids: Collection[str]) -> bool:
        """Return whether a file of these stores is still to be ingested."""
        ...

    async def ingestible(
        self, now: float, limit: int, turns: Turns = NO_TURNS
    ) -> Sequence[StoredEntry]:
        """Return entries in progress that no worker holds, in the order in which they are due.

        The projects take turns, and so do the stores of each, with their oldest entries: nobody
        waits for all the files of another. Both circles begin behind who had the last turn.
        """
        ...

    async def renew_entry_leases(self, attempts: Mapping[int, int], until: float) -> set[int]:
        """Prolong the leases of entries that still are at the given attempt.

        Return those that still are in progress at it: the others are worked on in vain.
        """
        ...

    async def indexed_stores(self, after: str, limit: int) -> Sequence[str]:
        """Return stores that have completed files and have not expired, in the order of ids."""
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
        """Mark the key as revoked. Return whether there was one to revoke.

        Other processes of a cluster know within two seconds.
        """
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
