"""The sweeper: what must happen even if every message was lost and every worker died.

It offers runs that have something to do and no worker, expires runs that nobody holds (a worker
expires its own), and throws away what is too old: uploads that nobody completed, files whose time
is over, bytes that no row names, and passages of files that have left their store.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from understudy.engine.duties import Duties
from understudy.engine.hold import Hold, Superseded
from understudy.errors import NotAllowed, NotFound, Refusal
from understudy.operations import arrivals, files, uploads
from understudy.operations.ports import Caller, Ports
from understudy.runs.happenings import Expired
from understudy.storage.changes import ForgetEntryIndex, ForgetStoreIndex

log = structlog.get_logger("understudy.engine")

AT_ONCE_MAX = 1_000
OFFERS_PER_SWEEP_MAX = 4
FORGET_EVERY_SECONDS = 600


class Sweeper:
    """Looks at the rows every ``sweep_seconds``."""

    def __init__(self, ports: Ports, duties: Duties) -> None:
        self._ports = ports
        self._duties = duties
        self._storage = ports.storage
        self._chunks = ports.chunks
        self._dispatch = ports.dispatch
        self._clock = ports.clock
        self._sweep_seconds = ports.settings.sweep_seconds
        self._keep_seconds = ports.settings.idempotency_keep_seconds
        self._forget_at = 0.0
        self._seen: set[str] | None = None
        self._sweeps: dict[str, Callable[[], Awaitable[None]]] = {
            "sweep runs": self._sweep_runs,
            "sweep bytes": self._sweep_bytes,
            "sweep index": self._sweep_index,
        }

    async def sweep_for_ever(self) -> None:
        """Sweep until cancelled; a database that is down for a while is only logged.

        Bytes and passages are swept beside the runs, which cannot wait until a store of files
        answers again.
        """
        async with asyncio.TaskGroup() as duties:
            for name, sweep in self._sweeps.items():
                duties.create_task(self._repeat(name, sweep), name=name)

    async def _repeat(self, name: str, sweep: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._try(partial(self._sweep_if_mine, name, sweep))
            await asyncio.sleep(self._sweep_seconds)

    async def _sweep_if_mine(self, name: str, sweep: Callable[[], Awaitable[None]]) -> None:
        if await self._duties.is_mine(name):
            await sweep()

    async def _try(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Do one thing; what goes wrong with it must not keep the others from being done."""
        try:
            await duty()
        except Refusal as refusal:
            log.warning("sweep_failed", cause=refusal.message)
        except Exception:
            log.exception("sweep_failed")

    async def sweep(self) -> None:
        """Do every duty once, whoever's it is."""
        for sweep in self._sweeps.values():
            await sweep()

    async def _sweep_runs(self) -> None:
        now = self._clock.now()
        for run_id in await self._storage.overdue(now, AT_ONCE_MAX):
            await self._try(partial(self._expire, run_id))
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY_SECONDS
            await self._storage.forget_answers(int(now) - self._keep_seconds)
        await self._offer_runs()

    async def _offer_runs(self) -> None:
        """Offer what has something to do, and soon again while there is more than fits in a queue.

        What was not there at the last look is left alone: whoever made it is about to offer it.
        """
        for _ in range(OFFERS_PER_SWEEP_MAX):
            found = await self._storage.claimable(self._clock.now(), AT_ONCE_MAX)
            for run in found:
                if run.abandoned or self._seen is None or run.run_id in self._seen:
                    await self._dispatch.offer(run.run_id, run.project_id)
            self._seen = {run.run_id for run in found}
            if len(found) < AT_ONCE_MAX:
                return
            await asyncio.sleep(self._sweep_seconds / OFFERS_PER_SWEEP_MAX)

    async def _sweep_bytes(self) -> None:
        now = self._clock.now()
        for project_id, file_id in await self._storage.expired_files(int(now), AT_ONCE_MAX):
            await self._try(partial(self._delete_file, project_id, file_id))
        for project_id, upload_id in await self._storage.expired_uploads(int(now), AT_ONCE_MAX):
            await self._try(partial(uploads.expire, self._ports, project_id, upload_id))
        await arrivals.remove_unclaimed_bytes(self._ports, AT_ONCE_MAX)

    async def _sweep_index(self) -> None:
        now = self._clock.now()
        for store_id in await self._storage.unneeded_stores(int(now), AT_ONCE_MAX):
            await self._try(partial(self._drop_store, store_id))
        unneeded: dict[str, list[int]] = defaultdict(list)
        for store_id, entry in await self._storage.unneeded_entries(now, AT_ONCE_MAX):
            unneeded[store_id].append(entry)
        for store_id, entries in unneeded.items():
            await self._try(partial(self._drop_entries, store_id, entries))

    async def _drop_store(self, store_id: str) -> None:
        await self._chunks.drop_store(store_id)
        await self._storage.write(ForgetStoreIndex(store_id=store_id))

    async def _drop_entries(self, store_id: str, entries: Sequence[int]) -> None:
        for entry in entries:
            await self._chunks.drop_entry(store_id, entry)
        await self._storage.write(ForgetEntryIndex(entries=tuple(entries)))

    async def _expire(self, run_id: str) -> None:
        record = await self._storage.run_record(run_id)
        if record is None:
            return
        hold = Hold(record, self._storage, self._dispatch, self._clock)
        try:
            await hold.happen(Expired(unheld=True))
        except (Superseded, NotAllowed):
            log.debug("expiry_came_too_late", run_id=run_id)

    async def _delete_file(self, project_id: str, file_id: str) -> None:
        caller = Caller(project_id=project_id, era="v2")
        try:
            await files.delete(self._ports, caller, file_id)
        except NotFound:
            return  # its owner was faster
