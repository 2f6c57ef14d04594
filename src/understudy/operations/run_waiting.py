"""Waits for a run to stop, so that a client need not poll."""

import asyncio

from understudy.dispatch.base import Subscription
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import (
    decode_run,
)
from understudy.operations.runs import get
from understudy.runs.status import TERMINAL
from understudy.storage.base import (
    Row,
)
from understudy.wire.events import STOPPING


async def wait_for(
    ports: Ports, caller: Caller, thread_id: str, run_id: str, seconds: float
) -> Row:
    """Return the run once it needs its client or is over, or after ``seconds`` (an extension)."""
    row = await get(ports, caller, thread_id, run_id)
    if _has_stopped(row):
        return row
    subscription = await ports.dispatch.subscribe(run_id)
    try:
        row = await get(ports, caller, thread_id, run_id)
        if not _has_stopped(row):
            await _stopping_event(subscription, seconds)
            row = await get(ports, caller, thread_id, run_id)
    finally:
        subscription.close()
    return row


def _has_stopped(row: Row) -> bool:
    status = decode_run(row.body).status
    return status == "requires_action" or status in TERMINAL


async def _stopping_event(subscription: Subscription, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        events = await subscription.next(left)
        if any(event.name in STOPPING for event in events):
            return
