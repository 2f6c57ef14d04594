"""The journal of a run: one short line for each event that is not a delta.

The journal and the objects together tell a run's whole story again (``transcript.py``), so that
no event has to be stored as its clients saw it.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from understudy.wire.events import EventName, RunEvent
from understudy.wire.objects.runs import Run


class Entry(Struct, frozen=True, array_like=True):
    """An event that happened; ``started_at`` is the run's, for the run's own events."""

    attempt: int
    position: int
    name: EventName
    object_id: str
    started_at: int | None


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Entry)


def write(events: Iterable[RunEvent]) -> bytes:
    """Return the lines for these events, each with a newline at its end."""
    return b"".join(_encode(_entry(event)) + b"\n" for event in events if not event.width)


def _entry(event: RunEvent) -> Entry:
    data = event.data
    started_at = data.started_at if isinstance(data, Run) else None
    return Entry(event.attempt, event.position, event.name, data.id, started_at)


def read(lines: bytes) -> list[Entry]:
    """Return the entries, oldest first."""
    return _decoder.decode_lines(lines)
