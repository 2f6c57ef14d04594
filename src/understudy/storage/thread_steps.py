"""The steps of a thread's latest runs."""

from understudy.storage.base import Storage
from understudy.storage.records import Scope, Slice
from understudy.wire.encoding import decode_step
from understudy.wire.objects.steps import RunStep

RUNS_MAX = 10
STEPS_MAX = 100
# They are decoded on the event loop, in some milliseconds.
BYTES_MAX = 4 * 1024 * 1024


async def latest_steps(storage: Storage, project_id: str, thread_id: str) -> list[RunStep]:
    """Return the steps of the thread's latest runs, oldest first.

    There is a bounded number of them, with a bounded number of bytes; but the latest is there.
    """
    scope = Scope(project_id=project_id, thread_id=thread_id)
    runs = await storage.page("run", scope, Slice(limit=RUNS_MAX))
    newest_first: list[RunStep] = []
    room = BYTES_MAX
    for run in runs.rows:
        of_run = Scope(project_id=project_id, thread_id=thread_id, run_id=run.id)
        found = await storage.page("run_step", of_run, Slice(limit=STEPS_MAX))
        for row in found.rows:
            room -= len(row.body)
            if newest_first and room < 0:
                return newest_first[::-1]
            newest_first.append(decode_step(row.body))
    return newest_first[::-1]
