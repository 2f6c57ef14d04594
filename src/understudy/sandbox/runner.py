"""The runner: sessions by key, a few warm ones in reserve, and nobody who stays for ever.

One task has the duty of time: it ends sessions that nobody has used for long. Another one keeps the
reserve filled, and a third looks again at a host that was too busy to be tested. A session belongs
to whoever acquired it last; the holder before is told to let go, so that a worker that lost its
thread cannot hold up the one that has it now.

A full house makes room at the cost of whoever holds most of it: an owner, which is a tag that only
clients understand, cannot drive out the idle sessions of one who holds fewer.
"""

import asyncio
import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from understudy.sandbox.cgroups.base import Groups
from understudy.sandbox.cgroups.finding import find_groups
from understudy.sandbox.inside.plan import Isolation, SessionPlan, ZygotePlan
from understudy.sandbox.limits import Limits
from understudy.sandbox.live_session import LiveSession
from understudy.sandbox.refusal import CannotIsolate, Refusal
from understudy.sandbox.self_test import self_test
from understudy.sandbox.zygote_process import Zygote

PRELOAD = ("numpy", "pandas", "matplotlib.pyplot", "openpyxl", "IPython")
SPAWN_PAUSE_SECONDS = 1.0
END_SECONDS_MAX = 10.0
IDLE_LOOKS = 4
IDLE_LOOK_SECONDS_MIN, IDLE_LOOK_SECONDS_MAX = 0.05, 30.0


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """What a runner is told at its start."""

    environment: str
    isolation: Isolation = "namespaces"
    scratch: str = ""
    limits: Limits = field(default_factory=Limits)
    sessions_max: int = 100
    warm: int = 2
    idle_seconds: float = 3600.0
    start_seconds: float = 60.0
    probe_again_seconds: float = 60.0
    preload: tuple[str, ...] = PRELOAD


class Full(Exception):
    """Every session is in use."""


@dataclass(slots=True)
class _Place:
    """A session under its key, with whoever holds it."""

    session: LiveSession
    owner: str
    used_at: float
    let_go: Callable[[], None] | None = None


class Runner:
    """Gives out sessions."""

    def __init__(self, settings: RunnerSettings) -> None:
        self.settings = settings
        self.refusal: Refusal | None = None
        self._groups: Groups | None = None
        self._zygote: Zygote | None = None
        self._places: dict[str, _Place] = {}
        self._warm: deque[LiveSession] = deque()
        self._free_slots = deque(range(settings.sessions_max + settings.warm))
        self._starting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._duties: list[asyncio.Task[None]] = []
        self._closings: set[asyncio.Task[None]] = set()
        # Set when a runner that is good for one session only has had it.
        self.spent = asyncio.Event()

    async def start(self) -> None:
        """Bring up the zygote and attack a first session; a refusal is kept, not raised."""
        self._groups = find_groups()
        await self.probe()
        self._duties = [
            asyncio.create_task(self._keep_warm()),
            asyncio.create_task(self._end_idle()),
            asyncio.create_task(self._probe_again()),
        ]

    async def probe(self) -> Refusal | None:
        """Bring up a session and attack it; returns why it cannot be trusted, if so.

        Where all sessions are in use there is no room for a test: what was known stays known.
        """
        try:
            await self._test()
        except CannotIsolate as cannot:
            self.refusal = cannot.refusal
        except OSError as error:
            self.refusal = Refusal("runner", error.errno or 0, str(error))
        except Full:
            pass
        else:
            self.refusal = None
            self._changed.set()
        return self.refusal

    def report(self) -> dict[str, Any]:
        """Describe the state for people and machines."""
        zygote = self._zygote
        return {
            "isolation": self.settings.isolation,
            "ok": self.refusal is None,
            "refusal": self.refusal.to_plain() if self.refusal else None,
            "cgroups": self._groups.name if self._groups else "",
            "zygote": zygote.facts if zygote else {},
            "sessions": len(self._places),
            "warm": len(self._warm),
            "limits": asdict(self.settings.limits),
        }

    async def acquire(
        self, key: str, let_go: Callable[[], None], owner: str = ""
    ) -> tuple[LiveSession, bool]:
        """Return the session of the key, and whether it is a new one.

        ``let_go`` is called when somebody else acquires it. Raises CannotIsolate and Full.
        """
        if self.refusal:
            raise CannotIsolate(self.refusal)
        place = self._places.get(key)
        if place and place.let_go:
            place.let_go()
        if place and place.session.alive:
            place.let_go = let_go
            place.used_at = time.monotonic()
            return place.session, False
        if place:
            self._forget(key)
        session = await self._take(owner)
        # Another caller may have brought one for the same key meanwhile.
        other = self._places.get(key)
        if other:
            if other.let_go:
                other.let_go()
            self._forget(key)
        self._places[key] = _Place(session, owner, time.monotonic(), let_go)
        return session, True

    def release(self, key: str, let_go: Callable[[], None]) -> None:
        """Let the session be nobody's, unless somebody else has it by now."""
        place = self._places.get(key)
        if place and place.let_go is let_go:
            place.let_go = None
            place.used_at = time.monotonic()
            self._changed.set()

    def end(self, key: str, session: LiveSession) -> None:
        """End a session for good, if it still is the one under its key."""
        place = self._places.get(key)
        if place and place.session is session:
            self._forget(key)

    def forget(self, key: str) -> None:
        """End the session of the key, if there is one, whoever holds it."""
        place = self._places.get(key)
        if place:
            if place.let_go:
                place.let_go()
            self._forget(key)

    async def forget_files(self, key: str, names: Sequence[str]) -> None:
        """Remove files from the session of the key, if there is one, whoever holds it."""
        place = self._places.get(key)
        if place:
            await place.session.data.remove(names)

    async def close(self) -> None:
        """End all sessions and the zygote, and leave nothing behind."""
        for duty in self._duties:
            duty.cancel()
        await asyncio.gather(*self._duties, return_exceptions=True)
        for key in list(self._places):
            self._forget(key)
        while self._warm:
            self._close_soon(self._warm.popleft())
        if self._closings:
            await asyncio.wait(self._closings, timeout=END_SECONDS_MAX)
        if self._zygote:
            await self._zygote.end()
        if self._groups:
            await asyncio.to_thread(self._groups.close)

    async def _test(self) -> None:
        session = await self._spawn()
        try:
            await self_test(session, self.settings.isolation)
        finally:
            await self._close(session)

    async def _take(self, owner: str) -> LiveSession:
        while self._warm:
            session = self._warm.popleft()
            self._changed.set()
            if session.alive:
                return session
            self._close_soon(session)
        return await self._spawn(owner)

    async def _spawn(self, owner: str = "") -> LiveSession:
        """Start a session; an idle one makes room. Raises CannotIsolate and Full."""
        while not self._free_slots:
            if self._closings:
                await asyncio.wait(self._closings, return_when=asyncio.FIRST_COMPLETED)
            else:
                await self._make_room(owner)
        slot = self._free_slots.popleft()
        try:
            return await self._spawn_at(slot)
        except BaseException:
            self._free_slots.append(slot)
            raise

    async def _spawn_at(self, slot: int) -> LiveSession:
        assert self._groups, "started"
        zygote = await self._running_zygote()
        group = self._groups.make(slot, self.settings.limits)
        doors = group.open_doors()
        try:
            plan = SessionPlan(slot, self.settings.limits, group.counts_memory)
            spawned = await zygote.spawn(plan, doors)
        except BaseException:
            await asyncio.to_thread(group.remove)
            raise
        finally:
            for door in doors:
                os.close(door)
        contained = self.settings.isolation == "namespaces"
        user = zygote.host_user(slot) if contained else None
        return LiveSession(spawned, group, self.settings.limits, user, slot)

    async def _running_zygote(self) -> Zygote:
        async with self._starting:
            if self._zygote is None or not self._zygote.alive:
                self._zygote = await Zygote.start(
                    ZygotePlan(
                        isolation=self.settings.isolation,
                        environment=self.settings.environment,
                        preload=self.settings.preload,
                        scratch=self.settings.scratch,
                    ),
                    self.settings.start_seconds,
                )
                self._zygote.when_ended(self._on_zygote_ended)
            return self._zygote

    def _on_zygote_ended(self) -> None:
        """Let go on what is frozen: it could not die with the zygote."""
        for session in [*self._warm, *(place.session for place in self._places.values())]:
            session.kill("exit")
        self._changed.set()

    async def _make_room(self, owner: str) -> None:
        """End the idle session unused for longest of whoever holds most, but at least as many."""
        held = Counter(place.owner for place in self._places.values())
        unused = {
            key: (-held[place.owner], place.owner != owner, place.used_at)
            for key, place in self._places.items()
            if not place.let_go and held[place.owner] >= held[owner]
        }
        # A pod that is the sandbox itself is never somebody else's afterwards.
        if not unused or self.settings.isolation == "external":
            raise Full(f"All {self.settings.sessions_max} sessions are in use.")
        await self._close(self._places.pop(min(unused, key=unused.__getitem__)).session)

    def _forget(self, key: str) -> None:
        if self.settings.isolation == "external":
            self.spent.set()
        self._close_soon(self._places.pop(key).session)

    def _close_soon(self, session: LiveSession) -> None:
        task = asyncio.create_task(self._close(session))
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    async def _close(self, session: LiveSession) -> None:
        await session.close()
        self._free_slots.append(session.slot)

    async def _keep_warm(self) -> None:
        while True:
            self._changed.clear()
            if self.refusal is None:
                with contextlib.suppress(CannotIsolate, Full, OSError):
                    await self._fill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._fill_again_seconds()):
                    await self._changed.wait()

    async def _fill(self) -> None:
        while len(self._warm) < self.settings.warm and self._free_slots:
            self._warm.append(await self._spawn())

    def _fill_again_seconds(self) -> float | None:
        return SPAWN_PAUSE_SECONDS if len(self._warm) < self.settings.warm else None

    async def _probe_again(self) -> None:
        """Look again whether it was only for a while that the host could not be trusted."""
        while True:
            await asyncio.sleep(self.settings.probe_again_seconds)
            if self.refusal and self.refusal.may_pass:
                await self.probe()

    async def _end_idle(self) -> None:
        while True:
            pause = min(self.settings.idle_seconds / IDLE_LOOKS, IDLE_LOOK_SECONDS_MAX)
            await asyncio.sleep(max(pause, IDLE_LOOK_SECONDS_MIN))
            past = time.monotonic() - self.settings.idle_seconds
            for key, place in list(self._places.items()):
                over = place.used_at < past or not place.session.alive
                # Whoever holds a session that died may still fetch its files.
                if over and not place.let_go:
                    self._forget(key)
