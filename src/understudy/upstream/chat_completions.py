"""Any server that speaks Chat Completions: the one required dialect.

Theory of operation. All calls share one HTTP session without a connection limit: the engine bounds
its own concurrency. Each read takes whatever has arrived and becomes one batch, so that a reader
that falls behind takes bigger bites. ``reply.py`` makes events of the bytes; here are the network,
its failures and its timeouts. Of the per-chunk cost about two thirds is aiohttp and the event loop.
"""

import asyncio
import io
import socket
from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus
from typing import Any, Literal

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from understudy.clock import Clock, SystemClock
from understudy.errors import UpstreamBusy, UpstreamError
from understudy.upstream.base import ModelEvent, ModelInfo, ModelRequest
from understudy.upstream.complaints import from_body, shorten
from understudy.upstream.endpoint import Endpoint
from understudy.upstream.patience import Patience
from understudy.upstream.reply import Reply
from understudy.upstream.retry_after import retry_after_seconds

_ERROR_BODY_BYTES_MAX = 64 * 1024
_MODELS_TIMEOUT_SECONDS = 10
# Most servers end the body right behind [DONE]; a run must not wait for one that does not.
_DRAIN_SECONDS = 0.05
# aiohttp warns about larger bodies given as bytes; it sends a BytesIO in turns of the loop.
_LARGE_BODY_BYTES = 512 * 1024
# Shorter than the five seconds after which uvicorn closes an idle connection, so that we rarely
# write into one that is just being closed.
_KEEPALIVE_SECONDS = 4

_GOOD = range(200, 300)
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_NO_SUCH_ROUTE = {404, 405, 501}
_NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)

MaxTokensField = Literal["max_tokens", "max_completion_tokens"]


class ModelEntry(msgspec.Struct):
    """One entry of GET /models."""

    id: str
    owned_by: str | None = None


class ModelPage(msgspec.Struct):
    """The answer of GET /models."""

    data: list[ModelEntry] | None = None


class ChatCompletions:
    """An OpenAI-compatible endpoint: OpenAI, vLLM, Ollama, llama.cpp, LM Studio and the like.

    ``max_tokens_field`` is what the endpoint calls the limit of an answer's length: ``max_tokens``
    is understood by nearly all, OpenAI's reasoning models insist on ``max_completion_tokens``.
    The first chunk may take longer than the others, since a cold model has to be loaded.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None = None,
        *,
        connect_timeout_seconds: float = 10,
        first_chunk_timeout_seconds: float = 600,
        idle_timeout_seconds: float = 120,
        max_tokens_field: MaxTokensField = "max_tokens",
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self._endpoint = Endpoint(name, base_url)
        self._api_key = (api_key or "").strip()
        self._connect_timeout_seconds = connect_timeout_seconds
        self._first_seconds = first_chunk_timeout_seconds
        self._idle_seconds = idle_timeout_seconds
        self._max_tokens_field = max_tokens_field
        self._clock = clock or SystemClock()
        self._lazy_session: aiohttp.ClientSession | None = None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Call the model; see the port. Read on after Finished to have the connection kept."""
        response = await self._open(msgspec.json.encode(self._body(request)))
        patience = Patience(
            lambda: response.content.set_exception(TimeoutError()),
            first_seconds=self._first_seconds,
            idle_seconds=self._idle_seconds,
        )
        try:
            reply = Reply()
            while not reply.over:
                batch = await self._read(response.content, reply, patience)
                if batch:
                    yield batch
            if reply.failure is not None:
                raise self._named(reply.failure)
            await _drain(response.content)
        finally:
            patience.stop()
            response.close()

    async def models(self) -> Sequence[ModelInfo]:
        """Return what GET /models lists; nothing when the endpoint has no such route."""
        try:
            async with asyncio.timeout(_MODELS_TIMEOUT_SECONDS):
                status, body = await self._get_models()
        except _NETWORK_ERRORS as error:
            raise self._unreachable(error) from error
        if status in _NO_SUCH_ROUTE:
            return ()
        if status not in _GOOD:
            raise self._error(f"answered {status}: {from_body(body).message}")
        return self._listed(body)

    async def close(self) -> None:
        """Close the connections; calls that still run fail."""
        if self._lazy_session is not None:
            await self._lazy_session.close()

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": request.messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": request.temperature,
            "top_p": request.top_p,
            self._max_tokens_field: request.max_completion_tokens,
            "response_format": request.response_format,
            "reasoning_effort": request.reasoning_effort,
        }
        if request.tools:  # endpoints refuse the other two without tools
            body["tools"] = request.tools
            body["tool_choice"] = request.tool_choice
            body["parallel_tool_calls"] = request.parallel_tool_calls
        return {key: value for key, value in body.items() if value is not None}

    async def _open(self, body: bytes) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(self._first_seconds):
                response = await self._post(body)
                if response.status in _GOOD:
                    return response
                raise await self._refusal(response)
        except _NETWORK_ERRORS as error:
            raise self._unreachable(error) from error

    async def _post(self, body: bytes) -> aiohttp.ClientResponse:
        try:
            return await self._post_once(body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # Most likely a kept connection that the server closed while we wrote; nothing of an
            # answer has come, so one try with a fresh connection is safe.
            return await self._post_once(body)

    async def _post_once(self, body: bytes) -> aiohttp.ClientResponse:
        return await self._session().post(
            self._endpoint.url("chat/completions"),
            data=body if len(body) < _LARGE_BODY_BYTES else io.BytesIO(body),
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        )

    async def _get_models(self) -> tuple[int, bytes]:
        url = self._endpoint.url("models")
        async with self._session().get(url, allow_redirects=False) as response:
            return response.status, await response.read()

    def _listed(self, body: bytes) -> list[ModelInfo]:
        try:
            page = msgspec.json.decode(body, type=ModelPage)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._error(f"sent a malformed list of models ({error})") from error
        return [ModelInfo(entry.id, entry.owned_by or self.name) for entry in page.data or ()]

    async def _read(
        self, content: aiohttp.StreamReader, reply: Reply, patience: Patience
    ) -> list[ModelEvent]:
        patience.wait()
        try:
            data = await content.readany()
        except TimeoutError:
            waited = f"sent nothing for {patience.limit_seconds:g} seconds"
            return reply.broken(UpstreamError(waited))
        except _NETWORK_ERRORS as error:
            return reply.broken(UpstreamError(f"broke off the stream ({_reason(error)})"))
        patience.rest()
        return reply.feed(data) if data else reply.end()

    async def _refusal(self, response: aiohttp.ClientResponse) -> UpstreamError:
        async with response:
            complaint = from_body(await _beginning(response.content))
        if location := response.headers.get("Location"):
            return self._error(f"answered {response.status}, moved to {shorten(location)}")
        message = f"answered {response.status}: {complaint.message or response.reason}"
        if response.status not in _BUSY:
            return self._error(message)
        if complaint.out_of_money:
            return self._error(message, rate_limited=True)
        return UpstreamBusy(
            self._error(message).message,
            rate_limited=response.status == HTTPStatus.TOO_MANY_REQUESTS,
            retry_after_seconds=retry_after_seconds(response.headers, self._clock),
        )

    def _unreachable(self, error: BaseException) -> UpstreamError:
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            problem = f"cannot be reached at {self._endpoint} ({_reason(error)})"
        elif isinstance(error, TimeoutError):
            problem = f"at {self._endpoint} did not answer in time"
        else:
            problem = f"at {self._endpoint} broke off before it answered ({_reason(error)})"
        return self._error(f"{problem}. Check that it is running and that this is its base URL.")

    def _named(self, failure: UpstreamError) -> UpstreamError:
        error = self._error(failure.message, rate_limited=failure.rate_limited)
        error.__cause__ = failure.__cause__
        return error

    def _error(self, message: str, *, rate_limited: bool = False) -> UpstreamError:
        text = f"The model endpoint '{self.name}' {message}"
        if self._api_key:  # some servers quote it
            text = text.replace(self._api_key, "[key]")
        return UpstreamError(text, rate_limited=rate_limited)

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


def _kept_alive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket on which the kernel notices a peer that is gone."""
    family, kind, protocol, *_ = address
    kept = socket.socket(family, kind, protocol)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return kept


def _reason(error: BaseException) -> str:
    return shorten(str(error)) or type(error).__name__


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """Read a body up to a bound."""
    body = b""
    while len(body) < _ERROR_BODY_BYTES_MAX and (piece := await content.readany()):
        body += piece
    return body


async def _drain(content: aiohttp.StreamReader) -> None:
    """Read what may follow [DONE], so that the connection can be used again."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await content.readany():
                pass
    except _NETWORK_ERRORS:
        return
