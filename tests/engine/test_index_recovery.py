"""An index that is lost, damaged or too old is made anew from the files; others are left alone."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from understudy.engine.index_recovery import recover_indexes
from understudy.errors import IndexUnreadable, UpstreamError

from .compass import Compass
from .shelf import Shelf, shelved, until

RAIN = "It rains in Bergen."


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """Give a shelf at which nobody works yet."""
    async with shelved(tmp_path) as shelf:
        yield shelf


def remove(path: Path) -> None:
    path.unlink()


def damage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(4_000))


def age(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("spoil", [remove, damage, age])
async def test_a_spoilt_index_is_made_anew_at_the_next_start(
    shelf: Shelf, spoil: Callable[[Path], None]
) -> None:
    first = shelf.hire()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    usage_bytes = (await shelf.settled(store_id)).usage_bytes
    await first.leave()
    shelf.close_index_files()
    spoil(shelf.index_file(store_id))
    shelf.hire()
    await shelf.finds(store_id, "Does it rain?", rain)
    store = await shelf.settled(store_id)
    assert (store.status, store.usage_bytes) == ("completed", usage_bytes)


async def test_what_an_index_lacks_is_added_at_the_next_start(shelf: Shelf) -> None:
    """Such as an older copy of it, put back after a loss."""
    first = shelf.hire()
    rain, snow = await shelf.file(RAIN), await shelf.file("It snows in Oslo.")
    store_id = await shelf.store(rain, snow)
    await shelf.settled(store_id)
    await first.leave()
    lost = await shelf.entry(store_id, snow)
    await shelf.ports.chunks.drop_entry(store_id, lost.entry)
    shelf.hire()
    await shelf.finds(store_id, "Does it snow?", snow)
    assert await shelf.found(store_id, "Does it rain?") == [rain]
    assert (await shelf.entry(store_id, rain)).attempt == 1


async def test_an_index_that_is_well_is_not_read_again(shelf: Shelf) -> None:
    first = shelf.hire()
    rain = await shelf.file(RAIN)
    store_id = await shelf.store(rain)
    await shelf.settled(store_id)
    await first.leave()
    again = shelf.hire()
    again.files.error = OSError("nobody may read the files again")
    snow = await shelf.store()
    await shelf.settled(snow)
    assert (await shelf.entry(store_id, rain)).attempt == 1
    assert await shelf.found(store_id, "Does it rain?") == [rain]


async def test_a_damaged_index_says_which_store_and_what_to_do(shelf: Shelf) -> None:
    shelf.hire()
    store_id = await shelf.store(await shelf.file(RAIN))
    await shelf.settled(store_id)
    shelf.close_index_files()
    damage(shelf.index_file(store_id))
    with pytest.raises(IndexUnreadable, match=f"'{store_id}' cannot be used.*restart") as refusal:
        await shelf.found(store_id, "Does it rain?")
    assert refusal.value.status_hint == 503


async def test_files_that_the_model_failed_for_get_their_vectors_at_the_next_start(
    tmp_path: Path,
) -> None:
    """The others are left alone."""
    compass = Compass()
    async with shelved(tmp_path, embedder=compass) as shelf:
        first = shelf.hire()
        rain = await shelf.file(RAIN)
        store_id = await shelf.store(rain)
        await shelf.settled(store_id)
        compass.error = UpstreamError("down")
        snow = await shelf.file("It snows in Tromsø.")
        await shelf.add(store_id, snow)
        await shelf.settled(store_id)
        assert await toward_north(shelf, store_id, compass) == [RAIN]
        await first.leave()
        compass.error = None
        with capture_logs() as logs:
            shelf.hire()
            await points_north(shelf, store_id, compass, RAIN, "It snows in Tromsø.")
        assert [(one["event"], one["store_id"], one["files"]) for one in logs] == [
            ("vectors_made_anew", store_id, 1)
        ]
        assert compass.asked == 4  # for two files, one of them twice, and whether it is there


async def test_files_with_vectors_of_another_model_get_new_ones(tmp_path: Path) -> None:
    compass = Compass()
    async with shelved(tmp_path, embedder=compass) as shelf:
        first = shelf.hire()
        store_id = await shelf.store(await shelf.file(RAIN))
        await shelf.settled(store_id)
        await first.leave()
        compass.model = "compass@2"
        shelf.hire()
        await points_north(shelf, store_id, compass, RAIN)


async def test_without_the_model_files_go_on_being_found_by_their_words(tmp_path: Path) -> None:
    compass = Compass()
    compass.error = UpstreamError("down")
    async with shelved(tmp_path, embedder=compass) as shelf:
        first = shelf.hire()
        rain = await shelf.file(RAIN)
        stores = [await shelf.store(rain), await shelf.store(rain)]
        for store_id in stores:
            await shelf.settled(store_id)
        await first.leave()
        with capture_logs() as logs:
            ports = shelf.ports
            await recover_indexes(ports.storage, ports.chunks, ports.dispatch, ports.embedder)
        assert [(one["event"], one["cause"]) for one in logs] == [("vectors_not_made_anew", "down")]
        for store_id in stores:
            assert await shelf.found(store_id, "rain") == [rain]


async def points_north(shelf: Shelf, store_id: str, compass: Compass, *texts: str) -> None:
    """Wait until these texts have vectors, and no others."""

    async def is_so() -> bool:
        return sorted(await toward_north(shelf, store_id, compass)) == sorted(texts)

    await until(is_so)


async def toward_north(shelf: Shelf, store_id: str, compass: Compass) -> list[str]:
    hits = await shelf.ports.chunks.nearest(store_id, compass.north, 10)
    return [hit.chunk.text for hit in hits]
