"""An index that is lost, damaged or too old is made anew from the files; others are left alone."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from understudy.errors import IndexUnreadable

from .shelf import Shelf, shelved

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
