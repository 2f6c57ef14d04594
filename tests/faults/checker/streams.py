"""What a reader is told: each event once, in order, none left out, and in the grammar of STR-04.

An id is ``attempt-position``. An event that is not a delta advances the position by one, a delta
by the characters that it adds; so a gap shows, and so does a part that comes twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .account import Account, Line, Reading, Violation, is_of_run
from .contract import (
    MESSAGE_ENDS,
    MESSAGE_EVENTS,
    RUN_EVENTS,
    STEP_ENDS,
    STEP_EVENTS,
    STOPPED,
    TERMINAL,
)


def place(event: Line) -> tuple[int, int]:
    """Return attempt and position."""
    attempt, _, position = str(event["id"]).partition("-")
    return int(attempt), int(position)


def width(event: Line) -> int:
    """Return by how much an event advances the position."""
    data = event["data"]
    if event["name"] == "thread.message.delta":
        return sum(len(part["text"]["value"]) for part in data["delta"]["content"])
    if event["name"] == "thread.run.step.delta":
        return sum(_width_of_call(call) for call in data["delta"]["step_details"]["tool_calls"])
    return 1


def _width_of_call(call: Line) -> int:
    """The piece with the id takes one, and all text its characters."""
    arguments = call.get("function", {}).get("arguments") or ""
    cell = call.get("code_interpreter", {})
    logs = (output["logs"] for output in cell.get("outputs") or ())
    return ("id" in call) + len(arguments) + len(cell.get("input") or "") + sum(map(len, logs))


def ids_rise(account: Account) -> Iterator[Violation]:
    """Yield ids that do not rise strictly."""
    for reading, before, event in _pairs(account):
        if place(event) <= place(before):
            what = f"{reading.label}: {before['id']} -> {event['id']}"
            yield Violation("ids rise", what, event["n"])


def nothing_is_left_out(account: Account) -> Iterator[Violation]:
    """Yield gaps between two events, and deltas that tell a part again."""
    for reading, before, event in _pairs(account):
        (old_attempt, old), (attempt, position) = place(before), place(event)
        begins = position - width(event)
        if begins > old or (attempt == old_attempt and begins < old):
            what = f"{reading.label}: {before['id']} -> {event['id']} ({event['name']})"
            yield Violation("nothing is left out", what, event["n"])


def _pairs(account: Account) -> Iterator[tuple[Reading, Line, Line]]:
    for reading in account.readings:
        told = list(reading.told())
        yield from ((reading, *pair) for pair in pairwise(told))


def told_to_the_end(account: Account) -> Iterator[Violation]:
    """Yield readers whose last connection broke, or who were told `done` too early (STR-14)."""
    gave_up = {line["job"] for line in account.of("gave_up")}
    for reading in account.readings:
        statuses = [event["data"]["status"] for event in reading.events if is_of_run(event)]
        ended = bool(statuses) and statuses[-1] in STOPPED
        if reading.job not in gave_up and (not ended or reading.endings[-1:] == ["broken"]):
            what = f"{reading.label} ended {reading.endings[-1:]} in {statuses[-1:]}"
            yield Violation("told to the end", what)


def retold_alike(account: Account) -> Iterator[Violation]:
    """Yield runs whose story is another one for those who read it later."""
    live: dict[str, Reading] = {}
    for reading in account.readings:
        if not reading.is_replay:
            live[reading.run_id] = reading
    for replay in account.readings:
        told = live.get(replay.run_id)
        if replay.is_replay and told is not None and _outline(told) != _outline(replay):
            yield Violation("retold alike", f"{told.label}: {_difference(told, replay)}")


def _outline(reading: Reading) -> list[tuple[str, str, str]]:
    return [
        (event["id"], event["name"], event["data"]["id"])
        for event in reading.told()
        if not event["name"].endswith(".delta")
    ]


def _difference(one: Reading, other: Reading) -> str:
    only = set(_outline(one)) ^ set(_outline(other))
    return f"only one of them has {sorted(only)}"


@dataclass
class _Scene:
    """What is open while a story is told."""

    complaints: list[str] = field(default_factory=list)
    status: str = ""
    steps: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)

    def want(self, right: bool, what: str) -> None:  # noqa: FBT001 -- reads like an assertion
        if not right:
            self.complaints.append(what)

    def take(self, event: Line) -> None:
        """Take the next event."""
        name, data = event["name"], event["data"]
        self.want(self.status not in TERMINAL, f"{name} after {self.status}")
        if name == "thread.created":
            self.want(not self.status, f"{name} after {self.status}")
        elif name in RUN_EVENTS:
            self._run(name, data)
        elif name in STEP_EVENTS:
            self.want(self.status == "in_progress" or _ends(name), f"{name} in {self.status}")
            self._object(self.steps, STEP_ENDS, name, data)
            self._step(name, data)
        elif name in MESSAGE_EVENTS:
            self._object(self.messages, MESSAGE_ENDS, name, data)
            self.want(data["id"] in self.announced, f"{name} of {data['id']} before its step")
        else:
            self.complaints.append(f"{name} is no event")

    def _run(self, name: str, data: Line) -> None:
        created = name == "thread.run.created"
        self.want(created == (not self.status), f"{name} after {self.status or 'nothing'}")
        told = "queued" if created else name.removeprefix("thread.run.")
        self.want(data["status"] == told, f"{name} with status {data['status']}")
        self.status = told
        open_messages = [key for key, state in self.messages.items() if state not in MESSAGE_ENDS]
        open_steps = [key for key, state in self.steps.items() if state not in STEP_ENDS]
        if told in STOPPED:
            self.want(not open_messages, f"{name} while {open_messages} are open")
        if told in TERMINAL:
            self.want(not open_steps, f"{name} while {open_steps} are open")

    def _object(self, states: dict[str, str], ends: frozenset[str], name: str, data: Line) -> None:
        """created, in_progress, deltas, one end."""
        state, told = states.get(data["id"], ""), name.rpartition(".")[2]
        before = {"created": "", "in_progress": "created"}.get(told, "in_progress")
        self.want(state == before, f"{name} of {data['id']} after {state or 'nothing'}")
        if told != "delta":
            states[data["id"]] = told
        if told in ends:
            self.want(data["status"] == told, f"{name} with status {data['status']}")

    def _step(self, name: str, data: Line) -> None:
        if name == "thread.run.step.delta":
            for call in data["delta"]["step_details"]["tool_calls"]:
                self._call(data["id"], call)
        elif data["type"] == "message_creation":
            self.announced.add(data["step_details"]["message_creation"]["message_id"])

    def _call(self, step_id: str, call: Line) -> None:
        """SDK-04, SDK-05: the index is contiguous, the id is told with the first piece only."""
        known = self.calls.get(step_id, 0)
        new = "id" in call
        self.want(call["index"] == known if new else call["index"] < known, f"delta of {call}")
        self.calls[step_id] = known + new


def _ends(name: str) -> bool:
    return name.rpartition(".")[2] in STEP_ENDS


def grammar(account: Account) -> Iterator[Violation]:
    """Yield events that must not come where they came (SDK-03, STR-04, STR-05, STR-13)."""
    for reading in account.readings:
        scene = _Scene()
        for event in reading.told():
            scene.take(event)
            for complaint in scene.complaints:
                yield Violation("grammar", f"{reading.label}: {complaint}", event["n"])
            scene.complaints.clear()
