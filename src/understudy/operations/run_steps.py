"""Run steps."""

from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, page
from understudy.operations.refusals import no_such
from understudy.storage.records import Row, Rows, Scope, Slice


async def get(ports: Ports, caller: Caller, thread_id: str, run_id: str, step_id: str) -> Row:
    """Return a step of the run."""
    await find(ports, caller, "run", run_id, thread_id)
    row = await ports.storage.fetch("run_step", _scope(caller, thread_id, run_id), step_id)
    if row is None:
        raise no_such("run_step", step_id)
    return row


async def list_page(ports: Ports, caller: Caller, thread_id: str, run_id: str, part: Slice) -> Rows:
    """Return a part of the run's steps (STEP-14)."""
    await find(ports, caller, "run", run_id, thread_id)
    return await page(ports, "run_step", _scope(caller, thread_id, run_id), part)


def _scope(caller: Caller, thread_id: str, run_id: str) -> Scope:
    return Scope(project_id=caller.project_id, thread_id=thread_id, run_id=run_id)
