"""What one message on a run's subject carries: events that follow each other."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from understudy.wire.deltas import MessageDelta, StepDelta
from understudy.wire.events import EventData, EventId, RunEvent
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep
from understudy.wire.objects.threads import Thread


class Parcel(Struct, frozen=True):
    """Events of one run, the first of them directly behind ``after``.

    A state that is too large for a message travels as its id in ``only_in_rows``, without events.
    With ``from_rows`` everything up to ``after`` is in the rows, so that whoever has lost the story
    can go on with this parcel.
    """

    after: EventId
    events: Sequence[RunEvent] = ()
    only_in_rows: EventId | None = None
    from_rows: bool = False


class _Line(Struct, frozen=True, array_like=True):
    attempt: int
    position: int
    name: str
    width: int
    resumed: bool
    data: msgspec.Raw


class _Letter(Struct, frozen=True, array_like=True):
    attempt: int
    position: int
    lines: list[_Line]
    only_in_rows: tuple[int, int] | None = None
    from_rows: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Letter).decode
# The longest beginning of the event's name that is here says what its data is.
_KINDS: tuple[tuple[str, type[Any]], ...] = (
    ("thread.message.delta", MessageDelta),
    ("thread.message.", Message),
    ("thread.run.step.delta", StepDelta),
    ("thread.run.step.", RunStep),
    ("thread.run.", Run),
    ("thread.created", Thread),
)
_DECODERS = [(beginning, msgspec.json.Decoder(kind)) for beginning, kind in _KINDS]


def encode(parcel: Parcel) -> bytes:
    """Return the parcel as bytes."""
    after, bare = parcel.after, parcel.only_in_rows
    lines = [_line(event) for event in parcel.events]
    only_in_rows = (bare.attempt, bare.position) if bare else None
    letter = _Letter(after.attempt, after.position, lines, only_in_rows, parcel.from_rows)
    return _encode(letter)


def _line(event: RunEvent) -> _Line:
    data = msgspec.Raw(_encode(event.data))
    return _Line(event.attempt, event.position, event.name, event.width, event.resumed, data)


def decode(content: bytes) -> Parcel:
    """Read a parcel. Raises msgspec.MsgspecError for what a process of ours has not sent."""
    letter = _decode(content)
    after = EventId(letter.attempt, letter.position)
    only_in_rows = EventId(*letter.only_in_rows) if letter.only_in_rows else None
    events = [_event(line) for line in letter.lines]
    return Parcel(after, events, only_in_rows, letter.from_rows)


def _event(line: _Line) -> RunEvent:
    return RunEvent(
        attempt=line.attempt,
        position=line.position,
        name=line.name,  # type: ignore[arg-type]
        data=_data(line),
        width=line.width,
        resumed=line.resumed,
    )


def _data(line: _Line) -> EventData:
    for beginning, decoder in _DECODERS:
        if line.name.startswith(beginning):
            data: EventData = decoder.decode(line.data)
            return data
    raise msgspec.ValidationError(line.name)
