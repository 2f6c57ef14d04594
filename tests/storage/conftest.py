"""The databases, each real. A new adapter is one more entry here."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from understudy.storage.base import Storage
from understudy.storage.sqlite.store import SqliteStorage


def open_sqlite(folder: Path) -> Storage:
    """Open the database file of the folder."""
    return SqliteStorage(folder / "understudy.db")


OPENERS: dict[str, Callable[[Path], Storage]] = {"sqlite": open_sqlite}


@pytest.fixture(params=OPENERS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """Give an empty database."""
    opened = OPENERS[request.param](tmp_path)
    try:
        yield opened
    finally:
        await opened.close()
