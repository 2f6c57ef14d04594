"""Counts what happens again and again, so that a log tells it once and then how often."""

import math
import time
from collections.abc import Callable, Hashable

QUIET_SECONDS = 5.0
FORGOTTEN_SECONDS = 60.0
CAUSES_MAX = 100


class Repeats:
    """Tells when a cause is worth a line: at once, and while it lasts every few seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._causes: dict[Hashable, tuple[float, int]] = {}

    def count(self, cause: Hashable) -> int:
        """Count it; return how often it came since it was told last, or 0 to say nothing now."""
        now = self._now()
        told_at, untold = self._causes.get(cause, (-math.inf, 0))
        if now - told_at < QUIET_SECONDS:
            self._causes[cause] = (told_at, untold + 1)
            return 0
        if now - told_at > FORGOTTEN_SECONDS:
            untold = 0  # those were of another outage
        if len(self._causes) >= CAUSES_MAX:
            self._causes.clear()
        self._causes[cause] = (now, 0)
        return untold + 1
