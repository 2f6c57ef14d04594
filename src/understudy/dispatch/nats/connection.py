"""The connection to NATS: it comes back by itself, and tells once when it goes and returns."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from understudy.errors import Misconfigured, Unavailable

log = structlog.get_logger("understudy.dispatch")

OPEN_SECONDS = 5.0  # time for a server that is started together with this process
RETRY_SECONDS = 0.25
# Two pings without an answer are the end of a connection: a stopped server is noticed in seconds.
PING_SECONDS = 3
ANSWER_SECONDS = 2.0
CLOSE_SECONDS = 2.0
# What is told while the server is away waits in memory up to here; after that it is dropped.
BUFFER_BYTES_MAX = 8 * 1024 * 1024
# The client makes whoever subscribes wait when so many wait already, for as long as a server that
# does not read may last.
FLUSHES_MAX = 100_000

Hook = Callable[[], Awaitable[None]]


class Listening:
    """A subject that is listened to, whichever connection there is."""

    __slots__ = ("callback", "subject", "subscription")

    def __init__(self, subject: str, callback: Callable[[Msg], Awaitable[None]]) -> None:
        self.subject = subject
        self.callback = callback
        self.subscription: Subscription | None = None


class Connection:
    """A client that never gives up, and what shall happen when it is connected again.

    The client comes back by itself from most breaks. After some errors of the server, such as
    expired credentials, it closes for good; then it is opened anew, and all subjects are listened
    to again.
    """

    def __init__(self, url: str, credentials: Path | None) -> None:
        self._url = url
        self._credentials = credentials
        self.client = Client()
        self._listening: set[Listening] = set()
        self.jetstream = self.client.jetstream(timeout=ANSWER_SECONDS)
        self._hooks: list[Hook] = []
        self._returning: asyncio.Task[None] | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._cause: Exception | None = None
        self._opened = False
        self._closing = False

    @classmethod
    async def open(cls, url: str, credentials: Path | None = None) -> "Connection":
        """Connect. Raises Misconfigured when nobody answers there, or refuses."""
        connection = cls(url, credentials)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await connection._connect()
        except (TimeoutError, OSError, ValueError, ImportError, nats.errors.Error) as error:
            connection._closing = True
            await connection.client.close()
            raise Misconfigured(
                f"NATS cannot be reached at {_shown(url)}: {connection._cause or error!r}. Start "
                "nats-server with JetStream (nats-server -js), or mend nats_url and"
                " nats_credentials."
            ) from error
        connection._opened = True
        return connection

    async def _connect(self) -> None:
        await self.client.connect(
            servers=[server.strip() for server in self._url.split(",")],
            name="understudy",
            user_credentials=str(self._credentials) if self._credentials else None,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_SECONDS,  # type: ignore[arg-type]
            ping_interval=PING_SECONDS,
            pending_size=BUFFER_BYTES_MAX,
            flush_timeout=ANSWER_SECONDS,
            flusher_queue_size=FLUSHES_MAX,
            error_cb=self._failed,
            disconnected_cb=self._lost,
            reconnected_cb=self._returned,
            closed_cb=self._ended,
        )

    @property
    def is_up(self) -> bool:
        """Return whether somebody was there when last heard of."""
        return self.client.is_connected

    async def listen(self, subject: str, callback: Callable[[Msg], Awaitable[None]]) -> Listening:
        """Have the callback hear every message on the subject, from now on or as soon as may be."""
        listening = Listening(subject, callback)
        self._listening.add(listening)
        await self._subscribe(listening)
        return listening

    async def stop_listening(self, listening: Listening) -> None:
        """Hear nothing more on the subject."""
        self._listening.discard(listening)
        if listening.subscription is not None:
            with suppress(nats.errors.Error, OSError):
                await listening.subscription.unsubscribe()

    async def _subscribe(self, listening: Listening) -> None:
        with suppress(nats.errors.ConnectionClosedError):
            listening.subscription = await self.client.subscribe(
                listening.subject, cb=listening.callback
            )

    def on_return(self, hook: Hook) -> None:
        """Have something done whenever the connection is back; what was told meanwhile is lost."""
        self._hooks.append(hook)

    async def check(self) -> None:
        """Raise Unavailable with the cause when NATS does not answer."""
        if not self.is_up:
            raise Unavailable(f"NATS is not connected: {self._cause or 'connection lost'}.")
        try:
            # A question to JetStream, not a ping: a full disk silences it while the rest answers,
            # and a ping overtakes what waits to be sent.
            await self.jetstream.account_info()
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"NATS does not answer: {error!r}.") from error

    async def close(self) -> None:
        """Send what is left, if that takes no longer than a moment, and hang up."""
        self._closing = True
        for task in (self._returning, self._reopening):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        with suppress(nats.errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                if self.is_up:
                    await self.client.flush(timeout=CLOSE_SECONDS)  # type: ignore[arg-type]
        with suppress(nats.errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.client.close()

    async def _failed(self, error: Exception) -> None:
        self._cause = error
        if self._opened and self.is_up and not isinstance(error, nats.errors.UnexpectedEOF):
            log.warning("nats_error", cause=repr(error))

    async def _lost(self) -> None:
        if self._opened and not self._closing:
            log.warning("nats_lost", cause=repr(self._cause) if self._cause else None)

    async def _returned(self) -> None:
        log.info("nats_returned")
        self._cause = None
        if self._returning is not None:
            self._returning.cancel()
        self._returning = asyncio.create_task(self._run_hooks(), name="nats-returned")

    async def _run_hooks(self) -> None:
        for hook in self._hooks:
            try:
                await hook()
            except Exception:
                log.exception("nats_return_failed")

    async def _ended(self) -> None:
        if self._opened and not self._closing:
            log.error("nats_closed", cause=repr(self._cause or self.client.last_error))
            self._reopening = asyncio.create_task(self._reopen(), name="nats-reopening")

    async def _reopen(self) -> None:
        """Connect until it succeeds, and listen to what was listened to before."""
        connected = False
        while not connected:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._connect()
            except (OSError, ValueError, nats.errors.Error) as error:
                self._cause = error
            else:
                connected = True
        for listening in [*self._listening]:
            await self._subscribe(listening)
        await self._returned()


def _shown(url: str) -> str:
    """Return the addresses without what may be secret in them."""
    return ", ".join(
        urlsplit(server.strip()).netloc.rpartition("@")[2] for server in url.split(",")
    )
