"""Reads an event stream after the fact and says whether it is exactly what it should be."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec

from bench.connection import Answer


def events_named(names: str) -> list[str]:
    """Return the names that stand between spaces."""
    return names.split()


PLAIN = events_named(
    "thread.created thread.run.created thread.run.queued thread.run.in_progress "
    "thread.run.step.created thread.run.step.in_progress thread.message.created "
    "thread.message.in_progress thread.message.delta thread.message.completed "
    "thread.run.step.completed thread.run.completed done"
)
"""STR-04, consecutive deltas counted once."""

FUNCTION_CALL = events_named(
    "thread.created thread.run.created thread.run.queued thread.run.in_progress "
    "thread.run.step.created thread.run.step.in_progress thread.run.step.delta "
    "thread.run.requires_action done"
)
"""STR-05, consecutive deltas counted once."""


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    data: str

    def json(self) -> Any:
        """Return the decoded data."""
        return msgspec.json.decode(self.data)


class WrongStream(Exception):
    """A stream that is not what the contract promises."""


def events(answer: Answer) -> list[Event]:
    """Return the events of a stream, without comments."""
    answer.expect_success()
    frames = answer.body.decode().split("\n\n")
    fields = [dict(_field(line) for line in frame.split("\n") if line) for frame in frames]
    return [Event(found["event"], found["data"]) for found in fields if "data" in found]


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def expect_order(found: Sequence[Event], expected: Sequence[str]) -> None:
    """Raise unless the events are these, in this order, deltas repeated at will."""
    names = [name for name, _ in groupby(event.name for event in found)]
    if names != list(expected):
        raise WrongStream(f"events {names}, last data {found[-1].data[:300] if found else ''}")


def streamed_text(found: Sequence[Event]) -> str:
    """Return the deltas' text, which must equal the completed message's."""
    deltas = (event.json() for event in found if event.name == "thread.message.delta")
    text = "".join(part["text"]["value"] for delta in deltas for part in delta["delta"]["content"])
    completed = next(one.json() for one in found if one.name == "thread.message.completed")
    if completed["content"][0]["text"]["value"] != text:
        raise WrongStream("the completed message differs from its deltas")
    return text


def expect_plain(answer: Answer, text: str) -> None:
    """Raise unless this is a whole plain run that said exactly this."""
    found = events(answer)
    expect_order(found, PLAIN)
    if streamed_text(found) != text:
        raise WrongStream("the text is not what the model said")


def expect_function_call(answer: Answer) -> None:
    """Raise unless this run stopped at a function call."""
    expect_order(events(answer), FUNCTION_CALL)
