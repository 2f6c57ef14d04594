"""Runs a handler for a route: era, body, idempotency, errors, headers.

The order of checks is that of AUTH-08; authentication and routing have come before.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from hashlib import sha256
from typing import Literal

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from understudy.api import errors
from understudy.api.ask import Ask, ClientGone, Reply, Stream
from understudy.api.beta import era_of
from understudy.api.replay import replayed
from understudy.errors import AlreadyAnswered, Refusal
from understudy.operations.ports import Caller, Ports
from understudy.wire.era import Era

log = structlog.get_logger("understudy.api")

Handler = Callable[[Ask], Awaitable[Reply | Stream]]
Body = Literal["none", "json", "stream"]


class Endpoint:
    """What stands at one route."""

    def __init__(
        self,
        ports: Ports,
        handler: Handler,
        *,
        body: Body,
        needs_beta: bool,
        only_era: Era | None = None,
    ) -> None:
        self._ports = ports
        self._handler = handler
        self._body = body
        self._needs_beta = needs_beta
        self._only_era = only_era

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            reply = await self._reply(scope, receive)
        except Refusal as refusal:
            reply = errors.refused(refusal)
        except ClientGone:
            return
        except Exception:
            log.exception("request_failed", request_id=scope["understudy.request_id"])
            reply = errors.broken(scope["understudy.request_id"])
        try:
            await respond(scope, send, reply)
        except asyncio.CancelledError:
            if not self._ports.stopping.is_set():
                raise
            # The time is up that a stopping server gives its streams; their clients come back.
            log.info("stream_cut_off", request_id=scope["understudy.request_id"])

    async def _reply(self, scope: Scope, receive: Receive) -> Reply | Stream:
        headers = Headers(scope=scope)
        era = self._era(scope, headers)
        if self._only_era is not None and era != self._only_era:
            return errors.no_such_url(scope["method"], scope["understudy.path"])
        caller = Caller(project_id=scope["understudy.project_id"], era=era)
        ask = Ask(self._ports, caller, scope, headers, receive)
        if self._body == "json":
            await ask.read_body(self._ports.settings.body_bytes_max)
        key = headers.get("idempotency-key")
        if key and self._body == "json":
            ask.caller = _with_key(ask, scope, key)
            return await self._once(ask)
        return await self._handler(ask)

    def _era(self, scope: Scope, headers: Headers) -> Era:
        default: Era | None = self._ports.settings.default_beta
        if scope["understudy.azure"] or not self._needs_beta:
            default = "v2"
        return era_of(headers.get("openai-beta"), default)

    async def _once(self, ask: Ask) -> Reply | Stream:
        """Answer a key that was used before as it was answered then."""
        known = await replayed(ask)
        if known is not None:
            return known
        try:
            return await self._handler(ask)
        except (AlreadyAnswered, Refusal):
            # Its twin may have been faster, and have changed what this one was refused for.
            known = await replayed(ask)
            if known is None:
                raise
            return known


def _with_key(ask: Ask, scope: Scope, key: str) -> Caller:
    caller = ask.caller
    request = f"{scope['method']} {scope['path']} {caller.era}\n".encode() + ask.body
    return Caller(
        project_id=caller.project_id,
        era=caller.era,
        idempotency_key=key,
        fingerprint=sha256(request).hexdigest(),
    )


async def respond(scope: Scope, send: Send, reply: Reply | Stream) -> None:
    """Send the answer with the headers that every answer has (GEN-07)."""
    status = reply.status if isinstance(reply, Reply) else 200
    elapsed_ms = int((time.perf_counter() - scope["understudy.started"]) * 1000)
    headers = [
        (b"content-type", reply.content_type),
        (b"openai-version", b"2020-10-01"),
        (b"openai-processing-ms", b"%d" % elapsed_ms),
        (b"x-request-id", scope["understudy.request_id"].encode()),
        (b"x-content-type-options", b"nosniff"),
        *scope["understudy.headers"],
        *reply.headers,
    ]
    if isinstance(reply, Reply):
        headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    async with aclosing(reply.pieces) as pieces:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
