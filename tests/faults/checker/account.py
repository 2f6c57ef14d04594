"""The history as the rules want to see it: by request, by reader, by run, by call of the model."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Violation:
    """Something that must not happen, and where in the history it shows."""

    rule: str
    what: str
    n: int | None = None

    def __str__(self) -> str:
        where = "" if self.n is None else f" (line {self.n})"
        return f"{self.rule}: {self.what}{where}"


@dataclass
class Ask:
    """A request with what became of it."""

    line: Line
    answer: Line | None = None
    """Its whole answer, or the line that says that its stream was opened."""

    @property
    def path(self) -> str:
        """Return the path without its query."""
        return str(self.line["path"]).partition("?")[0]

    @property
    def is_granted(self) -> bool:
        """Return whether the server did what it was asked."""
        return self.answer is not None and self.answer.get("status", 200) == 200

    @property
    def body(self) -> Any:
        """Return the object of the answer."""
        return self.answer.get("body") if self.answer else None


@dataclass
class Reading:
    """What one reader was told, over all its connections."""

    label: str
    events: list[Line] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    opened: int = 0

    @property
    def job(self) -> str:
        """Return the job that the reader belongs to; it is in the label of those who read live."""
        return self.label.partition(":")[0]

    @property
    def is_replay(self) -> bool:
        """Return whether this reader came when all was over."""
        return self.label.startswith("final:")

    @property
    def run_id(self) -> str:
        """Return the run that is told of."""
        return next((e["data"]["id"] for e in self.events if is_of_run(e)), "")

    def told(self) -> Iterator[Line]:
        """Yield the events of the run; an error of the stream itself is none."""
        return (event for event in self.events if event["name"] != "error")


@dataclass
class Call:
    """A question to the model, and how its answer ended."""

    line: Line
    how: str = "left"

    @property
    def job(self) -> str:
        return str(self.line["job"])

    @property
    def turn(self) -> int:
        return int(self.line["turn"])

    @property
    def text(self) -> str:
        """Return what the model was going to say."""
        return str(self.line["answer"]["text"])

    @property
    def calls(self) -> Sequence[Sequence[str]]:
        """Return id, name and arguments of what it was going to call."""
        calls: Sequence[Sequence[str]] = self.line["answer"]["calls"]
        return calls

    @property
    def status(self) -> int:
        return int(self.line["answer"]["status"])


@dataclass(frozen=True)
class Sighting:
    """An object as somebody saw it; it was so at some time between the two lines."""

    body: Any
    sent: int
    seen: int
    at: float


class Account:
    """All that a history tells."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = list(lines)

    def of(self, what: str) -> Iterator[Line]:
        """Yield the lines of one kind."""
        return (line for line in self.lines if line["what"] == what)

    @cached_property
    def asks(self) -> Mapping[int, Ask]:
        """Return the requests by number."""
        asks = {line["ask"]: Ask(line) for line in self.of("asked")}
        for line in self.lines:
            if line["what"] in {"answered", "opened"}:
                asks[line["ask"]].answer = line
        return asks

    @cached_property
    def readings(self) -> Sequence[Reading]:
        """Return what each reader was told."""
        readings: dict[str, Reading] = {}
        for line in self.lines:
            if "reader" in line:
                reading = readings.setdefault(line["reader"], Reading(line["reader"]))
                if line["what"] == "event":
                    reading.events.append(line)
                elif line["what"] == "closed":
                    reading.endings.append(line["how"])
                else:
                    reading.opened += 1
        return list(readings.values())

    @cached_property
    def calls(self) -> Sequence[Call]:
        """Return the questions to the model, oldest first."""
        calls = {line["call"]: Call(line) for line in self.of("model_asked")}
        for line in self.of("model_told"):
            calls[line["call"]].how = line["how"]
        return list(calls.values())

    @cached_property
    def calls_of(self) -> Mapping[str, Sequence[Call]]:
        """Return the questions by job."""
        found: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            found[call.job].append(call)
        return found

    @cached_property
    def runs(self) -> Mapping[str, Any]:
        """Return the runs as they are at the end."""
        return {run["id"]: run for line in self.of("final") for run in line["runs"]}

    @cached_property
    def sightings(self) -> Mapping[str, Sequence[Sighting]]:
        """Return every look at every object that has an id, oldest first."""
        found: dict[str, list[Sighting]] = defaultdict(list)
        for line in self.lines:
            for body, sent in self._seen_in(line):
                found[body["id"]].append(Sighting(body, sent, line["n"], line["at"]))
        return found

    def _seen_in(self, line: Line) -> Iterator[tuple[Any, int]]:
        if line["what"] == "event" and not line["name"].endswith(".delta"):
            if "id" in line["data"]:
                yield line["data"], line["n"]
        elif line["what"] == "answered" and isinstance(line["body"], dict):
            sent = self.asks[line["ask"]].line["n"]
            bodies = line["body"].get("data", [line["body"]])
            yield from ((body, sent) for body in bodies if {"id", "object"} <= set(body))
        elif line["what"] == "final":
            steps = [step for of_run in line["steps"].values() for step in of_run]
            yield from ((body, line["n"]) for body in (*line["runs"], *line["messages"], *steps))


def is_of_run(event: Line) -> bool:
    """Return whether the event tells a state of the run itself."""
    return bool(event["data"].get("object") == "thread.run")


def text_of(message: Any) -> str:
    """Return the text of a message."""
    parts = (part for part in message["content"] if part["type"] == "text")
    return "".join(part["text"]["value"] for part in parts)


def job_of(thing: Any) -> str:
    """Return the label that a run or a message of the user bears."""
    return str(thing["metadata"].get("job", ""))


def load(path: Path) -> Account:
    """Read a history; a last line that was cut off is left out."""
    lines = path.read_text().split("\n")
    return Account(json.loads(line) for line in lines[:-1])
