"""The one place where the time of day is read, so that tests can hold it still."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells Unix time in seconds."""

    def now(self) -> float:
        """Return the current Unix time in seconds, with fractions."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return the current Unix time in seconds, with fractions."""
        return time.time()


class ManualClock:
    """A clock that moves only when a test says so."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return the time that was last set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += seconds
