"""Those who listen to a run: live from the subject, and from the stream what they have missed.

A listener passes on only what follows what it has heard (``continuity.py``). When something is
missing, it holds back what comes and reads the stream. If the stream does not have it either, it
has lost the story: it drops deltas until a state is told, since states are in the rows first, sends
its reader to the rows, and goes on from there. A stream that did not answer is asked again some
seconds later: its servers may have been voting for a leader.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import nats.errors
from nats.aio.msg import Msg

from understudy.dispatch.mailbox import Mailbox
from understudy.dispatch.nats.connection import Listening
from understudy.dispatch.nats.continuity import Continuity, Trust, Verdict, footing
from understudy.dispatch.nats.history import History, read
from understudy.dispatch.nats.parcel import Parcel
from understudy.wire.events import STOPPING, EventId, RunEvent

# What a reader may leave lying; texts are one event each by then, so this is far behind.
UNREAD_MAX = 2_000
HELD_MAX = 10_000
LOOK_AGAIN_SECONDS = 5.0
# The server tells listeners first and keeps it in the stream a moment later. Whoever came in that
# moment has missed it, and sees so by the next parcel, or looks again when there is none.
STREAM_BEHIND_SECONDS = (0.0, 0.02, 0.2)
SETTLED_SECONDS = 1.0
# How often the rows are looked at while nothing can be heard.
ALONE_SECONDS = 1.0


class NatsSubscription:
    """A listener of one run."""

    def __init__(
        self,
        run_id: str,
        history: History,
        continuity: Continuity,
        *,
        on_close: Callable[["NatsSubscription"], None],
        is_up: Callable[[], bool],
        looks_back: bool,
    ) -> None:
        """Hold back what is heard until ``begin``, if the listener looks back."""
        self.run_id = run_id
        self.opened_after: EventId | None = None
        self.listening: Listening | None = None
        self._history = history
        self._on_close = on_close
        self._mailbox = Mailbox()
        self._is_up = is_up
        self._continuity = continuity
        self._held: list[Parcel] | None = [] if looks_back else None
        self._catching_up: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._look_again_at = math.inf
        self._has_begun = not looks_back
        self._was_away = False
        self._settles = False
        self._closed = False

    async def next(self, timeout_seconds: float) -> Sequence[RunEvent]:
        """Return what has come since the last call; empty after a timeout, or to read the rows."""
        if not self._is_up():
            timeout_seconds = min(timeout_seconds, ALONE_SECONDS)
        else:
            timeout_seconds = min(timeout_seconds, self._seconds_to_look())
        return await self._mailbox.next(timeout_seconds)

    def _seconds_to_look(self) -> float:
        """Look into the stream again if it is time; return how long it is until then."""
        seconds = self._look_again_at - self._loop.time()
        if seconds > 0:
            return seconds
        if self._held is None:
            self._hold_back(())
        return math.inf

    def wake(self) -> None:
        """Wake the reader, with what there is or nothing."""
        self._mailbox.push(())

    def send_to_rows(self) -> None:
        """Have the reader look at the rows: something may have been missed."""
        self._mailbox.send_to_rows()

    async def hear(self, message: Msg) -> None:
        """Take a message from the subject."""
        parcel = read(message)
        if parcel is not None:
            self.take(parcel)

    def take(self, parcel: Parcel) -> None:
        """Tell what follows, and hold it back while something is missing."""
        if self._closed:
            return
        if self._held is None or self._goes_on(parcel):
            self._take(parcel)
        elif len(self._held) < HELD_MAX:
            self._held.append(parcel)

    def _goes_on(self, parcel: Parcel) -> bool:
        """Return whether it can be told while the stream is read: nothing is missing before it."""
        if not self._has_begun or self._held or not parcel.events:
            return False
        return self._continuity.verdict(parcel) in {Verdict.FOLLOWS, Verdict.KNOWN}

    async def begin(self) -> None:
        """Read what the current leg has told so far; the reader gets it first."""
        backlog = _CurrentLeg()
        past = await self._past()
        if past is None:
            self._continuity.lose()
        else:
            self._look_again_at = self._loop.time() + SETTLED_SECONDS
        for parcel in past or ():
            backlog.take(parcel)
        if backlog.continuity.told is not None:
            self._continuity = backlog.continuity
        if backlog.events:
            self.opened_after = backlog.opened_after
            self._push(backlog.events)
        self._has_begun = True
        if self._was_away or not self._let_go():
            self._start_catching_up()

    def look_back(self) -> None:
        """Look for what was missed: NATS has been away."""
        self._settles = True
        if self._held is None:
            self._hold_back(())
        else:
            self._was_away = True  # what is being read may never come

    def _hold_back(self, parcels: Sequence[Parcel]) -> None:
        """Tell nothing that is behind a gap before what was missed."""
        self._held = [*parcels]
        self._start_catching_up()

    def _start_catching_up(self) -> None:
        self._catching_up = asyncio.create_task(self._catch_up(), name="nats-catch-up")

    async def _catch_up(self) -> None:
        """Fill the gap from the stream, once more if the connection was lost meanwhile."""
        while True:
            self._was_away = False
            filled = await self._fill()
            if not self._was_away:
                break
            self._held = self._held or []
        if not filled:
            self._release()
        if self._settles:
            self._settles = False
            self._look_again_at = min(self._look_again_at, self._loop.time() + SETTLED_SECONDS)
        if self._look_again_at < math.inf:
            self.wake()  # the reader has to come by before that

    async def _fill(self) -> bool:
        """Read the stream, which may be a moment behind what is heard, until no gap is left."""
        for pause in STREAM_BEHIND_SECONDS:
            await asyncio.sleep(pause)
            past = await self._past()
            if past is None:
                return False
            self._take_past(past)
            if self._let_go():
                return True
        return False

    def _take_past(self, past: Sequence[Parcel]) -> None:
        for parcel in past:
            verdict = self._continuity.verdict(parcel) if parcel.events else Verdict.FOLLOWS
            if verdict is Verdict.FOLLOWS:
                self._take(parcel)
            elif verdict is not Verdict.KNOWN:
                self._find_footing(parcel)

    def _let_go(self) -> bool:
        """Tell what was held back, up to a gap; return whether there is none."""
        held = self._held or []
        while held and not self._is_gap(held[0]):
            self._take(held.pop(0))
        if not held:
            self._held = None
        return not held

    def _is_gap(self, parcel: Parcel) -> bool:
        return not parcel.only_in_rows and self._continuity.verdict(parcel) is Verdict.GAP

    async def _past(self) -> list[Parcel] | None:
        """Return what the stream has of the run, or None when it cannot be read now."""
        self._look_again_at = math.inf
        try:
            return await self._history.read(self.run_id)
        except nats.errors.ConnectionReconnectingError:
            return None  # it is looked for when the connection is back
        except (nats.errors.Error, TimeoutError, OSError) as error:
            self._history.complain(self.run_id, error)
            self._look_again_at = self._loop.time() + LOOK_AGAIN_SECONDS
            return None

    def _release(self) -> None:
        """Tell what was held back; a gap that is left will not be filled."""
        held, self._held = self._held or [], None
        for parcel in held:
            if self._is_gap(parcel):
                self._continuity.lose()
            self._take(parcel)

    def _take(self, parcel: Parcel) -> None:
        if parcel.only_in_rows is not None:
            if self._continuity.settle(parcel.only_in_rows):
                self._mailbox.send_to_rows()
            return
        verdict = self._continuity.verdict(parcel)
        if verdict is Verdict.FOLLOWS:
            self._tell(parcel)
        elif verdict is Verdict.GAP:
            self._hold_back([parcel])
        elif verdict is Verdict.LOST:
            self._find_footing(parcel)

    def _tell(self, parcel: Parcel) -> None:
        self._continuity.advance(parcel.after, parcel.events)
        self._push(parcel.events)

    def _find_footing(self, parcel: Parcel) -> None:
        known = footing(parcel)
        if known is not None:
            self._continuity.settle(known.after)
            self._continuity.advance(known.after, known.events)
            self._mailbox.send_to_rows()
            self._push(known.events)

    def _push(self, events: Sequence[RunEvent]) -> None:
        self._mailbox.push(events)
        if len(self._mailbox) > UNREAD_MAX:
            self._mailbox.join_texts()
            if len(self._mailbox) > UNREAD_MAX // 2:
                self._mailbox.clear()
                self._mailbox.send_to_rows()
                self._continuity.lose()

    def close(self) -> None:
        """Stop listening; whoever still waits is told nothing more."""
        self._mailbox.close()
        if not self._closed:
            self._closed = True
            if self._catching_up is not None:
                self._catching_up.cancel()
            self._on_close(self)


class _CurrentLeg:
    """What the leg that is going on has told, made out in the history of its run."""

    def __init__(self) -> None:
        self.continuity = Continuity(Trust.NOTHING)
        self.opened_after: EventId | None = None
        self.events: list[RunEvent] = []

    def take(self, parcel: Parcel) -> None:
        if parcel.only_in_rows is not None:
            self.continuity.settle(parcel.only_in_rows)
            self.opened_after, self.events = parcel.only_in_rows, []
            return
        verdict = self.continuity.verdict(parcel)
        if verdict is Verdict.GAP:
            self.continuity.lose()
            verdict = Verdict.LOST
        if verdict is Verdict.FOLLOWS:
            self._add(parcel.after, parcel.events)
        elif verdict is Verdict.LOST:
            self._begin_again(parcel)

    def _begin_again(self, parcel: Parcel) -> None:
        """The stream has no more of the beginning; a state is as good a place to begin."""
        known = footing(parcel)
        if known is not None:
            self.opened_after, self.events = known.after, []
            self._add(known.after, known.events)

    def _add(self, after: EventId, events: Sequence[RunEvent]) -> None:
        """Keep the events, or those behind the end of a leg."""
        self.continuity.advance(after, events)
        for place in range(len(events), 0, -1):
            if events[place - 1].name in STOPPING:
                self.opened_after, self.events = events[place - 1].id, [*events[place:]]
                return
        self.events += events
