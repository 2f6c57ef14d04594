"""The ASGI application: prefixes, authentication, routing; health beside them."""

import time

import structlog
from starlette.datastructures import Headers
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from understudy.api import errors
from understudy.api.ask import Reply
from understudy.api.auth import authenticate
from understudy.api.endpoint import Endpoint, respond
from understudy.api.health import healthy, ready
from understudy.api.routes import TABLE, Row
from understudy.errors import Refusal
from understudy.ids import new_request_id
from understudy.operations.ports import Ports

log = structlog.get_logger("understudy.api")

HEALTH_PATHS = ("/healthz", "/readyz")
# The longest first; Azure's Assistants stood below /openai and ended on the same day.
PREFIXES = ("/openai/v1", "/openai", "/v1")


class _OwnRoute(Route):
    """A route that leaves the refusal of a wrong method to us (ERR-33)."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.methods and scope["method"] not in self.methods:
            await respond(
                scope, send, errors.wrong_method(scope["method"], scope["understudy.path"])
            )
        else:
            await self.app(scope, receive, send)


class Server:
    """Everything that is answered over HTTP."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._router = Router(
            [_route(ports, row) for row in TABLE],
            redirect_slashes=False,
            default=_unknown,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path in HEALTH_PATHS:
            await _answer_health(self._ports, path, send)
            return
        if path == "/openapi.json":
            await _answer_openapi(send)
            return
        prefix = next((one for one in PREFIXES if path.startswith(one + "/")), None)
        inner = self._inner_scope(scope, prefix or "")
        try:
            key = await authenticate(self._ports.storage, Headers(scope=scope))
        except Refusal as refusal:
            await respond(inner, send, errors.refused(refusal))
            return
        except Exception:
            log.exception("authentication_failed", request_id=inner["understudy.request_id"])
            await respond(inner, send, errors.broken(inner["understudy.request_id"]))
            return
        inner["understudy.project_id"] = key.project_id
        inner["understudy.headers"] = (
            (b"openai-organization", b"understudy"),
            (b"openai-project", key.project_id.encode()),
        )
        app: ASGIApp = self._router if prefix else _unknown
        await app(inner, receive, send)

    def _inner_scope(self, scope: Scope, prefix: str) -> Scope:
        return {
            **scope,
            "path": scope["path"][len(prefix) :],
            "understudy.path": scope["path"],
            "understudy.azure": prefix == "/openai",
            "understudy.request_id": new_request_id(),
            "understudy.started": time.perf_counter(),
            "understudy.headers": (),
        }


class Health:
    """What a process answers that has no API: whether it lives, and whether its parts work."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive
        if scope["type"] != "http":
            return
        if scope["path"] in HEALTH_PATHS:
            await _answer_health(self._ports, scope["path"], send)
        else:
            await _answer_plainly(Reply(body=b'{"error":"This is a worker."}', status=404), send)


def _route(ports: Ports, row: Row) -> Route:
    endpoint = Endpoint(
        ports,
        row.handler,
        body=row.body,
        needs_beta=row.needs_beta,
        only_era=row.only_era,
    )
    route = _OwnRoute(row.path, endpoint, methods=[row.method])
    route.methods = {row.method}  # not HEAD, which Starlette adds to GET
    return route


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    if scope["type"] == "http":
        await respond(scope, send, errors.no_such_url(scope["method"], scope["understudy.path"]))


async def _answer_health(ports: Ports, path: str, send: Send) -> None:
    await _answer_plainly(healthy() if path == "/healthz" else await ready(ports), send)


async def _answer_openapi(send: Send) -> None:
    """Imports the description of the API only now: starts are too frequent to wait for it."""
    from understudy.api.openapi import document  # noqa: PLC0415

    await _answer_plainly(Reply(body=document()), send)


async def _answer_plainly(reply: Reply, send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
