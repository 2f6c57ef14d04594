"""Any server that speaks Chat Completions: the one required dialect.

Theory of operation. All calls share one HTTP session without a connection limit: the engine bounds
its own concurrency. Each read takes whatever has arrived and becomes one batch, so that a reader
that falls behind takes bigger bites. ``reply.py`` makes events of the bytes, ``connection.py``
knows the network and its failures; here are requests and timeouts. Of the per-chunk cost about two
thirds is aiohttp and the event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

import aiohttp
import msgspec

from understudy.clock import Clock
from understudy.errors import UpstreamError
from understudy.upstream.base import ModelEvent, ModelInfo, ModelRequest
from understudy.upstream.complaints import from_body
from understudy.upstream.connection import GOOD, NETWORK_ERRORS, Connection, reason
from understudy.upstream.patience import Patience
from understudy.upstream.reply import Reply

_MODELS_TIMEOUT_SECONDS = 10
# Most servers end the body right behind [DONE]; a run must not wait for one that does not.
_DRAIN_SECONDS = 0.05
_NO_SUCH_ROUTE = {404, 405, 501}

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
        self._connection = Connection(
            name, base_url, api_key, connect_timeout_seconds=connect_timeout_seconds, clock=clock
        )
        self._first_seconds = first_chunk_timeout_seconds
        self._idle_seconds = idle_timeout_seconds
        self._max_tokens_field = max_tokens_field

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Call the model; see the port. Read on after Finished to have the connection kept."""
        response = await self._connection.post(
            "chat/completions",
            msgspec.json.encode(self._body(request)),
            timeout_seconds=self._first_seconds,
        )
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
                status, body = await self._connection.get("models")
        except NETWORK_ERRORS as error:
            raise self._connection.unreachable(error) from error
        if status in _NO_SUCH_ROUTE:
            return ()
        if status not in GOOD:
            raise self._connection.error(f"answered {status}: {from_body(body).message}")
        return self._listed(body)

    async def close(self) -> None:
        """Close the connections; calls that still run fail."""
        await self._connection.close()

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

    def _listed(self, body: bytes) -> list[ModelInfo]:
        try:
            page = msgspec.json.decode(body, type=ModelPage)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._connection.error(f"sent a malformed list of models ({error})") from error
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
        except NETWORK_ERRORS as error:
            return reply.broken(UpstreamError(f"broke off the stream ({reason(error)})"))
        patience.rest()
        return reply.feed(data) if data else reply.end()

    def _named(self, failure: UpstreamError) -> UpstreamError:
        error = self._connection.error(failure.message, rate_limited=failure.rate_limited)
        error.__cause__ = failure.__cause__
        return error


async def _drain(content: aiohttp.StreamReader) -> None:
    """Read what may follow [DONE], so that the connection can be used again."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await content.readany():
                pass
    except NETWORK_ERRORS:
        return
