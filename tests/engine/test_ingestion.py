"""Files of vector stores on their way into the index: alone, amid failures, and side by side."""

import sqlite3
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from structlog.testing import capture_logs

from understudy.clock import ManualClock
from understudy.engine.ingestion import ATTEMPTS_MAX, OUTAGE_ATTEMPTS_MAX, SORRY
from understudy.errors import NotFound, UpstreamError
from understudy.operations import files, vector_store_batches, vector_store_files, vector_stores
from understudy.operations.ports import Caller, Ports
from understudy.storage.base import Storage
from understudy.storage.changes import Change, Written
from understudy.storage.records import Slice, StoredEntry
from understudy.wire.objects.vector_stores import FileCounts, StoreFileError
from understudy.wire.params.vector_store_files import NewStoreFile
from understudy.wire.params.vector_stores import NewVectorStore

from .compass import Compass
from .shelf import ME, SETTINGS, Door, Librarian, Shelf, shelved, until

LEASE_SECONDS = SETTINGS["lease_seconds"]
STRANGER = Caller(project_id="proj_2", era="v2")
RAIN = "It rains in Oslo."


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
async def shelf(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Shelf]:
    """Give a shelf at which nobody works yet."""
    async with shelved(tmp_path, clock=clock) as shelf:
        yield shelf


async def at_rest(librarian: Librarian) -> None:
    """Wait until somebody has let go of everything."""

    async def is_idle() -> bool:
        return not librarian.ingestion._tasks

    await until(is_idle)


# What becomes of files


async def test_a_file_becomes_searchable(shelf: Shelf) -> None:
    """VS-01, VS-02, VS-06: with counts and usage."""
    shelf.hire()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    before = await shelf.shown(store_id)
    assert (before.status, before.usage_bytes) == ("in_progress", 0)
    after = await shelf.settled(store_id)
    assert (after.status, after.usage_bytes) == ("completed", len(RAIN))
    assert after.file_counts == FileCounts(completed=1, total=1)
    assert await shelf.found(store_id, "Does it rain?") == [rain]
    assert shelf.desks() == []


async def test_a_bad_file_fails_alone(shelf: Shelf) -> None:
    """VS-02, VS-08, VS-09: its neighbours in the batch are completed."""
    shelf.hire()
    store_id = await shelf.store()
    rain, snow = await shelf.file(RAIN), await shelf.file("It snows in Oslo.")
    picture = await shelf.file(b"\x89PNG\r\n\x1a\n" + bytes(64), "a.png")
    broken = await shelf.file(b"%PDF-1.7\nnothing else", "a.pdf")
    added = [NewStoreFile(file_id=one) for one in (picture, rain, broken, snow)]
    batch = await vector_store_batches.create(shelf.ports, ME, store_id, added)
    store = await shelf.settled(store_id)
    counts = FileCounts(completed=2, failed=2, total=4)
    batch = await vector_store_batches.get(shelf.ports, ME, store_id, batch.id)
    assert (store.status, store.file_counts) == ("completed", counts)
    assert (batch.status, batch.file_counts) == ("completed", counts)
    unsupported = StoreFileError("unsupported_file", "The file type is not supported.")
    assert (await shelf.entry(store_id, picture)).error == unsupported
    error = (await shelf.entry(store_id, broken)).error
    assert error is not None
    assert error.code == "invalid_file"
    assert error.message.startswith("The file could not be parsed because it ")
    assert sorted(await shelf.found(store_id, "Oslo")) == sorted([rain, snow])


async def test_an_empty_file_has_nothing_to_be_found(shelf: Shelf) -> None:
    shelf.hire()
    store = await shelf.settled(await shelf.store(await shelf.file("")))
    assert store.file_counts.in_progress == 0


async def test_one_file_in_two_stores_is_read_for_both(shelf: Shelf) -> None:
    """VS-10: and leaves one of them without leaving the other."""
    shelf.hire()
    rain = await shelf.file(RAIN)
    first, second = await shelf.store(rain), await shelf.store(rain)
    await shelf.settled(first)
    await shelf.settled(second)
    await vector_store_files.delete(shelf.ports, ME, first, rain)
    assert await shelf.found(first, "rain") == []
    assert await shelf.found(second, "rain") == [rain]


# What leaves while it is read


@pytest.mark.parametrize("door", ["bytes", "index"])
@pytest.mark.parametrize("how", ["removed", "cancelled", "file deleted", "store deleted"])
async def test_what_leaves_while_it_is_read_does_not_come_back(
    shelf: Shelf, how: str, door: str
) -> None:
    """VS-09, VS-10, FILE-07: nothing is found, shown, or kept in the index."""
    librarian = shelf.hire()
    at = librarian.files.door if door == "bytes" else librarian.index.door
    at.close()
    store_id = await shelf.store()
    rain = await shelf.file(RAIN)
    added = [NewStoreFile(file_id=rain)]
    batch = await vector_store_batches.create(shelf.ports, ME, store_id, added)
    await at.reached()
    entry = await shelf.entry(store_id, rain)
    await _leave(shelf, how, entry, batch.id)
    await shelf.sweeper.sweep()
    at.open()
    await at_rest(librarian)
    assert await shelf.found(store_id, "rain") == []
    await shelf.sweeper.sweep()
    assert await shelf.kept(entry) == []
    assert await shelf.storage.live_entries([entry.entry]) == {}
    if how == "store deleted":
        assert not shelf.index_file(store_id).exists()
    else:
        status = (await vector_store_batches.get(shelf.ports, ME, store_id, batch.id)).file_counts
        assert status == FileCounts(cancelled=1, total=1)


async def _leave(shelf: Shelf, how: str, entry: StoredEntry, batch_id: str) -> None:
    if how == "removed":
        await vector_store_files.delete(shelf.ports, ME, entry.store_id, entry.file_id)
    elif how == "cancelled":
        await vector_store_batches.cancel(shelf.ports, ME, entry.store_id, batch_id)
    elif how == "file deleted":
        await files.delete(shelf.ports, ME, entry.file_id)
    else:
        await vector_stores.delete(shelf.ports, ME, entry.store_id)


async def test_a_store_that_expires_while_it_is_filled_is_dropped(
    shelf: Shelf, clock: ManualClock
) -> None:
    """VS-03: what was in work may end, what waits is cancelled, and no index is left."""
    librarian = shelf.hire(ingestions_max=1)
    librarian.index.door.close()
    rain, snow = await shelf.file(RAIN), await shelf.file("It snows.")
    store_id = await shelf.store(rain, snow, expires_after_days=1)
    await librarian.index.door.reached()
    clock.advance(86_400)
    librarian.index.door.open()

    async def is_dropped() -> bool:
        await shelf.sweeper.sweep()
        return not shelf.index_file(store_id).exists()

    await until(is_dropped)
    assert (await shelf.entry(store_id, snow)).status == "cancelled"
    assert (await shelf.shown(store_id)).status == "expired"


async def test_a_file_that_left_is_not_read_to_its_end(shelf: Shelf) -> None:
    """Its place is free as soon as its lease would have been prolonged."""
    librarian = shelf.hire(ingestions_max=1, lease_seconds=0.3)
    librarian.files.door.close()
    rain, snow = await shelf.file(RAIN), await shelf.file("It snows.")
    store_id = await shelf.store(rain, snow)
    await librarian.files.door.reached()
    await vector_store_files.delete(shelf.ports, ME, store_id, rain)
    await librarian.files.door.reached()  # for the second file
    librarian.files.door.open()
    assert (await shelf.settled(store_id)).file_counts == FileCounts(completed=1, total=1)


async def test_a_file_that_is_added_again_is_read_again(shelf: Shelf) -> None:
    """The first adding ends late, and says nothing of the second."""
    librarian = shelf.hire()
    librarian.index.door.close()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await librarian.index.door.reached()
    first = await shelf.entry(store_id, rain)
    await shelf.add(store_id, rain)
    await librarian.index.door.reached()
    librarian.index.door.open()
    assert (await shelf.settled(store_id)).file_counts == FileCounts(completed=1, total=1)
    await at_rest(librarian)
    await shelf.sweeper.sweep()
    assert await shelf.kept(first) == []
    assert await shelf.found(store_id, "rain") == [rain]


# Those who work


@pytest.mark.parametrize("outcome", ["succeeds", "fails"])
@pytest.mark.parametrize("door", ["bytes", "index"])
async def test_a_late_attempt_does_no_harm(
    shelf: Shelf, clock: ManualClock, door: str, outcome: str
) -> None:
    """It has lost its lease; another one has ended the ingestion, and that stands."""
    late = shelf.hire()
    at = late.files.door if door == "bytes" else late.index.door
    at.close()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await at.reached()
    clock.advance(LEASE_SECONDS + 1)
    shelf.hire()
    await shelf.settled(store_id)
    late.files.error = OSError("gone") if outcome == "fails" else None
    await late.vanish()
    at.open()
    await at_rest(late)
    await shelf.sweeper.sweep()
    entry = await shelf.entry(store_id, rain)
    assert (entry.status, entry.attempt, entry.usage_bytes) == ("completed", 2, len(RAIN))
    assert await shelf.kept(entry) == [RAIN]
    assert await shelf.found(store_id, "rain") == [rain]


async def test_a_late_attempt_that_breaks_off_does_no_harm(
    shelf: Shelf, clock: ManualClock
) -> None:
    """It has begun to write to the index, and its reading fails when another one has ended."""
    late = shelf.hire()
    zygote = await _zygote(shelf)
    zygote.suspend()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await until(lambda: _is_begun(shelf, store_id))
    clock.advance(LEASE_SECONDS + 1)
    shelf.hire()
    await shelf.settled(store_id)
    await late.vanish()
    zygote.kill()
    await at_rest(late)
    await shelf.sweeper.sweep()
    entry = await shelf.entry(store_id, rain)
    assert (entry.status, entry.attempt) == ("completed", 2)
    assert await shelf.kept(entry) == [RAIN]


async def _zygote(shelf: Shelf) -> psutil.Process:
    """Return the process from which readings are forked, once it is there."""
    await shelf.settled(await shelf.store(await shelf.file("So that it is there.")))
    children = psutil.Process().children()
    (process,) = (one for one in children if "understudy.retrieval.reading" in one.cmdline())
    return process


async def _is_begun(shelf: Shelf, store_id: str) -> bool:
    return shelf.index_file(store_id).exists()


async def test_a_late_attempt_leaves_nothing_of_a_file_that_was_removed(
    shelf: Shelf, clock: ManualClock
) -> None:
    """What it writes after the sweeper has been there is swept again."""
    late = shelf.hire()
    late.files.door.close()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await late.files.door.reached()
    entry = await shelf.entry(store_id, rain)
    await vector_store_files.delete(shelf.ports, ME, store_id, rain)
    clock.advance(LEASE_SECONDS + 1)
    await shelf.sweeper.sweep()
    late.index.door.close()
    late.files.door.open()
    await late.index.door.reached()
    assert await shelf.kept(entry) == [RAIN]
    late.index.door.open()
    await at_rest(late)
    await shelf.sweeper.sweep()
    assert await shelf.kept(entry) == []


async def test_a_lease_is_kept_as_long_as_the_reading_lasts(
    shelf: Shelf, clock: ManualClock
) -> None:
    """Nobody else takes the file, however short the lease."""
    librarian = shelf.hire(lease_seconds=0.3)
    librarian.files.door.close()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await librarian.files.door.reached()
    shelf.hire()

    async def is_renewed() -> bool:
        return not await shelf.storage.ingestible(clock.now() + 0.2, 1)

    for _ in range(8):
        clock.advance(0.25)
        await until(is_renewed)
    librarian.files.door.open()
    await shelf.settled(store_id)
    assert (await shelf.entry(store_id, rain)).attempt == 1


async def test_who_stops_gives_back_what_is_in_work(shelf: Shelf) -> None:
    """At once, and not when the lease would be over: the clock stands still."""
    first = shelf.hire()
    first.files.door.close()
    store_id = await shelf.store(await shelf.file(RAIN))
    await first.files.door.reached()
    await first.leave()
    assert shelf.desks() == []
    shelf.hire()
    store = await shelf.settled(store_id)
    assert store.file_counts == FileCounts(completed=1, total=1)


async def test_what_nobody_announced_is_found(shelf: Shelf) -> None:
    """The rows are the truth: here nobody worked when the files came."""
    store_id = await shelf.store(await shelf.file(RAIN))
    await shelf.ports.dispatch.entries_announced()  # and nobody else hears of it
    shelf.hire()
    await shelf.settled(store_id)


async def test_an_announcement_is_enough(shelf: Shelf) -> None:
    """The sweep of this one would come in an hour."""
    shelf.hire(sweep_seconds=3600)
    for text in (RAIN, "It snows."):
        store_id = await shelf.store(await shelf.file(text))
        await shelf.settled(store_id)


async def test_many_files_wait_for_a_few_places(shelf: Shelf) -> None:
    librarian = shelf.hire(sweep_seconds=3600, ingestions_max=3)
    librarian.files.door.close()
    store_id = await shelf.store(*[await shelf.file(f"Number {n}") for n in range(20)])
    for _ in range(3):
        await librarian.files.door.reached()
    assert len(librarian.ingestion._tasks) == 3
    librarian.files.door.open()
    counts = (await shelf.settled(store_id)).file_counts
    assert counts == FileCounts(completed=20, total=20)


async def test_a_large_store_does_not_hold_up_a_small_one(shelf: Shelf) -> None:
    """Stores take turns: whoever comes last with one file does not wait for hundreds."""
    librarian = shelf.hire(ingestions_max=1)
    librarian.files.door.close()
    large, small = sorted([await shelf.store(), await shelf.store()])
    added = [NewStoreFile(file_id=await shelf.file(f"Number {n}")) for n in range(200)]
    await vector_store_batches.create(shelf.ports, ME, large, added)
    await librarian.files.door.reached()
    await shelf.add(small, await shelf.file(RAIN))
    librarian.files.door.open()
    await shelf.settled(small)
    await librarian.leave()
    assert (await shelf.shown(large)).file_counts.in_progress > 150


async def test_a_project_with_slow_files_does_not_hold_up_another(shelf: Shelf) -> None:
    """It leaves a place to those who wait, whosever turn it would be."""
    slow = [await shelf.file(f"Number {n}") for n in range(3)]
    mine = await shelf.store(*slow)
    quick = [await shelf.file(f"Number {n}", caller=STRANGER) for n in range(4)]
    theirs = await shelf.store(*quick, caller=STRANGER)
    librarian = shelf.hire(ingestions_max=2)
    door = Door()
    door.close()
    librarian.files.doors = dict.fromkeys(slow, door)
    await shelf.settled(theirs, STRANGER)
    assert (await shelf.shown(mine)).file_counts.in_progress == 3
    door.open()
    assert (await shelf.settled(mine)).file_counts == FileCounts(completed=3, total=3)


async def test_a_project_that_is_alone_has_all_places(shelf: Shelf) -> None:
    librarian = shelf.hire(ingestions_max=2)
    librarian.files.door.close()
    store_id = await shelf.store(await shelf.file(RAIN), await shelf.file("It snows."))
    for _ in range(2):
        await librarian.files.door.reached()
    librarian.files.door.open()
    await shelf.settled(store_id)


@pytest.mark.parametrize("how", ["with a store", "alone", "in a batch"])
async def test_a_file_that_is_deleted_while_it_is_added_is_not_found(
    shelf: Shelf, how: str
) -> None:
    """ERR-43, FILE-07: rather than to stand in the store as failed for ever."""
    rain, store_id = await shelf.file(RAIN), await shelf.store()
    late = _Late(shelf.storage, partial(files.delete, shelf.ports, ME, rain))
    ports = Ports(**{**vars(shelf.ports), "storage": cast("Storage", late)})
    with pytest.raises(NotFound, match=rf"Files \[{rain}\] were not found"):
        await _add(ports, how, store_id, rain)
    assert (await shelf.shown(store_id)).file_counts == FileCounts()
    assert len((await vector_stores.list_page(shelf.ports, ME, Slice())).stores) == 1


async def _add(ports: Ports, how: str, store_id: str, file_id: str) -> None:
    new = NewStoreFile(file_id=file_id)
    if how == "with a store":
        await vector_stores.create(ports, ME, NewVectorStore(file_ids=[file_id]))
    elif how == "alone":
        await vector_store_files.create(ports, ME, store_id, new)
    else:
        await vector_store_batches.create(ports, ME, store_id, [new])


class _Late:
    """Storage in which something else happens just before the first write."""

    def __init__(self, storage: Storage, happening: Callable[[], Awaitable[None]]) -> None:
        self._storage = storage
        self._happenings = [happening]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def write(self, *changes: Change) -> Written:
        while self._happenings:
            await self._happenings.pop()()
        return await self._storage.write(*changes)


# Failures


async def test_a_file_without_bytes_fails_at_once(shelf: Shelf) -> None:
    """VS-08: nothing brings them back."""
    shelf.hire()
    rain = await shelf.file(RAIN)
    await shelf.lose(rain)
    store_id = await shelf.store(rain)
    assert (await shelf.settled(store_id)).file_counts == FileCounts(failed=1, total=1)
    entry = await shelf.entry(store_id, rain)
    assert entry.error == StoreFileError("server_error", "The file has been deleted.")
    assert entry.attempt == 1


async def test_files_to_be_read_lie_where_nobody_else_looks(shelf: Shelf) -> None:
    shelf.hire()
    await shelf.settled(await shelf.store(await shelf.file(RAIN)))
    (folder,) = shelf.ports.settings.data_dir.glob("desk-*/reading")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_files_that_cannot_be_reached_are_tried_until_they_can(
    shelf: Shelf, clock: ManualClock
) -> None:
    """The file is not to blame, even if the outage takes longer than ATTEMPTS_MAX."""
    librarian = shelf.hire()
    librarian.files.error = OSError("no route to host")
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    for attempt in range(1, ATTEMPTS_MAX + 3):
        await _attempted(shelf, store_id, rain, attempt)
        await at_rest(librarian)
        clock.advance(LEASE_SECONDS + 1)
    librarian.files.error = None
    clock.advance(LEASE_SECONDS + 1)
    assert (await shelf.settled(store_id)).file_counts == FileCounts(completed=1, total=1)


async def _attempted(shelf: Shelf, store_id: str, file_id: str, attempt: int) -> None:
    async def is_there() -> bool:
        return (await shelf.entry(store_id, file_id)).attempt >= attempt

    await until(is_there)


async def test_an_outage_is_not_waited_out_for_ever(shelf: Shelf) -> None:
    """The last attempt fails with server_error (VS-08)."""
    librarian = shelf.hire()
    librarian.files.error = OSError("no route to host")
    librarian.files.door.close()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await librarian.files.door.reached()
    await librarian.leave()
    with closing(sqlite3.connect(shelf.ports.settings.data_dir / "understudy.db")) as database:
        database.execute("UPDATE vector_store_files SET attempt = ?", (OUTAGE_ATTEMPTS_MAX - 1,))
        database.commit()
    shelf.hire().files.error = OSError("no route to host")
    assert (await shelf.settled(store_id)).file_counts == FileCounts(failed=1, total=1)
    assert (await shelf.entry(store_id, rain)).error == StoreFileError("server_error", SORRY)


async def test_what_fails_without_a_reason_fails_for_good_in_the_end(
    shelf: Shelf, clock: ManualClock
) -> None:
    """VS-08: after ATTEMPTS_MAX attempts; each waits for the end of its lease."""
    librarian = shelf.hire()
    librarian.files.error = RuntimeError("a bug")
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    for attempt in range(1, ATTEMPTS_MAX):
        await _attempted(shelf, store_id, rain, attempt)
        await at_rest(librarian)
        entry = await shelf.entry(store_id, rain)
        assert (entry.status, entry.attempt) == ("in_progress", attempt)
        clock.advance(LEASE_SECONDS + 1)
    assert (await shelf.settled(store_id)).file_counts == FileCounts(failed=1, total=1)
    entry = await shelf.entry(store_id, rain)
    assert entry.error == StoreFileError("server_error", SORRY)
    assert entry.attempt == ATTEMPTS_MAX


async def test_an_index_that_cannot_be_written_is_tried_again(
    shelf: Shelf, clock: ManualClock
) -> None:
    """Here something else lies where its folder should be."""
    folder = shelf.ports.settings.indexes_folder
    folder.write_text("in the way")
    librarian = shelf.hire()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await _attempted(shelf, store_id, rain, 1)
    await at_rest(librarian)
    assert (await shelf.entry(store_id, rain)).status == "in_progress"
    folder.unlink()
    clock.advance(LEASE_SECONDS + 1)
    await shelf.settled(store_id)
    assert await shelf.found(store_id, "rain") == [rain]


async def test_a_database_that_cannot_be_written_is_tried_again(
    shelf: Shelf, clock: ManualClock
) -> None:
    """The end of the ingestion is refused; the attempt after it writes the same again."""
    path = shelf.ports.settings.data_dir / "understudy.db"
    librarian = shelf.hire()
    librarian.index.door.close()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await librarian.index.door.reached()
    forbid = (
        "CREATE TRIGGER no_end BEFORE UPDATE OF usage_bytes ON vector_store_files "
        "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    _execute(path, forbid)
    librarian.index.door.open()
    await at_rest(librarian)
    entry = await shelf.entry(store_id, rain)
    assert entry.status == "in_progress"
    assert await shelf.found(store_id, "rain") == []
    _execute(path, "DROP TRIGGER no_end")
    clock.advance(LEASE_SECONDS + 1)
    await shelf.settled(store_id)
    assert await shelf.kept(entry) == [RAIN]


def _execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(sql)
        database.commit()


async def test_readers_that_are_killed_cost_an_attempt(shelf: Shelf, clock: ManualClock) -> None:
    """The process from which all are forked; the file is not to blame."""
    librarian = shelf.hire()
    zygote = await _zygote(shelf)
    zygote.suspend()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await until(lambda: _is_begun(shelf, store_id))
    zygote.kill()
    await at_rest(librarian)
    clock.advance(LEASE_SECONDS + 1)
    await shelf.settled(store_id)
    entry = await shelf.entry(store_id, rain)
    assert entry.status == "completed"
    assert await shelf.kept(entry) == [RAIN]
    assert shelf.desks() == []


async def test_what_a_killed_process_left_to_be_read_is_removed(shelf: Shelf) -> None:
    folder = shelf.ports.settings.data_dir / "desk-0" / "reading"
    folder.mkdir(parents=True)
    (folder / "7-1").write_text("half a file")
    shelf.hire()
    await shelf.settled(await shelf.store(await shelf.file(RAIN)))
    assert shelf.desks() == []


# Vectors


async def test_chunks_get_their_vectors(tmp_path: Path) -> None:
    compass = Compass()
    async with shelved(tmp_path, embedder=compass) as shelf:
        shelf.hire()
        store_id = await shelf.store(await shelf.file(RAIN))
        await shelf.settled(store_id)
        (hit,) = await shelf.ports.chunks.nearest(store_id, compass.north, 10)
        assert hit.chunk.text == RAIN


async def test_without_the_embedding_model_a_file_is_found_by_its_words(tmp_path: Path) -> None:
    compass = Compass()
    compass.error = UpstreamError("The endpoint 'x' could not be reached.")
    async with shelved(tmp_path, embedder=compass) as shelf:
        with capture_logs() as logs:
            shelf.hire()
            rain = await shelf.file(RAIN)
            store_id = await shelf.store(rain)
            store = await shelf.settled(store_id)
        assert store.file_counts == FileCounts(completed=1, total=1)
        assert compass.asked == 1
        assert logs == [
            {
                "event": "chunks_not_embedded",
                "log_level": "warning",
                "store_id": store_id,
                "file_id": rain,
                "model": "compass",
                "cause": "The endpoint 'x' could not be reached.",
            }
        ]
        assert not await shelf.ports.chunks.nearest(store_id, compass.north, 10)
        assert await shelf.found(store_id, "rain") == [rain]
