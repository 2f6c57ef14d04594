"""What can go wrong between here and the server, and what callers are told of it."""

import math
import time

import asyncpg
import structlog

from understudy.errors import Unavailable

log = structlog.get_logger("understudy.storage")

# A connection that breaks shows as any of these, depending on the moment.
FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# The server says that the connection ends: what it had just been asked may be done or not.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DatabaseDroppedError,
    asyncpg.IdleSessionTimeoutError,
)
# The server chose a victim among transactions: it wrote nothing, and can just be run again.
VICTIM = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


# While the database is away every request fails, with the same words.
QUIET_SECONDS = 5.0
FORGOTTEN_SECONDS = 60.0
CAUSES_MAX = 100


class _Log:
    """Tells each cause once, and for as long as it lasts how often, every few seconds."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], tuple[float, int]] = {}

    def tell(self, doing: str, cause: str) -> None:
        now = time.monotonic()
        told_at, untold = self._causes.get((doing, cause), (-math.inf, 0))
        if now - told_at < QUIET_SECONDS:
            self._causes[doing, cause] = (told_at, untold + 1)
            return
        if now - told_at > FORGOTTEN_SECONDS:
            untold = 0  # those were of another outage
        if len(self._causes) >= CAUSES_MAX:
            self._causes.clear()
        self._causes[doing, cause] = (now, 0)
        log.error("database_failed", doing=doing, cause=cause, times=untold + 1)


_log = _Log()


def unavailable(error: Exception, doing: str) -> Unavailable:
    """Return what callers are told of an error of the database; ``doing`` is read or written."""
    _log.tell(doing, described(error))
    refusal = Unavailable(f"The database cannot be {doing}. Try again; the log has the cause.")
    refusal.__cause__ = error
    return refusal


def described(error: Exception) -> str:
    """Return the error in words; some say nothing but their name."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
