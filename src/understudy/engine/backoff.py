"""How long to wait before a busy upstream is asked again."""

import random

FIRST_SECONDS = 0.5
LEAST_SECONDS = 0.02
LONGEST_SECONDS = 20.0


class Backoff:
    """Doubling pauses with jitter, unless the upstream names its own."""

    def __init__(self) -> None:
        self._pause_seconds = FIRST_SECONDS
        self._least_seconds = LEAST_SECONDS

    def next_seconds(self, retry_after_seconds: float | None) -> float:
        """Return the next pause; an upstream that asks for none gets a short one that grows."""
        pause, least = self._pause_seconds * random.uniform(0.75, 1.25), self._least_seconds
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_SECONDS)
        self._least_seconds = min(self._least_seconds * 2, LONGEST_SECONDS)
        return pause if retry_after_seconds is None else max(retry_after_seconds, least)
