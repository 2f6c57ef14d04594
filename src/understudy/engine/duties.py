"""Duties that one process at a time sees to, such as sweeping."""

from typing import Protocol
from uuid import uuid4

from understudy.clock import Clock
from understudy.storage.base import Storage

DUTY_SECONDS = 6.0


class Duties(Protocol):
    """Who sees to what."""

    async def is_mine(self, duty: str) -> bool:
        """Return whether this process is to see to the duty now."""
        ...


class AllDuties:
    """The duties of a process that is the only one, by the lock of its data folder."""

    async def is_mine(self, duty: str) -> bool:
        """Return True."""
        del duty
        return True


class SharedDuties:
    """Duties that several processes share: each is a row with an owner and a lease.

    Whoever asks first has the duty, and keeps it while it goes on asking. If it dies or is stopped,
    another one takes over within ``DUTY_SECONDS``. What is done twice because a process was held
    up in mid-duty does no harm: all duties only bring rows to where they belong.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._owner = uuid4().hex
        self._renew_at: dict[str, float] = {}

    async def is_mine(self, duty: str) -> bool:
        """Take or keep the duty, with a write once in half a lease. Raises Unavailable."""
        now = self._clock.now()
        if now < self._renew_at.get(duty, 0.0):
            return True
        self._renew_at.pop(duty, None)
        if not await self._storage.hold_duty(duty, self._owner, now, now + DUTY_SECONDS):
            return False
        self._renew_at[duty] = now + DUTY_SECONDS / 2
        return True
