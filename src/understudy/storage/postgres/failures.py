"""What can go wrong between here and the server, and what callers are told of it."""

import asyncpg
import structlog

from understudy.errors import Unavailable
from understudy.repeats import Repeats

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
_repeats = Repeats()


def unavailable(error: Exception, doing: str) -> Unavailable:
    """Return what callers are told of an error of the database; ``doing`` is read or written."""
    cause = described(error)
    if times := _repeats.count((doing, cause)):
        log.error("database_failed", doing=doing, cause=cause, times=times)
    refusal = Unavailable(f"The database cannot be {doing}. Try again; the log has the cause.")
    refusal.__cause__ = error
    return refusal


def described(error: Exception) -> str:
    """Return the error in words; some say nothing but their name."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
