"""A worker: takes offers, runs a leg for each, keeps their leases alive.

An offer is only a hint. The claim decides, by the status and attempt that it expects to find. From
then on the lease in the row says who works on the run, and the offer is done with.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog

from understudy.dispatch.base import Offer
from understudy.engine.leg import Leg
from understudy.engine.places import Places
from understudy.engine.toolbox import Tools
from understudy.errors import Unavailable, UnderstudyError
from understudy.operations.ports import Ports
from understudy.runs.status import CLAIMABLE
from understudy.storage.records import RunRecord

log = structlog.get_logger("understudy.engine")

DECLINED_SECONDS = 0.5
ASK_AGAIN_SECONDS = 0.05


class Worker:
    """Runs legs, as many at a time as the settings allow, with the hosted tools of this process."""

    def __init__(self, ports: Ports, tools: Tools) -> None:
        self._ports = ports
        self._tools = tools
        self._storage = ports.storage
        self._dispatch = ports.dispatch
        self._clock = ports.clock
        self._lease_seconds = ports.settings.lease_seconds
        self._places = Places(ports.settings.legs_max, ports.settings.project_legs_max)
        self._legs: dict[str, Leg] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._offered_again: set[str] = set()
        self._passed_over: set[str] = set()
        self._asking_for: set[str] = set()
        self._errands: set[asyncio.Task[None]] = set()
        ports.dispatch.on_interrupt(self._interrupt)

    async def take_offers(self) -> None:
        """Start a leg for every offer, until cancelled."""
        while True:
            await self._places.wait_for_one()
            offer = await self._dispatch.next_offer()
            if offer.run_id in self._tasks:
                # Its leg is about to let go; look again when it has.
                self._offered_again.add(offer.run_id)
                self._places.leave()
                await offer.done()
            elif not self._places.give_to(offer.project_id):
                self._passed_over.add(offer.project_id)
                self._places.leave()
                await offer.decline(DECLINED_SECONDS)
            else:
                self._start(offer)

    def _start(self, offer: Offer) -> None:
        task = asyncio.create_task(self._run_leg(offer), name=f"leg {offer.run_id}")
        self._tasks[offer.run_id] = task
        task.add_done_callback(partial(self._leg_ended, offer))

    async def keep_leases(self) -> None:
        """Prolong the leases of all legs with one write, three times per lease."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            attempts = self._attempts()
            if attempts:
                await self._renew(attempts)

    def _attempts(self) -> dict[str, int]:
        return {run_id: leg.attempt for run_id, leg in self._legs.items() if leg.has_claimed}

    async def _renew(self, attempts: dict[str, int]) -> None:
        until = self._clock.now() + self._lease_seconds
        try:
            undisturbed = await self._storage.renew_leases(attempts, until)
        except Unavailable as error:
            log.warning("leases_not_renewed", cause=error.message)
            return
        for run_id in attempts.keys() & undisturbed & self._legs.keys():
            self._legs[run_id].prolong(until)
        for run_id in attempts.keys() - undisturbed:
            # It was cancelled, deleted or taken over, and the word of it was lost.
            self._interrupt(run_id)

    async def drain(self, seconds: float) -> None:
        """Give running legs some time to end, then stop them and hand their runs to others."""
        tasks = list(self._tasks.values())
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=seconds)
            held = dict(self._legs)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
            await self._hand_over(held)
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    async def _hand_over(self, held: dict[str, Leg]) -> None:
        """Free the runs at once; should this fail, their leases run out.

        The legs have ended by now: a claim that was being written has been seen through.
        """
        if not held:
            return
        log.info("runs_handed_over", runs=len(held))
        try:
            await self._storage.release_leases({one: leg.attempt for one, leg in held.items()})
        except Unavailable as error:
            log.warning("leases_not_released", cause=error.message)
            return
        for run_id, leg in held.items():
            await self._dispatch.offer(run_id, leg.project_id)

    async def _run_leg(self, offer: Offer) -> None:
        leg = await self._claimed(offer)
        if leg is None:
            await offer.done()
            return
        try:
            await offer.done()
            await leg.run()
        finally:
            del self._legs[offer.run_id]

    async def _claimed(self, offer: Offer) -> Leg | None:
        """Return a leg that holds the run, or None when there is nothing to do or others do it."""
        record = await self._storage.run_record(offer.run_id)
        if record is None or not self._is_free(record):
            return None
        lease_until = self._clock.now() + self._lease_seconds
        leg = Leg(record, self._ports, self._tools, lease_until=lease_until)
        # An interruption may come while the claim is being written.
        self._legs[offer.run_id] = leg
        claimed = False
        try:
            claimed = await leg.claim()
        finally:
            if not claimed:
                del self._legs[offer.run_id]
        return leg if claimed else None

    def _is_free(self, record: RunRecord) -> bool:
        """Return whether the run has something to do and nobody alive who does it."""
        status = record.state.run.status
        if status not in CLAIMABLE or not (record.has_turn or status == "cancelling"):
            return False
        return record.lease_until is None or record.lease_until < self._clock.now()

    def _leg_ended(self, offer: Offer, task: asyncio.Task[None]) -> None:
        del self._tasks[offer.run_id]
        self._places.give_back(offer.project_id)
        error = None if task.cancelled() else task.exception()
        # The rows are as they were: the sweeper offers the run again when its lease is over.
        if error is not None:
            self._dispatch.forget(offer.run_id)
        if isinstance(error, Unavailable):
            log.warning("leg_put_off", run_id=offer.run_id, cause=error.message)
        elif error is not None:
            log.error("leg_broke", run_id=offer.run_id, exc_info=error)
        if offer.run_id in self._offered_again:
            self._offered_again.discard(offer.run_id)
            self._run_errand(self._dispatch.offer(offer.run_id, offer.project_id))
        if offer.project_id in self._passed_over and offer.project_id not in self._asking_for:
            self._asking_for.add(offer.project_id)
            self._run_errand(self._offer_more(offer.project_id))

    async def _offer_more(self, project_id: str) -> None:
        """Offer runs of a project whose offers had to be declined, now that there is a place.

        One more than there are places, so that the next end of a leg asks again. Legs that end
        within a moment are asked for together.
        """
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        self._asking_for.discard(project_id)
        self._passed_over.discard(project_id)
        limit = max(self._places.left_for(project_id), 0) + 1
        for one in await self._storage.claimable(self._clock.now(), limit, project_id):
            await self._dispatch.offer(one.run_id, project_id)

    def _run_errand(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errand_ended)

    def _errand_ended(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, UnderstudyError):
            log.warning("offer_failed", cause=str(error))
        elif error is not None:
            log.error("offer_failed", exc_info=error)

    def _interrupt(self, run_id: str) -> None:
        leg = self._legs.get(run_id)
        if leg is not None:
            leg.interrupt()
