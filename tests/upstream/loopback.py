"""A real server on loopback that behaves as badly as a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from understudy.upstream.chat_completions import ChatCompletions

KEY = "sk-very-secret-indeed"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def sse(*chunks: Any, done: bool = True) -> bytes:
    """Write chunks as server-sent events; strings go as they are."""
    texts = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return "".join(f"data: {text}\n\n" for text in [*texts, *["[DONE]"] * done]).encode()


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """Write a chunk."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


class Loopback:
    """One endpoint: what it heard, and the adapter that talks to it."""

    def __init__(self, handler: Handler) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.gone = asyncio.Event()
        self.url = ""
        self._handler = handler

    def adapter(self, **settings: Any) -> ChatCompletions:
        """Return an adapter for this endpoint."""
        return ChatCompletions("loop", self.url, KEY, **settings)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Note the request and let the test's handler answer it."""
        self.headers.append(dict(request.headers))
        if request.method == "POST":
            self.bodies.append(await request.json())
        try:
            return await self._handler(request)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Loopback]:
    """Serve every route with the handler."""
    loopback = Loopback(handler)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", loopback.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        loopback.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield loopback
    finally:
        await runner.cleanup()


def replying(body: bytes, *, status: int = 200, **headers: str) -> Handler:
    """Answer every request with this body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers=named)

    return handler


def streaming(
    *pieces: bytes, end: Callable[[web.Request], Awaitable[None]] | None = None
) -> Handler:
    """Write these pieces, then do ``end``, then end the answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if end is not None:
            await end(request)
        return response

    return handler


async def reset(request: web.Request) -> None:
    """Cut the connection as a crash does."""
    assert request.transport is not None
    request.transport.abort()


async def hang(_: web.Request) -> None:
    """Say nothing more until the client has gone."""
    await asyncio.Event().wait()
