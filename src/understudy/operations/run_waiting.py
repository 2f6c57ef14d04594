"""Waits for a run to stop, so that a client need not poll."""

import asyncio

from understudy.dispatch.base import Subscription
from understudy.operations.ports import Caller, Ports
from understudy.operations.runs import get
from understudy.runs.status import TERMINAL
from understudy.storage.records import Row
from understudy.wire.encoding import decode_run
from understudy.wire.events import STOPPING


async def wait_for(
    ports: Ports, caller: Caller, thread_id: str, run_id: str, seconds: float
) -> Row:
    """Return the run once it needs its client or is over, or after ``seconds`` (an extension)."""
    row = await get(ports, caller, thread_id, run_id)
    if _has_stopped(row):
        return row
    subscription = await ports.dispatch.subscribe(run_id, from_now=True)
    try:
        return await _stopped(ports, caller, row, thread_id, subscription, seconds)
    finally:
        subscription.close()


async def _stopped(
    ports: Ports,
    caller: Caller,
    row: Row,
    thread_id: str,
    subscription: Subscription,
    seconds: float,
) -> Row:
    """Look at the rows whenever there is a reason to: events, a wake-up, the end of patience."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    row = await get(ports, caller, thread_id, row.id)
    while not _has_stopped(row) and (left := end - loop.time()) > 0:
        events = await subscription.next(min(left, ports.settings.patience_seconds))
        if not events or any(event.name in STOPPING for event in events):
            row = await get(ports, caller, thread_id, row.id)
    return row


def _has_stopped(row: Row) -> bool:
    status = decode_run(row.body).status
    return status == "requires_action" or status in TERMINAL
