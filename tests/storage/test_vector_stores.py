"""What is in vector stores: entries, batches, the work on them, and what the index can drop."""

from typing import Any

import pytest

from understudy.storage.base import Storage
from understudy.storage.changes import (
    AddEntries,
    CancelBatch,
    ChangeAttributes,
    ClaimEntry,
    Delete,
    EndEntry,
    ForgetEntryIndex,
    ForgetStoreIndex,
    Insert,
    NewEntry,
    ReleaseEntry,
    RemoveEntry,
    Replace,
)
from understudy.storage.records import (
    Conflict,
    Entries,
    EntryScope,
    Row,
    Slice,
    StoredEntry,
    Tally,
    Turns,
    UnknownCursor,
)
from understudy.wire.objects.vector_stores import FileCounts, StoreFileError

from .rows import ACME, NOW, OTHER, plain_row, within

UNREADABLE = StoreFileError("invalid_file", "The file could not be read.")


@pytest.fixture
async def storage(storage: Storage) -> Storage:
    """Give a database with nine files."""
    await storage.write(*(a_file(f"file-{number}") for number in range(1, 10)))
    return storage


def a_file(file_id: str, project_id: str = ACME) -> Insert:
    return plain_row("file", file_id, NOW, project_id=project_id, purpose="assistants")


async def make_stores(storage: Storage, *store_ids: str, **fields: Any) -> None:
    """Write empty stores."""
    await storage.write(*(plain_row("vector_store", one, NOW, **fields) for one in store_ids))


def adding(
    *files: str | NewEntry,
    store_id: str = "vs_1",
    project_id: str = ACME,
    now: int = NOW,
    batch_id: str | None = None,
) -> AddEntries:
    """Return the order to add files, named by their ids if the rest does not matter."""
    entries = (NewEntry(file_id=f, filename=f"{f}.txt") if isinstance(f, str) else f for f in files)
    return AddEntries(
        project_id=project_id,
        store_id=store_id,
        created_at=now,
        entries=tuple(entries),
        batch_id=batch_id,
    )


def removing(file_id: str, store_id: str = "vs_1", project_id: str = ACME) -> RemoveEntry:
    return RemoveEntry(project_id=project_id, store_id=store_id, file_id=file_id, now=NOW + 5)


async def found(storage: Storage, file_id: str, store_id: str = "vs_1") -> StoredEntry:
    """Return a file of a store, which has to be there."""
    entry = await storage.entry(ACME, store_id, file_id)
    assert entry is not None
    return entry


async def claim(
    storage: Storage, file_id: str, until: float = NOW + 15.0, store_id: str = "vs_1"
) -> StoredEntry:
    """Take a file for the next attempt and return it as the worker has it."""
    entry = await found(storage, file_id, store_id)
    order = ClaimEntry(entry=entry.entry, attempt=entry.attempt, lease_until=until)
    assert (await storage.write(order)).applied
    return await found(storage, file_id, store_id)


async def finish(storage: Storage, file_id: str, **fields: Any) -> StoredEntry:
    """Claim a file and end its ingestion."""
    entry = await claim(storage, file_id)
    order = EndEntry(entry=entry.entry, attempt=entry.attempt, **fields)
    assert (await storage.write(order)).applied
    return await found(storage, file_id)


async def listed(storage: Storage, part: Slice | None = None, **scope: Any) -> list[str]:
    """Return the ids of a part of a store's files."""
    return ids(await storage.entries_page(inside(**scope), part or Slice()))


def inside(**fields: Any) -> EntryScope:
    return EntryScope(**{"project_id": ACME, "store_id": "vs_1", **fields})


def ids(entries: Entries) -> list[str]:
    return [entry.file_id for entry in entries.entries]


async def ingestible(
    storage: Storage, now: float = NOW, limit: int = 10, after: str = ""
) -> list[str]:
    """Return what is due after a turn of this store."""
    turns = Turns(stores={ACME: after})
    return [entry.file_id for entry in await storage.ingestible(now, limit, turns)]


async def test_an_added_file_is_in_progress_and_keeps_what_was_given(storage: Storage) -> None:
    """VS-06, VS-11: sizes, and attributes of each type."""
    await make_stores(storage, "vs_1")
    attributes: dict[str, Any] = {"text": "é", "yes": True, "whole": 1, "part": 0.5}
    new = NewEntry(
        file_id="file-1",
        filename="a.pdf",
        size_tokens=100,
        overlap_tokens=50,
        attributes=attributes,
    )
    await storage.write(adding(new))
    entry = await found(storage, "file-1")
    assert entry == StoredEntry(
        entry=entry.entry,
        project_id=ACME,
        store_id="vs_1",
        file_id="file-1",
        filename="a.pdf",
        created_at=NOW,
        status="in_progress",
        size_tokens=100,
        overlap_tokens=50,
        attributes=attributes,
    )
    assert [type(value) for value in entry.attributes.values()] == [str, bool, int, float]


async def test_files_join_only_a_store_of_their_project_that_is_there(storage: Storage) -> None:
    """GEN-18."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(Delete(kind="vector_store", project_id=ACME, id="vs_2", now=NOW))
    for order in (
        adding("file-1", project_id=OTHER),
        adding("file-1", store_id="vs_2"),
        adding("file-1", store_id="vs_3", batch_id="vsfb_1"),
    ):
        with pytest.raises(Conflict):
            await storage.write(order)
    assert await storage.batch(ACME, "vs_3", "vsfb_1") is None
    assert await listed(storage) == []


@pytest.mark.parametrize("why", ["deleted", "of another project", "never there"])
async def test_only_files_that_are_there_join_a_store(storage: Storage, why: str) -> None:
    """ERR-43, FILE-07: whoever looked at the file before may look again. All of them or none."""
    await make_stores(storage, "vs_1")
    if why == "deleted":
        await storage.write(a_file("file-x"))
        await storage.write(Delete(kind="file", project_id=ACME, id="file-x", now=NOW))
    elif why == "of another project":
        await storage.write(a_file("file-x", OTHER))
    with pytest.raises(Conflict):
        await storage.write(adding("file-1", "file-x", batch_id="vsfb_1"))
    assert await listed(storage) == []
    assert await storage.batch(ACME, "vs_1", "vsfb_1") is None


async def test_a_file_that_is_named_twice_joins_once(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-1"))
    assert await listed(storage) == ["file-1"]


async def test_another_project_neither_sees_nor_changes_what_is_in_a_store(
    storage: Storage,
) -> None:
    """GEN-18."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", batch_id="vsfb_1"))
    before = await found(storage, "file-1")
    assert await storage.entry(OTHER, "vs_1", "file-1") is None
    assert await storage.batch(OTHER, "vs_1", "vsfb_1") is None
    assert await listed(storage, project_id=OTHER) == []
    changing = ChangeAttributes(
        project_id=OTHER, store_id="vs_1", file_id="file-1", attributes={"a": 1}
    )
    for order in (removing("file-1", project_id=OTHER), changing):
        with pytest.raises(Conflict):
            await storage.write(order)
    await storage.write(CancelBatch(project_id=OTHER, batch_id="vsfb_1"))
    assert await found(storage, "file-1") == before


async def test_counts_and_usage_follow_from_the_files(storage: Storage) -> None:
    """VS-01: a store without files has no tally."""
    await make_stores(storage, "vs_1", "vs_2", "vs_3")
    await storage.write(adding("file-1", "file-2", "file-3", "file-4", batch_id="vsfb_1"))
    await storage.write(adding("file-1", store_id="vs_2"))
    await finish(storage, "file-1", usage_bytes=7)
    await finish(storage, "file-2", usage_bytes=5)
    await finish(storage, "file-3", error=UNREADABLE)
    counts = FileCounts(in_progress=1, completed=2, failed=1, total=4)
    assert await storage.tallies(["vs_1", "vs_2", "vs_3"]) == {
        "vs_1": Tally(counts=counts, usage_bytes=12),
        "vs_2": Tally(counts=FileCounts(in_progress=1, total=1)),
    }
    await storage.write(CancelBatch(project_id=ACME, batch_id="vsfb_1"), removing("file-1"))
    counts = FileCounts(completed=1, failed=1, cancelled=1, total=3)
    assert (await storage.tallies(["vs_1"]))["vs_1"] == Tally(counts=counts, usage_bytes=5)


async def test_whether_something_is_in_progress(storage: Storage) -> None:
    """RUN-24: whoever waits asks often, so nothing is counted."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(adding("file-1"), adding("file-2", store_id="vs_2"))
    assert await storage.has_entries_in_progress(["vs_1"])
    await finish(storage, "file-1")
    assert not await storage.has_entries_in_progress(["vs_1"])
    assert await storage.has_entries_in_progress(["vs_1", "vs_2"])
    await storage.write(removing("file-2", "vs_2"))
    assert not await storage.has_entries_in_progress(["vs_1", "vs_2"])
    assert not await storage.has_entries_in_progress([])


async def test_a_file_that_is_added_again_takes_the_place_of_the_first(storage: Storage) -> None:
    """VS-06: a new entry of the index, counted once, the newest of the list."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2"))
    first = await finish(storage, "file-1", usage_bytes=7)
    again = NewEntry(file_id="file-1", filename="a.txt", attributes={"version": 2})
    await storage.write(adding(again, now=NOW + 1))
    second = await found(storage, "file-1")
    assert second.entry > first.entry
    assert (second.status, second.usage_bytes, second.attempt) == ("in_progress", 0, 0)
    assert second.attributes == {"version": 2}
    assert await listed(storage) == ["file-1", "file-2"]
    assert await storage.live_entries([first.entry]) == {}
    assert (await storage.tallies(["vs_1"]))["vs_1"].counts == FileCounts(in_progress=2, total=2)


async def test_numbers_of_entries_are_never_given_again(storage: Storage) -> None:
    """The index knows entries by their numbers, and may lag behind."""
    await make_stores(storage, "vs_1")
    seen = set()
    for _ in range(3):
        await storage.write(adding("file-1"))
        seen.add((await found(storage, "file-1")).entry)
        await storage.write(removing("file-1"))
    assert len(seen) == 3


async def test_pages_of_files(storage: Storage) -> None:
    """LIST-02 to LIST-06: both orders, both cursors; ties in the order of adding (LIST-03)."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2", "file-3"))
    await storage.write(adding("file-4", "file-5", now=NOW + 1))
    assert await listed(storage) == ["file-5", "file-4", "file-3", "file-2", "file-1"]
    page = await storage.entries_page(inside(), Slice(limit=2, order="asc", after="file-2"))
    assert (ids(page), page.has_more) == (["file-3", "file-4"], True)
    page = await storage.entries_page(inside(), Slice(limit=2, order="asc", before="file-4"))
    assert (ids(page), page.has_more) == (["file-2", "file-3"], True)
    page = await storage.entries_page(inside(), Slice(after="file-5", before="file-2"))
    assert (ids(page), page.has_more) == (["file-4", "file-3"], False)


async def test_pages_of_a_status_or_a_batch(storage: Storage) -> None:
    """LIST-09: cursors may be files that the filter leaves out."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2"))
    await storage.write(adding("file-3", "file-4", batch_id="vsfb_1"))
    await finish(storage, "file-1")
    await finish(storage, "file-3")
    assert await listed(storage, status="completed") == ["file-3", "file-1"]
    assert await listed(storage, batch_id="vsfb_1") == ["file-4", "file-3"]
    assert await listed(storage, batch_id="vsfb_1", status="in_progress") == ["file-4"]
    assert await listed(storage, Slice(after="file-2"), status="completed") == ["file-1"]


async def test_a_removed_file_keeps_its_place_as_a_cursor(storage: Storage) -> None:
    """LIST-08; what never was in the store is no cursor."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(adding("file-1", "file-2", "file-3"), adding("file-9", store_id="vs_2"))
    await storage.write(removing("file-2"))
    assert await storage.entry(ACME, "vs_1", "file-2") is None
    assert await listed(storage, Slice(after="file-2")) == ["file-1"]
    with pytest.raises(UnknownCursor):
        await listed(storage, Slice(after="file-9"))


async def test_a_file_is_removed_once(storage: Storage) -> None:
    """VS-10: from one store only."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(adding("file-1"), adding("file-1", store_id="vs_2"))
    await storage.write(removing("file-1"))
    with pytest.raises(Conflict):
        await storage.write(removing("file-1"))
    assert await listed(storage, store_id="vs_2") == ["file-1"]


async def test_attributes_are_replaced(storage: Storage) -> None:
    """VS-11."""
    await make_stores(storage, "vs_1", "vs_2")
    new = NewEntry(file_id="file-1", filename="a.txt", attributes={"old": 1})
    await storage.write(adding(new), adding(new, store_id="vs_2"))
    order = ChangeAttributes(
        project_id=ACME, store_id="vs_1", file_id="file-1", attributes={"new": "x"}
    )
    await storage.write(order)
    assert (await found(storage, "file-1")).attributes == {"new": "x"}
    assert (await found(storage, "file-1", "vs_2")).attributes == {"old": 1}
    await storage.write(removing("file-1"))
    with pytest.raises(Conflict):
        await storage.write(order)


async def test_a_deleted_file_leaves_all_stores_and_a_deleted_store_loses_its_files(
    storage: Storage,
) -> None:
    """FILE-07, VS-10."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(adding("file-1", "file-2"), adding("file-1", "file-2", store_id="vs_2"))
    await storage.write(Delete(kind="file", project_id=ACME, id="file-1", now=NOW))
    assert await listed(storage) == await listed(storage, store_id="vs_2") == ["file-2"]
    await storage.write(Delete(kind="vector_store", project_id=ACME, id="vs_1", now=NOW))
    assert await listed(storage) == []
    assert await storage.tallies(["vs_1"]) == {}
    assert await listed(storage, store_id="vs_2") == ["file-2"]
    assert [entry.store_id for entry in await storage.ingestible(NOW, 10)] == ["vs_2"]


async def test_a_batch_counts_its_files_even_when_they_have_left(storage: Storage) -> None:
    """VS-09: one that left before it was ingested counts as cancelled."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(adding("file-1", "file-2", "file-3", batch_id="vsfb_1"))
    await storage.write(adding("file-4", batch_id="vsfb_2"))
    await finish(storage, "file-1")
    await storage.write(removing("file-1"), removing("file-2"))
    batch = await storage.batch(ACME, "vs_1", "vsfb_1")
    assert batch is not None
    assert (batch.id, batch.store_id, batch.created_at) == ("vsfb_1", "vs_1", NOW)
    assert not batch.cancelled
    assert batch.counts == FileCounts(in_progress=1, completed=1, cancelled=1, total=3)
    assert await storage.batch(ACME, "vs_2", "vsfb_1") is None


async def test_a_cancelled_batch_keeps_what_is_completed(storage: Storage) -> None:
    """VS-09: what is cancelled is neither ingested nor ended any more."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2", "file-3", batch_id="vsfb_1"), adding("file-4"))
    await finish(storage, "file-1")
    worked_on = await claim(storage, "file-2")
    await storage.write(CancelBatch(project_id=ACME, batch_id="vsfb_1"))
    batch = await storage.batch(ACME, "vs_1", "vsfb_1")
    assert batch is not None
    assert batch.cancelled
    assert batch.counts == FileCounts(completed=1, cancelled=2, total=3)
    late = EndEntry(entry=worked_on.entry, attempt=worked_on.attempt)
    assert not (await storage.write(late)).applied
    assert (await found(storage, "file-2")).status == "cancelled"
    assert await ingestible(storage) == ["file-4"]


async def test_a_batch_with_nothing_in_progress_is_not_cancelled(storage: Storage) -> None:
    """VS-09."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", batch_id="vsfb_1"))
    await finish(storage, "file-1")
    await storage.write(CancelBatch(project_id=ACME, batch_id="vsfb_1"))
    batch = await storage.batch(ACME, "vs_1", "vsfb_1")
    assert batch is not None
    assert not batch.cancelled


async def test_an_entry_is_claimed_by_one(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1"))
    entry = await found(storage, "file-1")
    order = ClaimEntry(entry=entry.entry, attempt=0, lease_until=NOW + 15)
    assert (await storage.write(order)).applied
    assert not (await storage.write(order)).applied
    assert (await found(storage, "file-1")).attempt == 1


async def test_only_the_latest_attempt_ends_an_entry_and_only_once(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1"))
    slow = await claim(storage, "file-1")
    fast = await claim(storage, "file-1")
    too_late = EndEntry(entry=slow.entry, attempt=slow.attempt, error=UNREADABLE)
    assert not (await storage.write(too_late)).applied
    done = EndEntry(entry=fast.entry, attempt=fast.attempt, usage_bytes=3)
    assert (await storage.write(done)).applied
    assert not (await storage.write(done)).applied
    ended = await found(storage, "file-1")
    assert (ended.status, ended.usage_bytes, ended.error) == ("completed", 3, None)


async def test_a_failed_entry_says_why(storage: Storage) -> None:
    """VS-08."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1"))
    failed = await finish(storage, "file-1", error=UNREADABLE)
    assert (failed.status, failed.error) == ("failed", UNREADABLE)


async def test_an_entry_that_left_its_store_is_not_ended(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", batch_id="vsfb_1"))
    entry = await claim(storage, "file-1")
    await storage.write(removing("file-1"))
    order = EndEntry(entry=entry.entry, attempt=entry.attempt)
    assert not (await storage.write(order)).applied
    assert await ingestible(storage, NOW + 99) == []


async def test_what_nobody_works_on_is_ingestible_oldest_first(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2"))
    await storage.write(adding("file-3"))
    assert await ingestible(storage) == ["file-1", "file-2", "file-3"]
    assert await ingestible(storage, limit=2) == ["file-1", "file-2"]
    await claim(storage, "file-1", until=NOW + 15.0)
    await finish(storage, "file-2")
    assert await ingestible(storage, NOW + 14.0) == ["file-3"]
    assert await ingestible(storage, NOW + 15.0) == ["file-1", "file-3"]


async def test_stores_take_turns(storage: Storage) -> None:
    """In a circle that goes on where it was left."""
    await make_stores(storage, "vs_1", "vs_2", "vs_3", "vs_4")
    await storage.write(adding("file-1", "file-2", "file-3"))
    await storage.write(adding("file-4", "file-5", store_id="vs_2"))
    await storage.write(adding("file-6", store_id="vs_4"))
    in_turn = ["file-1", "file-4", "file-6", "file-2", "file-5", "file-3"]
    assert await ingestible(storage) == in_turn
    assert await ingestible(storage, limit=2) == ["file-1", "file-4"]
    assert await ingestible(storage, limit=2, after="vs_1") == ["file-4", "file-6"]
    assert await ingestible(storage, limit=2, after="vs_3") == ["file-6", "file-1"]
    assert await ingestible(storage, limit=3, after="vs_4") == in_turn[:3]
    await storage.write(Delete(kind="vector_store", project_id=ACME, id="vs_2", now=NOW))
    assert await ingestible(storage, limit=3, after="vs_1") == ["file-6", "file-1", "file-2"]


async def test_projects_take_turns_however_many_stores_they_have(storage: Storage) -> None:
    """And each goes on with the store behind that of its own last turn."""
    await make_stores(storage, "vs_1", "vs_2", "vs_3")
    await make_stores(storage, "vs_0", "vs_9", project_id=OTHER)
    await storage.write(*(a_file(f"file-{name}", OTHER) for name in "abc"))
    await storage.write(*(adding(f"file-{n}", store_id=f"vs_{n}") for n in (1, 2, 3)))
    await storage.write(adding("file-a", "file-b", store_id="vs_9", project_id=OTHER))
    await storage.write(adding("file-c", store_id="vs_0", project_id=OTHER))
    assert await ingestible(storage) == [f"file-{name}" for name in "1c2a3b"]
    turns = Turns(project_id=ACME, stores={ACME: "vs_2", OTHER: "vs_0"})
    due = await storage.ingestible(NOW, 3, turns)
    assert [entry.file_id for entry in due] == ["file-a", "file-3", "file-c"]
    due = await storage.ingestible(NOW, 1, Turns(project_id=OTHER))
    assert [entry.file_id for entry in due] == ["file-1"]


async def test_an_expired_store_has_no_turn(storage: Storage) -> None:
    """VS-03."""
    await make_stores(storage, "vs_1", expires_at=NOW + 10)
    await storage.write(adding("file-1"))
    assert await ingestible(storage, NOW + 9.5) == ["file-1"]
    assert await ingestible(storage, NOW + 10) == []


async def test_leases_are_prolonged_for_those_who_have_them(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2"))
    first = await claim(storage, "file-1")
    second = await claim(storage, "file-2")
    attempts = {first.entry: 1, second.entry: 7}
    assert await storage.renew_entry_leases(attempts, NOW + 100.0) == {first.entry}
    assert await ingestible(storage, NOW + 50.0) == ["file-2"]
    await storage.drop_all_leases()
    assert await ingestible(storage) == ["file-1", "file-2"]


async def test_who_prolongs_leases_hears_what_is_wanted(storage: Storage) -> None:
    """Not what was removed, cancelled, or ended by another attempt."""
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2"), adding("file-3", batch_id="vsfb_1"))
    attempts = {(await claim(storage, f"file-{number}")).entry: 1 for number in (1, 2, 3)}
    assert await storage.renew_entry_leases(attempts, NOW + 99.0) == attempts.keys()
    await storage.write(removing("file-1"), CancelBatch(project_id=ACME, batch_id="vsfb_1"))
    await finish(storage, "file-2")
    assert await storage.renew_entry_leases(attempts, NOW + 99.0) == set()
    assert await storage.renew_entry_leases({}, NOW + 99.0) == set()


async def test_a_released_entry_can_be_taken_at_once(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1"))
    entry = await claim(storage, "file-1")
    await storage.write(ReleaseEntry(entry=entry.entry, attempt=1))
    assert await ingestible(storage) == ["file-1"]
    await claim(storage, "file-1")
    await storage.write(ReleaseEntry(entry=entry.entry, attempt=1))
    assert await ingestible(storage) == []


async def test_what_is_released_late_is_swept_again(storage: Storage) -> None:
    """Somebody wrote to the index after it had been swept."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(adding("file-1"))
    entry = await claim(storage, "file-1")
    await storage.write(removing("file-1"))
    await storage.write(ForgetEntryIndex(entries=(entry.entry,)))
    assert await storage.unneeded_entries(NOW + 99.0, 10) == []
    await storage.write(ReleaseEntry(entry=entry.entry, attempt=1))
    assert await storage.unneeded_entries(NOW, 10) == [("vs_1", entry.entry)]
    await storage.write(Delete(kind="vector_store", project_id=ACME, id="vs_1", now=NOW))
    await storage.write(ForgetStoreIndex(store_id="vs_1"))
    assert await storage.unneeded_stores(NOW, 10) == []
    await storage.write(ReleaseEntry(entry=entry.entry, attempt=1))
    assert await storage.unneeded_stores(NOW, 10) == ["vs_1"]


async def test_what_can_be_found(storage: Storage) -> None:
    """Completed and in the store."""
    await make_stores(storage, "vs_1", "vs_2")
    await storage.write(adding("file-1", "file-2", "file-3", "file-4"))
    completed = await finish(storage, "file-1")
    failed = await finish(storage, "file-2", error=UNREADABLE)
    removed = await finish(storage, "file-3")
    await storage.write(removing("file-3"))
    waiting = await found(storage, "file-4")
    assert list(await storage.searchable_entries("vs_1")) == [completed]
    assert list(await storage.searchable_entries("vs_2")) == []
    numbers = [one.entry for one in (completed, failed, removed, waiting)]
    assert await storage.live_entries(numbers) == {completed.entry: completed}
    assert await storage.live_entries([]) == {}


async def test_the_index_can_drop_what_left_and_nobody_writes(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await storage.write(adding("file-1", "file-2", "file-3", "file-4"))
    await storage.write(adding("file-5"))
    done = await finish(storage, "file-1")
    held = await claim(storage, "file-2", until=NOW + 15.0)
    await finish(storage, "file-3")
    failed = await finish(storage, "file-5", error=UNREADABLE)
    await storage.write(*(removing(one) for one in ("file-1", "file-2", "file-4")))
    unheld = [("vs_1", done.entry), ("vs_1", failed.entry)]
    assert sorted(await storage.unneeded_entries(NOW, 10)) == unheld
    everything = sorted([*unheld, ("vs_1", held.entry)])
    assert sorted(await storage.unneeded_entries(NOW + 15.0, 10)) == everything
    dropped = tuple(entry for _, entry in everything)
    await storage.write(ForgetEntryIndex(entries=dropped))
    assert await storage.unneeded_entries(NOW + 15.0, 10) == []


async def test_the_index_can_drop_stores_that_are_deleted_or_expired(storage: Storage) -> None:
    """VS-03; an expiry that was moved counts as it is now."""
    await make_stores(storage, "vs_1", "vs_2")
    await make_stores(storage, "vs_3", "vs_4", expires_at=NOW + 10)
    await storage.write(Delete(kind="vector_store", project_id=ACME, id="vs_1", now=NOW))
    await storage.write(later("vs_4", NOW + 20))
    assert await storage.unneeded_stores(NOW + 9, 10) == ["vs_1"]
    assert sorted(await storage.unneeded_stores(NOW + 10, 10)) == ["vs_1", "vs_3"]
    await storage.write(ForgetStoreIndex(store_id="vs_1"), ForgetStoreIndex(store_id="vs_3"))
    assert await storage.unneeded_stores(NOW + 10, 10) == []
    assert await storage.unneeded_stores(NOW + 20, 10) == ["vs_4"]


async def test_the_index_of_a_store_is_kept_while_somebody_fills_it(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    await make_stores(storage, "vs_2", expires_at=NOW + 10)
    await storage.write(adding("file-1"), adding("file-2", store_id="vs_2"))
    for store_id, file_id in (("vs_1", "file-1"), ("vs_2", "file-2")):
        await claim(storage, file_id, NOW + 15.0, store_id)
    await storage.write(Delete(kind="vector_store", project_id=ACME, id="vs_1", now=NOW))
    assert await storage.unneeded_stores(NOW + 14, 10) == []
    assert sorted(await storage.unneeded_stores(NOW + 15, 10)) == ["vs_1", "vs_2"]


def later(store_id: str, expires_at: int) -> Replace:
    """Return the order to move the expiry of a store that nobody has changed."""
    row = plain_row("vector_store", store_id, NOW)
    return Replace(
        kind="vector_store",
        project_id=ACME,
        id=store_id,
        read=Row(store_id, row.body),
        body=row.body,
        expires_at=expires_at,
    )


async def test_files_of_a_store_without_index_are_not_ingested(storage: Storage) -> None:
    """VS-03: a store that expired while files were waiting."""
    await make_stores(storage, "vs_1", expires_at=NOW)
    await storage.write(adding("file-1", "file-2"))
    await finish(storage, "file-1")
    await storage.write(ForgetStoreIndex(store_id="vs_1"))
    assert await ingestible(storage) == []
    counts = FileCounts(completed=1, cancelled=1, total=2)
    assert (await storage.tallies(["vs_1"]))["vs_1"].counts == counts
    assert await storage.unneeded_entries(NOW + 99.0, 10) == []


async def test_a_write_of_several_changes_is_all_or_nothing(storage: Storage) -> None:
    await make_stores(storage, "vs_1")
    with pytest.raises(Conflict):
        await storage.write(adding("file-1", batch_id="vsfb_1"), removing("file-2"))
    assert await listed(storage) == []
    assert await storage.batch(ACME, "vs_1", "vsfb_1") is None
    assert await storage.fetch("vector_store", within(None), "vs_1") is not None
