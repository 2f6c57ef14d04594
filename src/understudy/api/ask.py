"""A request as handlers see it."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from understudy.errors import InvalidRequest
from understudy.operations.ports import Caller, Ports
from understudy.wire.params.path_ids import check_id

if TYPE_CHECKING:
    from understudy.wire.era import Era

MEBIBYTE = 1024 * 1024


class ClientGone(Exception):
    """The client hung up before its request was whole."""


class Ask:
    """One request: who asks, and for what."""

    __slots__ = ("_receive", "_scope", "body", "caller", "headers", "ports", "query")

    def __init__(
        self, ports: Ports, caller: Caller, scope: Scope, headers: Headers, receive: Receive
    ) -> None:
        self.ports = ports
        self.caller = caller
        self.headers = headers
        self.query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.body = b""
        self._scope = scope
        self._receive = receive

    @property
    def era(self) -> "Era":
        """Return which version of the API the request speaks."""
        return self.caller.era

    @property
    def request_id(self) -> str:
        """Return the id under which the log knows the request (GEN-08)."""
        request_id: str = self._scope["understudy.request_id"]
        return request_id

    def id(self, name: str) -> str:
        """Return the id of that name in the path, checked (ERR-24, ERR-25)."""
        value: str = self._scope["path_params"][name]
        check_id(name, value, self.caller.era)
        return value

    def text(self, name: str) -> str:
        """Return a part of the path as it is."""
        value: str = self._scope["path_params"][name]
        return value

    def first(self, name: str) -> str | None:
        """Return the first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    async def disconnected(self) -> None:
        """Wait until the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises ClientGone when it stops half way."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            yield message.get("body", b"")
            more = message.get("more_body", False)

    async def read_body(self, bytes_max: int) -> bytes:
        """Read the whole body into ``body``. Raises InvalidRequest when it is too large."""
        parts: list[bytes] = []
        size = 0
        async for part in self.stream():
            size += len(part)
            if size > bytes_max:
                raise InvalidRequest(
                    f"The request body is too large. Maximum size is {bytes_max // MEBIBYTE} MB."
                )
            parts.append(part)
        self.body = parts[0] if len(parts) == 1 else b"".join(parts)
        return self.body


class Reply(Struct, frozen=True, kw_only=True):
    """A whole answer."""

    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Stream(Struct, frozen=True, kw_only=True):
    """An answer that is sent piece by piece."""

    pieces: AsyncGenerator[bytes]
    content_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
