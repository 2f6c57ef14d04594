"""Keys that were just found open without another look, for no longer than is promised."""

import pytest
from msgspec.structs import replace

from understudy.storage.postgres.remembered_keys import REMEMBERED_SECONDS, RememberedKeys
from understudy.storage.postgres.store import PostgresStorage

from .rows import NOW
from .test_keys import key

pytestmark = pytest.mark.cluster


class Clock:
    """A time that stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_that_another_process_revokes_opens_two_seconds_at_most(
    postgres_url: str,
) -> None:
    ours = await PostgresStorage.open(postgres_url)
    theirs = await PostgresStorage.open(postgres_url)
    clock = Clock()
    remembered = RememberedKeys(ours.reader, clock)
    active = await key(theirs)
    assert await remembered.find("h1") == active
    await theirs.revoke_key("h1", NOW)
    clock.now += REMEMBERED_SECONDS - 0.1
    assert await remembered.find("h1") == active
    clock.now += 0.1
    assert await remembered.find("h1") == replace(active, revoked_at=NOW)
    await ours.close()
    await theirs.close()


async def test_what_opens_nothing_is_not_remembered(postgres_url: str) -> None:
    storage = await PostgresStorage.open(postgres_url)
    assert await storage.find_key("h1") is None
    active = await key(storage)
    assert await storage.find_key("h1") == active
    await storage.revoke_key("h1", NOW)
    assert await storage.find_key("h1") == replace(active, revoked_at=NOW)
    await storage.close()
