"""The way in over HTTP: a request with the secret is upgraded to a conversation.

    POST /sandbox  Authorization: Bearer ...  Upgrade: understudy-sandbox   101, then frames
    GET  /healthz                                                           200 or 503

Upgrading, as web sockets do, passes through proxies and leaves one protocol for both ways in.
"""

import asyncio
import hmac
import socket
from dataclasses import dataclass

PROTOCOL = "understudy-sandbox"
HEAD_BYTES_MAX = 8192
HEAD_SECONDS_MAX = 10.0
# A host that is gone says nothing, and neither side of a silent cell would find out: the worker
# would wait for its end, and the runner would keep the session for somebody who never comes back.
LOST_PEER = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request or response: its first line, and its fields by lower-case name."""

    first: str
    fields: dict[str, str]


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read a head; nothing when none comes in time, or what comes is none."""
    try:
        async with asyncio.timeout(HEAD_SECONDS_MAX):
            head = await reader.readuntil(b"\r\n\r\n")
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return None
    if len(head) > HEAD_BYTES_MAX:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines if line)
    return Head(first, {name.strip().lower(): value.strip() for name, _, value in fields})


def verdict(head: Head, secret: str, *, healthy: bool) -> int:
    """Return the status that answers the request; 101 lets it in."""
    if head.first.startswith("GET /healthz "):
        return 200 if healthy else 503
    if not head.first.startswith("POST /sandbox "):
        return 404
    given = head.fields.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), secret.encode()):
        return 401
    return 101 if head.fields.get("upgrade", "").lower() == PROTOCOL else 426


def response(status: int) -> bytes:
    """Return the answer for a status."""
    if status == 101:  # noqa: PLR2004 - it is called that
        head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}"
        return f"{head}\r\n\r\n".encode()
    return f"HTTP/1.1 {status} \r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def notice_lost_peer(writer: asyncio.StreamWriter) -> None:
    """Let the connection break off within a minute when the other host is gone."""
    connection = writer.get_extra_info("socket")
    if connection is None:
        return  # it has broken off already
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in LOST_PEER.items():
        if hasattr(socket, name):  # some systems have defaults only
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def request(host: str, secret: str) -> bytes:
    """Return the request that asks to be let in."""
    lines = (
        "POST /sandbox HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {secret}",
        "Connection: Upgrade",
        f"Upgrade: {PROTOCOL}",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
