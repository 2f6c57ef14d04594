"""Offers of work: a queue from which each worker asks for as much as it can take.

A worker that waits has a request lying at the server, so that an offer reaches it within a round
trip. An offer is acknowledged when the claim is in the rows; a worker that dies before that leaves
it to another after some seconds.

A process offers a run again only after the offer was taken: whoever takes one tells the process
that made it. Two processes may offer the same run; that is harmless, and cannot grow, because the
queue refuses more than so many offers of one project.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from uuid import uuid4

import msgspec
import nats.errors
import structlog
from msgspec import Struct
from nats.aio.msg import Msg
from nats.js.api import DEFAULT_PREFIX
from nats.js.errors import APIError, NoStreamResponseError

from understudy.dispatch.nats.connection import Connection
from understudy.dispatch.nats.history import is_status
from understudy.dispatch.nats.streams import WORKERS, Streams
from understudy.dispatch.nats.subjects import Subjects
from understudy.dispatch.nats.untaken import Untaken

log = structlog.get_logger("understudy.dispatch")

# A request of a client is never held up longer than this by a queue that does not answer, and
# those that follow are not held up at all for a while.
OFFER_SECONDS = 1.0
SILENCE_SECONDS = 2.0
# How long a worker's request lies at the server before it is made anew.
ASK_SECONDS = 10.0
ASK_AGAIN_SECONDS = 1.0
# An offer that was given to so many workers and taken by none is left to the sweeper.
DELIVERIES_MAX = 20
# Streams that somebody has deleted are gone after this time. NATS 2.9 removes the folder of a
# stream that is made again while it is being deleted.
GONE_SECONDS = 0.5
_PROJECT_HAS_ENOUGH = "maximum messages per subject"
_TIME_IS_UP = "408"


class Offered(Struct, frozen=True):
    """What the queue keeps: the run, whose it is, and who wants to know that it was taken."""

    run_id: str
    project_id: str
    by: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Offered).decode


class NatsOffer:
    """An offer that was delivered to this process."""

    def __init__(
        self, offered: Offered, message: Msg, tell_taken: Callable[[Offered], Awaitable[None]]
    ) -> None:
        self.run_id = offered.run_id
        self.project_id = offered.project_id
        self._offered = offered
        self._message = message
        self._tell_taken = tell_taken

    async def done(self) -> None:
        """Remove the offer from the queue; whoever made it may make it again from now on."""
        with suppress(nats.errors.Error, OSError):
            await self._tell_taken(self._offered)
            await self._message.ack()

    async def decline(self, seconds: float) -> None:
        """Leave it in the queue, for nobody before this time."""
        with suppress(nats.errors.Error, OSError):
            await self._message.nak(delay=seconds)

    async def drop(self) -> None:
        """Remove it from the queue because nobody wants it."""
        with suppress(nats.errors.Error, OSError):
            await self._tell_taken(self._offered)
            await self._message.term()


class Offers:
    """The queue, for those who put something in and for those who take it out."""

    def __init__(
        self,
        connection: Connection,
        subjects: Subjects,
        streams: Streams,
        before: Callable[[], Awaitable[None]],
    ) -> None:
        """Await ``before`` each time before an offer is made."""
        self._connection = connection
        self._client = connection.client
        self._subjects = subjects
        self._streams = streams
        self._before = before
        self._loop = asyncio.get_running_loop()
        self._process_id = uuid4().hex
        self._untaken = Untaken()
        self._silent_until = 0.0
        self._desk = _Desk(connection, subjects, streams, self._tell_taken)

    async def open(self) -> None:
        """Listen for what is delivered, and for what others have taken."""
        await self._connection.listen(self._subjects.taken(self._process_id), self._hear_taken)
        await self._desk.open()

    async def offer(self, run_id: str, project_id: str) -> None:
        """Put the run into the queue, unless it is there or the queue does not answer."""
        now = self._loop.time()
        self._untaken.forget_old(now)
        if run_id in self._untaken or now < self._silent_until or not self._connection.is_up:
            return
        self._untaken.add(run_id, now)
        if not await self._put(Offered(run_id, project_id, self._process_id)):
            self._untaken.discard(run_id)

    async def _put(self, offered: Offered) -> bool:
        subject = self._subjects.offers(offered.project_id)
        try:
            async with asyncio.timeout(OFFER_SECONDS):
                await self._before()
                await self._connection.jetstream.publish(subject, _encode(offered))
        except NoStreamResponseError:
            self._streams.restore(after_seconds=GONE_SECONDS)
        except APIError as refusal:
            self._refused(offered, refusal.description or "")
        except (nats.errors.Error, TimeoutError, OSError) as error:
            self._leave_in_peace(repr(error))
        else:
            return True
        return False

    def _refused(self, offered: Offered, cause: str) -> None:
        if _PROJECT_HAS_ENOUGH in cause:
            log.debug("offer_refused", run_id=offered.run_id, project_id=offered.project_id)
        else:
            self._leave_in_peace(cause)

    def _leave_in_peace(self, cause: str) -> None:
        """Make no offers for a while: it is in trouble, and others shall not wait for it."""
        self._silent_until = self._loop.time() + SILENCE_SECONDS
        log.warning("offers_not_made", cause=cause, pause_seconds=SILENCE_SECONDS)

    async def next(self) -> NatsOffer:
        """Wait for an offer; whoever stops waiting takes none with them."""
        return await self._desk.next()

    def begin_again(self) -> None:
        """Make no assumptions about the queue: NATS was away, or has lost it."""
        self._untaken.clear()
        self._silent_until = 0.0
        self._desk.begin_again()

    async def close(self) -> None:
        """Stop asking."""
        await self._desk.close()

    async def _tell_taken(self, offered: Offered) -> None:
        if offered.by == self._process_id:
            self._untaken.discard(offered.run_id)
        else:
            await self._client.publish(self._subjects.taken(offered.by), offered.run_id.encode())

    async def _hear_taken(self, message: Msg) -> None:
        self._untaken.discard(message.data.decode())


class _Desk:
    """Where offers are handed to those who wait: never more are asked for than are waited for."""

    def __init__(
        self,
        connection: Connection,
        subjects: Subjects,
        streams: Streams,
        tell_taken: Callable[[Offered], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._streams = streams
        self._tell_taken = tell_taken
        self._loop = asyncio.get_running_loop()
        self._inbox = self._client.new_inbox()
        stream = subjects.offers_stream
        self._subject = f"{DEFAULT_PREFIX}.CONSUMER.MSG.NEXT.{stream}.{WORKERS}"
        self._waiting: deque[asyncio.Future[NatsOffer]] = deque()
        # When each of the requests that lie at the server is over for certain.
        self._asked: deque[float] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        await self._connection.listen(self._inbox, self._arrive)

    async def next(self) -> NatsOffer:
        waiter: asyncio.Future[NatsOffer] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            while not waiter.done():
                await self._ask()
                await asyncio.wait([waiter], timeout=ASK_SECONDS)
            return waiter.result()
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._do(waiter.result().decline(0))
            waiter.cancel()
            raise

    def begin_again(self) -> None:
        """Ask anew: requests that lay at the server are gone."""
        self._asked.clear()
        self._do(self._ask())

    async def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
        for waiter in self._waiting:
            waiter.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self) -> None:
        now = self._loop.time()
        while self._asked and self._asked[0] < now:
            self._asked.popleft()
        waiting = sum(not waiter.done() for waiter in self._waiting)
        while len(self._asked) < waiting and self._connection.is_up:
            self._asked.append(now + ASK_SECONDS + ASK_AGAIN_SECONDS)
            with suppress(nats.errors.Error, OSError):
                await self._client.publish(self._subject, _REQUEST, reply=self._inbox)

    async def _arrive(self, message: Msg) -> None:
        if self._asked:
            self._asked.popleft()
        if is_status(message):
            self._be_told(message)
            return
        offer = NatsOffer(_decode(message.data), message, self._tell_taken)
        await self._hand_over(offer, message)

    async def _hand_over(self, offer: NatsOffer, message: Msg) -> None:
        if message.metadata.num_delivered > DELIVERIES_MAX:
            log.warning("offer_dropped", run_id=offer.run_id, deliveries=DELIVERIES_MAX)
            await offer.drop()
            return await self._ask()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter.set_result(offer)
        return await offer.decline(0)

    def _be_told(self, message: Msg) -> None:
        """A request is over: its time is up, or the consumer is gone, or the server has trouble."""
        status = (message.headers or {}).get("Status")
        if status == _TIME_IS_UP:
            self._do(self._ask())
            return
        log.debug("no_offers", status=status, headers=message.headers)
        self._streams.restore(after_seconds=GONE_SECONDS)
        if self._later is None:
            self._later = self._loop.call_later(ASK_AGAIN_SECONDS, self._ask_again)

    def _ask_again(self) -> None:
        self._later = None
        self._do(self._ask())

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_NANOSECONDS = 1_000_000_000
_REQUEST = json.dumps({"batch": 1, "expires": int(ASK_SECONDS * _NANOSECONDS)}).encode()
