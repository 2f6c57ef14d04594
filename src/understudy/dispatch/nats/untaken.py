"""The offers of this process that nobody has taken yet, as far as it knows."""

# An offer that was lost without a sign can be made again after this time.
REMEMBER_SECONDS = 15.0
REMEMBER_MAX = 50_000


class Untaken:
    """Runs that need not be offered again: their offers lie in the queue."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._until

    def add(self, run_id: str, now: float) -> None:
        """Remember an offer, and forget those that are too old."""
        self._until.pop(run_id, None)
        self._until[run_id] = now + REMEMBER_SECONDS
        self.forget_old(now)

    def forget_old(self, now: float) -> None:
        """Drop what lies here too long, oldest first."""
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] > now and len(self._until) <= REMEMBER_MAX:
                return
            del self._until[oldest]

    def discard(self, run_id: str) -> None:
        """Somebody has taken the run."""
        self._until.pop(run_id, None)

    def clear(self) -> None:
        """Know nothing: the queue may have been lost."""
        self._until.clear()
