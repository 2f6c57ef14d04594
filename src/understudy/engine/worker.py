"""A worker: takes offers, runs a leg for each, keeps their leases alive.

An offer is only a hint. The claim decides, by the status and attempt that it expects to find.
"""

import asyncio
from functools import partial

import structlog

from understudy.engine.leg import Leg
from understudy.engine.toolbox import Tools
from understudy.errors import Unavailable
from understudy.operations.ports import Ports
from understudy.runs.status import CLAIMABLE
from understudy.storage.records import RunRecord

log = structlog.get_logger("understudy.engine")


class Worker:
    """Runs legs, at most ``legs_max`` at a time, with the hosted tools of this process."""

    def __init__(self, ports: Ports, tools: Tools) -> None:
        self._ports = ports
        self._tools = tools
        self._storage = ports.storage
        self._dispatch = ports.dispatch
        self._clock = ports.clock
        self._lease_seconds = ports.settings.lease_seconds
        legs_max = ports.settings.legs_max
        self._places = asyncio.Semaphore(legs_max)
        self._legs: dict[str, Leg] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._offered_again: set[str] = set()
        ports.dispatch.on_interrupt(self._interrupt)

    async def take_offers(self) -> None:
        """Start a leg for every offer, until cancelled."""
        while True:
            await self._places.acquire()
            run_id = await self._dispatch.next_offer()
            if run_id in self._tasks:
                # Its leg is about to let go; look again when it has.
                self._offered_again.add(run_id)
                self._places.release()
                continue
            task = asyncio.create_task(self._run_leg(run_id), name=f"leg {run_id}")
            self._tasks[run_id] = task
            task.add_done_callback(partial(self._leg_ended, run_id))

    async def keep_leases(self) -> None:
        """Prolong the leases of all legs with one write, three times per lease."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            attempts = {run_id: leg.attempt for run_id, leg in self._legs.items()}
            if attempts:
                await self._renew(attempts)

    async def _renew(self, attempts: dict[str, int]) -> None:
        until = self._clock.now() + self._lease_seconds
        try:
            await self._storage.renew_leases(attempts, until)
        except Unavailable as error:
            log.warning("leases_not_renewed", cause=error.message)

    async def drain(self, seconds: float) -> None:
        """Give running legs some time to end, then stop them; their runs stay claimable."""
        tasks = list(self._tasks.values())
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=seconds)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _run_leg(self, run_id: str) -> None:
        record = await self._storage.run_record(run_id)
        if record is None or not self._is_free(record):
            return
        lease_until = self._clock.now() + self._lease_seconds
        leg = Leg(record, self._ports, self._tools, lease_until=lease_until)
        self._legs[run_id] = leg
        try:
            await leg.run()
        finally:
            del self._legs[run_id]

    def _is_free(self, record: RunRecord) -> bool:
        """Return whether the run has something to do and nobody alive who does it."""
        status = record.state.run.status
        if status not in CLAIMABLE or not (record.has_turn or status == "cancelling"):
            return False
        return record.lease_until is None or record.lease_until < self._clock.now()

    def _leg_ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        del self._tasks[run_id]
        self._places.release()
        if not task.cancelled() and task.exception() is not None:
            # The rows are as they were: the sweeper offers the run again when its lease is over.
            log.error("leg_broke", run_id=run_id, exc_info=task.exception())
        if run_id in self._offered_again:
            self._offered_again.discard(run_id)
            again = asyncio.ensure_future(self._dispatch.offer(run_id))
            again.add_done_callback(_log_failure)

    def _interrupt(self, run_id: str) -> None:
        leg = self._legs.get(run_id)
        if leg is not None:
            leg.interrupt()


def _log_failure(future: asyncio.Future[None]) -> None:
    if not future.cancelled() and future.exception() is not None:
        log.error("offer_failed", exc_info=future.exception())
