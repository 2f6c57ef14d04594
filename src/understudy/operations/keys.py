"""API keys: made once, shown once, stored as hashes."""

from hashlib import sha256

from understudy.ids import new_api_key
from understudy.storage.base import Keys
from understudy.storage.records import ApiKey

SHOWN_AT_START = 16
SHOWN_AT_END = 4


def hash_of(key: str) -> str:
    """Return what a key is stored as. It is long and random, so a plain hash will do."""
    return sha256(key.encode()).hexdigest()


def hint_of(key: str) -> str:
    """Return enough of a key to recognise it by."""
    return f"{key[:SHOWN_AT_START]}…{key[-SHOWN_AT_END:]}"


async def create(keys: Keys, name: str, now: int, project: str | None = None) -> str:
    """Make a key, in the default project or in the named one, and return it for the only time."""
    key = new_api_key()
    project_id = await (keys.project(project, now) if project else keys.default_project(now))
    await keys.add_key(
        ApiKey(
            hash=hash_of(key),
            project_id=project_id,
            name=name,
            hint=hint_of(key),
            created_at=now,
        )
    )
    return key


async def revoke(keys: Keys, name_or_hint: str, now: int) -> int:
    """Revoke every key of that name, hint or value; return how many there were."""
    known = await keys.list_keys()
    wanted = [
        key
        for key in known
        if name_or_hint in (key.name, key.hint) or key.hash == hash_of(name_or_hint)
    ]
    return sum([await keys.revoke_key(key.hash, now) for key in wanted])
