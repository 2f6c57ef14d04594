"""A timeout between chunks that costs almost nothing per chunk."""

import asyncio
from collections.abc import Callable


class Patience:
    """Calls ``lost`` when a read has waited for longer than ``limit_seconds``.

    The timer is not moved by each read: when it rings, it looks since when the present read has
    been waiting, and sets itself again for the rest. Time between reads does not count, as it is
    ours and not the server's.
    """

    def __init__(
        self, lost: Callable[[], object], *, first_seconds: float, idle_seconds: float
    ) -> None:
        self.limit_seconds = first_seconds
        self._lost = lost
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._timer = self._loop.call_later(first_seconds, self._ring)

    def wait(self) -> None:
        """Note that a read begins."""
        self._since = self._loop.time()

    def rest(self) -> None:
        """Note that the read has ended."""
        self._since = None
        if self.limit_seconds != self._idle_seconds:
            self._change_limit()

    def stop(self) -> None:
        """Ring no more."""
        self._timer.cancel()

    def _change_limit(self) -> None:
        self.limit_seconds = self._idle_seconds
        self._timer.cancel()
        self._timer = self._loop.call_later(self._idle_seconds, self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        rest = (now if self._since is None else self._since) + self.limit_seconds - now
        if rest <= 0:
            self._lost()
        else:
            self._timer = self._loop.call_later(rest, self._ring)
