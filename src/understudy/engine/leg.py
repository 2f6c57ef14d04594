"""A leg: from the claim of a run until it waits for its client or is over.

The leg can be stopped from outside at any time, by its deadline or by a cancel, and both come
through one asyncio timeout: whatever the leg awaits is cut off there, except a commit, which is
always seen through (``hold.py``). Then the leg asks the rows how things stand and ends the run
as they say.
"""

import asyncio

import structlog

from understudy.engine.backoff import Backoff
from understudy.engine.hold import Hold, Superseded
from understudy.engine.request import build_request
from understudy.engine.toolbox import Toolbox, Tools, missing_tools
from understudy.engine.turn import Turn
from understudy.errors import NotAllowed, Unavailable, UpstreamBusy, UpstreamError
from understudy.operations.ports import Ports
from understudy.runs.happenings import (
    BudgetSpent,
    Cancelled,
    Claimed,
    Expired,
    Failed,
    Happening,
    HostedToolsRan,
)
from understudy.runs.hosted import Offers
from understudy.runs.planning import HOSTED_ROUNDS_MAX, Plan, hosted_rounds, plan
from understudy.storage.records import RunRecord
from understudy.tools.base import ToolFailed
from understudy.upstream.base import ModelRequest
from understudy.wire.objects.messages import Content
from understudy.wire.objects.runs import LastError
from understudy.wire.objects.steps import ToolCall

log = structlog.get_logger("understudy.engine")

SORRY = "Sorry, something went wrong."  # RUN-1D


class Leg:
    """One attempt of one worker at one run."""

    def __init__(
        self, record: RunRecord, ports: Ports, tools: Tools, *, lease_until: float
    ) -> None:
        self._hold = Hold(record, ports.storage, ports.dispatch, ports.clock)
        self._storage = ports.storage
        self._models = ports.models
        self._files = ports.files
        self._clock = ports.clock
        self._tools = tools
        self._lease_seconds = ports.settings.lease_seconds
        self._lease_until = lease_until
        self._takes_over = record.lease_until is not None
        self._turn: Turn | None = None
        self._limit: asyncio.Timeout | None = None
        self._interrupted = False
        self.has_claimed = False

    @property
    def attempt(self) -> int:
        """Return the attempt that this leg is, once it has claimed the run."""
        return self._hold.state.attempt

    @property
    def project_id(self) -> str:
        """Return whose run it is."""
        return self._hold.project_id

    def interrupt(self) -> None:
        """Stop waiting for the model, because the run shall end."""
        self._interrupted = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def claim(self) -> bool:
        """Take the run, unless somebody else was faster or it has nothing to do any more."""
        claimed = await self._happened(Claimed(lease_until=self._lease_until))
        if claimed and self._takes_over:
            # Whoever had it may have written between our look and our claim, and cannot any more.
            claimed = await self._hold.see_again()
        self.has_claimed = claimed
        return claimed

    def prolong(self, lease_until: float) -> None:
        """Note that the lease in the row lasts until then."""
        self._lease_until = lease_until

    async def run(self) -> None:
        """Work on the run that was claimed until nothing is left to do now, or others have it."""
        if self._hold.state.run.status == "cancelling":
            await self._conclude(Cancelled())
        else:
            await self._conclude(await self._outcome())

    async def _outcome(self) -> Happening | None:
        try:
            async with self._deadline() as self._limit:
                return await self._work()
        except TimeoutError as error:
            return self._stopped(error)
        except Superseded:
            return None
        except (Unavailable, OSError):
            # The database or the files are down for a while. The run is not to blame: it stays as
            # it is, and is taken up again when its lease is over.
            raise
        except ToolFailed as failure:
            log.warning("tool_failed", run_id=self._run_id, cause=failure.message)
            return self._failed("server_error", failure.message)
        except UpstreamError as error:
            log.warning("upstream_failed", run_id=self._run_id, cause=error.message)
            code = "rate_limit_exceeded" if error.rate_limited else "server_error"
            return self._failed(code, error.message)
        except Exception:
            log.exception("leg_failed", run_id=self._run_id)
            return self._failed("server_error", SORRY)
        finally:
            self._limit = None

    def _stopped(self, error: TimeoutError) -> Happening | None:
        """Tell the end of the leg's own time from a timeout of something that it waited for."""
        if self._interrupted:
            return None
        if self._limit is not None and self._limit.expired():
            return Expired(content=self._content, calls=self._calls)
        log.error("leg_timed_out", run_id=self._run_id, exc_info=error)
        return self._failed("server_error", SORRY)

    def _deadline(self) -> asyncio.Timeout:
        seconds_left = self._hold.state.deadline - self._clock.now()
        return asyncio.timeout(0 if self._interrupted else max(seconds_left, 0))

    async def _work(self) -> Happening:
        """Take turns with the model until it answers or calls functions of the client."""
        run = self._hold.state.run
        missing = missing_tools(run, self._tools)
        if missing:
            message = f"The tool {missing[0]!r} is not available on this server."
            return self._failed("server_error", message)
        toolbox = Toolbox(
            run, self._hold.project_id, self._storage, self._tools, self._ensure_lease
        )
        offers = await toolbox.offers()
        while hosted_rounds(self._hold.state) <= HOSTED_ROUNDS_MAX + 1:
            happening = await self._take_turn(toolbox, offers)
            if not isinstance(happening, HostedToolsRan):
                return happening
            await self._hold.happen(happening)
            self._turn = None
        return self._failed("server_error", "The model does not stop calling tools.")

    async def _take_turn(self, toolbox: Toolbox, offers: Offers) -> Happening:
        state = self._hold.state
        window_tokens = self._models.context_window_tokens(state.run.model)
        planned = plan(state, window_tokens, offers)
        if not isinstance(planned, Plan):
            return BudgetSpent(reason=planned, content=(), usage=None)
        request = await build_request(
            self._storage, self._files, self._hold.project_id, state, planned
        )
        turn = await self._ask(request, toolbox)
        return await turn.outcome()

    async def _ask(self, request: ModelRequest, toolbox: Toolbox) -> Turn:
        """Call the model, again and again while it is too busy and there is time left."""
        backoff = Backoff()
        calls_max = None if self._hold.state.run.parallel_tool_calls else 1
        while True:
            await self._ensure_lease()
            self._turn = turn = Turn(self._hold, toolbox, calls_max=calls_max)
            try:
                await turn.play(self._models.stream(request))
            except UpstreamBusy as busy:
                pause = backoff.next_seconds(busy.retry_after_seconds)
                if self._clock.now() + pause >= self._hold.state.deadline:
                    raise
                log.info("upstream_busy", run_id=self._run_id, pause_seconds=pause)
                await asyncio.sleep(pause)
            else:
                return turn

    async def _ensure_lease(self) -> None:
        """Ask the row whose run it is, when the lease may have run out unnoticed.

        A process that stood still, or was cut off from the database, would do again what another
        worker has done meanwhile. Raises Superseded.
        """
        now = self._clock.now()
        if now < self._lease_until:
            return
        lease_until = now + self._lease_seconds
        if not await self._storage.renew_leases({self._run_id: self.attempt}, lease_until):
            raise Superseded
        self.prolong(lease_until)

    async def _conclude(self, happening: Happening | None) -> None:
        """Commit the outcome; when the run has moved meanwhile, do what its rows ask for."""
        if happening is not None and await self._happened(happening):
            return
        if not await self._cancelled():
            self._hold.forget()

    async def _cancelled(self) -> bool:
        """End the run if it is being cancelled and still this leg's; return whether it was."""
        if not await self._hold.see_again() or self._hold.state.run.status != "cancelling":
            return False
        return await self._happened(Cancelled(content=self._content, calls=self._calls))

    async def _happened(self, happening: Happening) -> bool:
        try:
            await self._hold.happen(happening)
        except (Superseded, NotAllowed):
            return False
        return True

    def _failed(self, code: str, message: str) -> Failed:
        error = LastError(code=code, message=message)  # type: ignore[arg-type]
        return Failed(error=error, content=self._content, calls=self._calls)

    @property
    def _content(self) -> tuple[Content, ...]:
        return self._turn.content if self._turn else ()

    @property
    def _calls(self) -> tuple[ToolCall, ...]:
        return self._turn.calls if self._turn else ()

    @property
    def _run_id(self) -> str:
        return self._hold.state.run.id
