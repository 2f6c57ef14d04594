"""Who sees to what must be done by one process at a time."""

from understudy.storage.postgres.reader import Reader


async def hold(reader: Reader, duty: str, owner: str, now: float, until: float) -> bool:
    """Take a duty that nobody else holds, or keep it; the row count is the verdict."""
    changed = await reader.write(
        "INSERT INTO duties (name, owner, held_until) VALUES ($1, $2, $3) "
        "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, held_until = excluded.held_until "
        "WHERE duties.owner = excluded.owner OR duties.held_until <= $4",
        duty,
        owner,
        until,
        now,
    )
    return changed == 1
