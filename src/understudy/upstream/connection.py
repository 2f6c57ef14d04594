"""The way to one model server: its session, its refusals, and words for what goes wrong.

Every error that leaves here names the upstream, says what to check, and never shows its key.
"""

import asyncio
import io
import socket
from http import HTTPStatus

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from understudy.clock import Clock, SystemClock
from understudy.errors import UpstreamBusy, UpstreamError
from understudy.upstream.complaints import from_body, shorten
from understudy.upstream.endpoint import Endpoint
from understudy.upstream.retry_after import retry_after_seconds

GOOD = range(200, 300)
NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)

_ERROR_BODY_BYTES_MAX = 64 * 1024
# aiohttp warns about larger bodies given as bytes; it sends a BytesIO in turns of the loop.
_LARGE_BODY_BYTES = 512 * 1024
# Shorter than the five seconds after which uvicorn closes an idle connection, so that we rarely
# write into one that is just being closed.
_KEEPALIVE_SECONDS = 4

_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


class Connection:
    """A named model server and what is needed to call it."""

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None = None,
        *,
        connect_timeout_seconds: float = 10,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._endpoint = Endpoint(name, base_url)
        self._api_key = (api_key or "").strip()
        self._connect_timeout_seconds = connect_timeout_seconds
        self._clock = clock or SystemClock()
        self._lazy_session: aiohttp.ClientSession | None = None

    async def post(
        self, route: str, body: bytes, *, timeout_seconds: float
    ) -> aiohttp.ClientResponse:
        """Send JSON and return the response as soon as its head is there.

        Raises UpstreamBusy for 429 and 503, and UpstreamError for everything else but success.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await self._post(route, body)
                if response.status in GOOD:
                    return response
                raise await self._refusal(response)
        except NETWORK_ERRORS as error:
            raise self.unreachable(error) from error

    async def ask(self, route: str, body: bytes, *, timeout_seconds: float) -> bytes:
        """Send JSON and return the whole answer. Raises as ``post``."""
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await self.post(route, body, timeout_seconds=timeout_seconds)
                async with response:
                    return await response.read()
        except NETWORK_ERRORS as error:
            raise self.unreachable(error) from error

    async def get(self, route: str) -> tuple[int, bytes]:
        """Return status and body. Raises one of NETWORK_ERRORS."""
        url = self._endpoint.url(route)
        async with self._session().get(url, allow_redirects=False) as response:
            return response.status, await response.read()

    async def close(self) -> None:
        """Close the connections; calls that still run fail."""
        if self._lazy_session is not None:
            await self._lazy_session.close()

    def unreachable(self, error: BaseException) -> UpstreamError:
        """Say why no answer came."""
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            problem = f"cannot be reached at {self._endpoint} ({reason(error)})"
        elif isinstance(error, TimeoutError):
            problem = f"at {self._endpoint} did not answer in time"
        else:
            problem = f"at {self._endpoint} broke off before it answered ({reason(error)})"
        return self.error(f"{problem}. Check that it is running and that this is its base URL.")

    def error(self, message: str, *, rate_limited: bool = False) -> UpstreamError:
        """Return the error that says this of the server."""
        text = f"The model endpoint '{self._name}' {message}"
        if self._api_key:  # some servers quote it
            text = text.replace(self._api_key, "[key]")
        return UpstreamError(text, rate_limited=rate_limited)

    async def _post(self, route: str, body: bytes) -> aiohttp.ClientResponse:
        try:
            return await self._post_once(route, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # Most likely a kept connection that the server closed while we wrote; nothing of an
            # answer has come, so one try with a fresh connection is safe.
            return await self._post_once(route, body)

    async def _post_once(self, route: str, body: bytes) -> aiohttp.ClientResponse:
        return await self._session().post(
            self._endpoint.url(route),
            data=body if len(body) < _LARGE_BODY_BYTES else io.BytesIO(body),
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        )

    async def _refusal(self, response: aiohttp.ClientResponse) -> UpstreamError:
        async with response:
            complaint = from_body(await _beginning(response.content))
        if location := response.headers.get("Location"):
            return self.error(f"answered {response.status}, moved to {shorten(location)}")
        message = f"answered {response.status}: {complaint.message or response.reason}"
        if response.status not in _BUSY:
            return self.error(message)
        if complaint.out_of_money:
            return self.error(message, rate_limited=True)
        return UpstreamBusy(
            self.error(message).message,
            rate_limited=response.status == HTTPStatus.TOO_MANY_REQUESTS,
            retry_after_seconds=retry_after_seconds(response.headers, self._clock),
        )

    def _session(self) -> aiohttp.ClientSession:
        if self._lazy_session is None or self._lazy_session.closed:
            self._lazy_session = self._new_session()
        return self._lazy_session

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, socket_factory=_kept_alive_socket
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._connect_timeout_seconds, sock_read=None
            ),
        )

    def _headers(self) -> dict[str, str]:
        # Compression would hold chunks back to fill its window.
        headers = {"User-Agent": "understudy", "Accept-Encoding": "identity"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        return headers


def reason(error: BaseException) -> str:
    """Return an error's own words, on one line."""
    return shorten(str(error)) or type(error).__name__


def _kept_alive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket on which the kernel notices a peer that is gone."""
    family, kind, protocol, *_ = address
    kept = socket.socket(family, kind, protocol)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return kept


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """Read a body up to a bound."""
    body = b""
    while len(body) < _ERROR_BODY_BYTES_MAX and (piece := await content.readany()):
        body += piece
    return body
