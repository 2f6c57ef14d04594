"""Projects and their keys."""

import asyncio

from msgspec.structs import replace

from understudy.storage.base import Storage
from understudy.storage.records import ApiKey

from .rows import NOW

KEY = ApiKey(hash="h1", project_id="", name="laptop", hint="sk-…1234", created_at=NOW)


async def key(storage: Storage, key_hash: str = "h1") -> ApiKey:
    """Store a key of the first project."""
    one = replace(KEY, hash=key_hash, project_id=await storage.default_project(NOW))
    await storage.add_key(one)
    return one


async def test_a_key_is_found_by_its_hash_only(storage: Storage) -> None:
    stored = await key(storage)
    assert await storage.find_key("h1") == stored
    assert await storage.find_key("h2") is None


async def test_keys_are_listed_oldest_first(storage: Storage) -> None:
    stored = [await key(storage, key_hash) for key_hash in ("h3", "h1", "h2")]
    assert await storage.list_keys() == stored


async def test_a_revoked_key_stays_known_as_revoked(storage: Storage) -> None:
    stored = await key(storage)
    assert await storage.revoke_key("h1", NOW + 1)
    assert await storage.find_key("h1") == replace(stored, revoked_at=NOW + 1)


async def test_a_key_is_revoked_once(storage: Storage) -> None:
    await key(storage)
    assert await storage.revoke_key("h1", NOW + 1)
    assert not await storage.revoke_key("h1", NOW + 2)
    assert not await storage.revoke_key("h9", NOW + 2)
    found = await storage.find_key("h1")
    assert found is not None
    assert found.revoked_at == NOW + 1


async def test_there_is_one_default_project_however_often_it_is_asked_for(
    storage: Storage,
) -> None:
    found = await asyncio.gather(*(storage.default_project(NOW) for _ in range(10)))
    assert len(set(found)) == 1


async def test_a_project_is_made_once_per_name(storage: Storage) -> None:
    first = await storage.default_project(NOW)
    team = await storage.project("team", NOW)
    assert await storage.project("team", NOW + 1) == team
    assert await storage.project("default", NOW) == first
    assert team != first
