"""Whether the process lives, and whether its parts work."""

import msgspec

from understudy.api.ask import Reply
from understudy.errors import Refusal
from understudy.operations.ports import Ports


def healthy() -> Reply:
    """Say that the process answers."""
    return Reply(body=b'{"status":"ok"}')


async def ready(ports: Ports) -> Reply:
    """Say which part is down, if one is.

    Only without the database nobody can be served: without NATS everything is later, and without
    the files most requests are well. To take all processes away for that would make it worse.
    """
    parts = {
        "database": await _database(ports),
        "files": await _files(ports),
        "dispatch": await _dispatch(ports),
    }
    down = parts["database"] != "ok"
    degraded = any(state != "ok" for state in parts.values())
    status = "unavailable" if down else "degraded" if degraded else "ok"
    body = msgspec.json.encode({"status": status, "parts": parts})
    return Reply(body=body, status=503 if down else 200)


async def _database(ports: Ports) -> str:
    try:
        await ports.storage.check()
    except Refusal as refusal:
        return refusal.message
    return "ok"


async def _dispatch(ports: Ports) -> str:
    try:
        await ports.dispatch.check()
    except Refusal as refusal:
        return refusal.message
    return "ok"


async def _files(ports: Ports) -> str:
    try:
        await ports.files.check()
    except OSError as error:
        return str(error)
    return "ok"
