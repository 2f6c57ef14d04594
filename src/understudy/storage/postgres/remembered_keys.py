"""API keys that were active a moment ago, so that not every request of a client reads its key.

A key that another process revokes may open for ``REMEMBERED_SECONDS`` more. Unknown and revoked
keys are never remembered: a new key opens at once, and guesses fill nothing.
"""

import time
from collections.abc import Callable

from understudy.storage.postgres import keys
from understudy.storage.postgres.reader import Reader
from understudy.storage.records import ApiKey

REMEMBERED_SECONDS = 2.0
REMEMBERED_MAX = 10_000


class RememberedKeys:
    """Finds keys by their hashes."""

    def __init__(self, reader: Reader, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember nothing yet."""
        self._reader = reader
        self._clock = clock
        self._until: dict[str, tuple[float, ApiKey]] = {}

    async def find(self, key_hash: str) -> ApiKey | None:
        """Return the key with this hash, revoked or not."""
        now = self._clock()  # of before it is read: what it says then is no newer
        until, remembered = self._until.get(key_hash, (now, None))
        if remembered is not None and now < until:
            return remembered
        return self._noted(now, key_hash, await keys.find(self._reader, key_hash))

    async def revoke(self, key_hash: str, now: int) -> bool:
        """Mark the key as revoked, which this process knows from now on; say if there was one."""
        revoked = await keys.revoke(self._reader, key_hash, now)
        self._until.pop(key_hash, None)
        return revoked

    def _noted(self, now: float, key_hash: str, found: ApiKey | None) -> ApiKey | None:
        if found is None or found.revoked_at is not None:
            self._until.pop(key_hash, None)
            return found
        if len(self._until) >= REMEMBERED_MAX:
            self._until.clear()
        self._until[key_hash] = (now + REMEMBERED_SECONDS, found)
        return found
