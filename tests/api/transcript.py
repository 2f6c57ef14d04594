"""Writes a stream down so that it can be compared: ids and times normalised, nothing left out.

The places of events (their ``id:`` lines) are left to the accumulator, which wants them to rise.

An object is written whole when it is first seen, and later as the fields that have changed. Text
deltas that stand side by side are joined, since how text is cut depends on who reads how fast.

A transcript is compared with the file of its name in ``snapshots/``. After a change that is meant,
write the files anew with ``UNDERSTUDY_WRITE_SNAPSHOTS=1`` and read the difference.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .client import JSON, Event

SNAPSHOTS = Path(__file__).with_name("snapshots")
_ID = re.compile(r"\b(asst|thread|run|step|msg)_[A-Za-z0-9]{24}\b")
_CLOCK_SECONDS_MAX = 60


def check_transcript(name: str, events: Iterable[Event]) -> None:
    """Compare the events with the snapshot of that name."""
    told = Transcript().write(events)
    file = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UNDERSTUDY_WRITE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(told)
    assert told == file.read_text()


class Transcript:
    """What has been seen so far, so that the same thing has the same name everywhere."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._objects: dict[str, JSON] = {}
        self._start = 0

    def write(self, events: Iterable[Event]) -> str:
        """Return one paragraph for each event."""
        return "".join(self._paragraph(event) for event in joined(events))

    def _paragraph(self, event: Event) -> str:
        if not isinstance(event.data, dict):
            return f"{event.name}: {event.data}\n"
        assert event.id, "an event without a place"
        head = event.name
        self._start = self._start or event.data.get("created_at", 0)
        if event.name.endswith(".delta"):
            lines = [json.dumps(event.data, ensure_ascii=False)]
        else:
            lines = self._changes(event.data)
        return self._renamed("".join(f"{line}\n" for line in [head, *(f"    {x}" for x in lines)]))

    def _changes(self, data: JSON) -> list[str]:
        before = self._objects.get(data["id"], {})
        self._objects[data["id"]] = data
        assert not before or list(before) == list(data), "an object's fields never change"
        shown = {"id", *(key for key in data if key not in before or data[key] != before[key])}
        return [f"{key}: {self._value(key, data[key])}" for key in data if key in shown]

    def _value(self, key: str, value: Any) -> str:
        if key.endswith("_at") and isinstance(value, int):
            return self._time(value)
        return json.dumps(value, ensure_ascii=False)

    def _time(self, value: int) -> str:
        """Return NOW for a time within this test, or how far from it the time is."""
        if 0 <= value - self._start < _CLOCK_SECONDS_MAX:
            return "NOW"
        return f"CREATED{value - self._start:+}"

    def _renamed(self, text: str) -> str:
        return _ID.sub(self._name, text)

    def _name(self, match: re.Match[str]) -> str:
        kind = match[1]
        if match[0] not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[match[0]] = f"{kind}_{self._counts[kind]}"
        return self._names[match[0]]


def joined(events: Iterable[Event]) -> list[Event]:
    """Return the events with neighbouring text deltas of one part as one."""
    result: list[Event] = []
    for event in events:
        if result and _continues(result[-1], event):
            _text(result[-1])["value"] += _text(event)["value"]
            result[-1] = Event(event.name, event.id, result[-1].data)
        else:
            result.append(Event(event.name, event.id, json.loads(json.dumps(event.data))))
    return result


def _continues(first: Event, second: Event) -> bool:
    if not (first.name == second.name == "thread.message.delta"):
        return False
    one, two = _part(first), _part(second)
    same = (first.data["id"], one["index"], one["type"]) == (
        second.data["id"],
        two["index"],
        two["type"],
    )
    is_plain = one["type"] == "text" and not one["text"].get("annotations")
    return same and is_plain and "annotations" not in two["text"]


def _part(event: Event) -> JSON:
    (part,) = event.data["delta"]["content"]
    found: JSON = part
    return found


def _text(event: Event) -> JSON:
    found: JSON = _part(event)["text"]
    return found


def names(events: Iterable[Event]) -> list[str]:
    """Return the names of the events in short, text deltas joined."""
    return [event.name.removeprefix("thread.") for event in joined(events)]
