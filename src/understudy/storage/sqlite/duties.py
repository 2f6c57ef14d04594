"""Who sees to what must be done by one process at a time."""

import sqlite3


def hold(connection: sqlite3.Connection, duty: str, owner: str, now: float, until: float) -> bool:
    """Take a duty that nobody else holds, or keep it; the row count is the verdict."""
    done = connection.execute(
        "INSERT INTO duties (name, owner, held_until) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, held_until = excluded.held_until "
        "WHERE owner = excluded.owner OR held_until <= ?",
        (duty, owner, until, now),
    )
    return done.rowcount == 1
