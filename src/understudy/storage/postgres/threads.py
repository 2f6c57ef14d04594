"""Holding threads: whoever starts or changes a run holds its thread until the commit.

So a run that is put behind another cannot be overlooked when that one ends, and of two runs that
start at once the second sees the first. Where several threads are held (in the functions of
groups), they are locked in the order of their ids, so that two transactions never wait for each
other.
"""

from msgspec import Struct

from understudy.storage.postgres.connecting import Database
from understudy.storage.records import ThreadBusy, ThreadGone


class Held(Struct, frozen=True):
    """A thread that nobody else touches now: its project, and the run that locks it."""

    project_id: str | None
    run_id: str | None

    def check_exists(self, project_id: str) -> None:
        """Raise ThreadGone when the project has no such thread (any more)."""
        if self.project_id != project_id:
            raise ThreadGone

    def check_free(self, project_id: str) -> None:
        """Raise ThreadGone, or ThreadBusy when a run locks the thread."""
        self.check_exists(project_id)
        if self.run_id is not None:
            raise ThreadBusy(self.run_id)


async def lock(database: Database, thread_id: str) -> str | None:
    """Lock the thread and return its project, or None when it is gone."""
    found = await database.fetchrow(
        "SELECT project_id, deleted_at FROM threads WHERE id = $1 FOR NO KEY UPDATE", thread_id
    )
    return found["project_id"] if found and found["deleted_at"] is None else None


async def hold(database: Database, thread_id: str) -> Held:
    """Lock the thread and look for the run that holds it."""
    project_id = await lock(database, thread_id)
    # A statement of its own sees what the lock waited for.
    run_id = await database.fetchval(
        "SELECT id FROM runs WHERE thread_id = $1 AND turn = 'holding'", thread_id
    )
    return Held(project_id, run_id)
