"""Holding threads: whoever starts or changes a run holds its thread until the commit.

So a run that is put behind another cannot be overlooked when that one ends, and of two runs that
start at once the second sees the first. The threads of a transaction are locked by one statement,
in the order of their ids, so that two transactions never wait for each other.
"""

from collections.abc import Collection, Mapping

from msgspec import Struct

from understudy.storage.postgres.connecting import Database
from understudy.storage.records import ThreadBusy, ThreadGone


class Held(Struct, frozen=True):
    """Threads that nobody else touches now: the project of each, and the run that locks it."""

    projects: Mapping[str, str]
    runs: Mapping[str, str]

    def check_exists(self, project_id: str, thread_id: str) -> None:
        """Raise ThreadGone when the project has no such thread (any more)."""
        if self.projects.get(thread_id) != project_id:
            raise ThreadGone

    def check_free(self, project_id: str, thread_id: str) -> None:
        """Raise ThreadGone, or ThreadBusy when a run locks the thread."""
        self.check_exists(project_id, thread_id)
        if thread_id in self.runs:
            raise ThreadBusy(self.runs[thread_id])


async def hold(database: Database, thread_ids: Collection[str], *, with_runs: bool) -> Held:
    """Lock the threads; look for the runs that hold them if asked for."""
    if not thread_ids:
        return Held({}, {})
    found = await database.fetch(
        "SELECT id, project_id, deleted_at FROM threads WHERE id = ANY($1) "
        "ORDER BY id FOR NO KEY UPDATE",
        [*thread_ids],
    )
    projects = {
        thread_id: project_id for thread_id, project_id, deleted_at in found if deleted_at is None
    }
    return Held(projects, await _active_runs(database, thread_ids) if with_runs else {})


async def _active_runs(database: Database, thread_ids: Collection[str]) -> dict[str, str]:
    """Return the runs that hold the threads. A new statement sees what the lock waited for."""
    found = await database.fetch(
        "SELECT thread_id, id FROM runs WHERE thread_id = ANY($1) AND turn = 'holding'",
        [*thread_ids],
    )
    return dict(found)
