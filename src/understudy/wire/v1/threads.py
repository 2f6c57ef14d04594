"""The thread object in v1."""

from typing import Literal

from msgspec import Struct

from understudy.wire.objects.threads import Thread


class ThreadV1(Struct, kw_only=True):
    """A conversation, without tool resources (THR-01)."""

    id: str
    object: Literal["thread"] = "thread"
    created_at: int
    metadata: dict[str, str]


def thread(newer: Thread) -> ThreadV1:
    """Return the thread as v1 shows it."""
    return ThreadV1(id=newer.id, created_at=newer.created_at, metadata=newer.metadata)
