"""What the sweeper removes from the index of chunks."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from understudy.operations import vector_store_files

from .shelf import ME, Shelf, shelved


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """Give a shelf at which nobody works yet."""
    async with shelved(tmp_path) as shelf:
        yield shelf


async def test_a_damaged_index_does_not_keep_others_from_being_swept(shelf: Shelf) -> None:
    librarian = shelf.hire()
    rain = await shelf.file("It rains in Oslo.")
    damaged, sound = await shelf.store(rain), await shelf.store(rain)
    for store_id in (damaged, sound):
        await shelf.settled(store_id)
    await librarian.leave()
    left = await shelf.entry(sound, rain)
    assert await shelf.kept(left)
    with closing(sqlite3.connect(shelf.index_file(damaged))) as index:
        index.execute("DROP TABLE spans")
    for store_id in (damaged, sound):
        await vector_store_files.delete(shelf.ports, ME, store_id, rain)
    with capture_logs() as logs:
        await shelf.sweeper.sweep()
    assert not await shelf.kept(left)
    assert [line["event"] for line in logs] == ["chunk_index_failed", "sweep_failed"]
