"""The steps of a thread's latest runs."""

from understudy.storage.base import Storage
from understudy.storage.records import Scope, Slice
from understudy.wire.encoding import decode_step
from understudy.wire.objects.steps import RunStep

RUNS_MAX = 10
STEPS_MAX = 100


async def latest_steps(storage: Storage, project_id: str, thread_id: str) -> list[RunStep]:
    """Return the steps of the thread's latest runs, oldest first; a bounded number of them."""
    scope = Scope(project_id=project_id, thread_id=thread_id)
    runs = await storage.page("run", scope, Slice(limit=RUNS_MAX))
    steps: list[RunStep] = []
    for run in reversed(runs.rows):
        of_run = Scope(project_id=project_id, thread_id=thread_id, run_id=run.id)
        found = await storage.page("run_step", of_run, Slice(limit=STEPS_MAX))
        steps += [decode_step(row.body) for row in reversed(found.rows)]
    return steps
