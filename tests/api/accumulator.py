"""Builds objects from a stream as the official SDKs do, and is stricter than they are.

It raises where AssistantEventHandler (python) or AssistantStream (node) would (SDK-03, SDK-04,
SDK-05), and also when what the deltas add up to is not what the completed object says.
"""

from collections.abc import Iterable
from typing import Any

from .client import JSON, Event


class Accumulator:
    """The objects of one or more streams of a run."""

    def __init__(self) -> None:
        self.runs: list[JSON] = []
        self.steps: dict[str, JSON] = {}
        self.messages: dict[str, JSON] = {}
        self.text = ""
        self._built: dict[str, list[JSON]] = {}
        self._ids: list[tuple[int, int]] = []

    def take_all(self, events: Iterable[Event]) -> "Accumulator":
        """Take a whole stream, which has to end with done."""
        last = None
        for last in events:
            self.take(last)
        assert last is not None
        assert last.name == "done", last
        return self

    def take(self, event: Event) -> None:
        """Take one event."""
        if event.name == "done":
            assert (event.data, event.id) == ("[DONE]", None)
            return
        self._take_id(event)
        if event.name == "thread.message.delta":
            self._add(self.messages, event.data["id"], event.data["delta"]["content"])
            self.text += _text_of(event.data)
        elif event.name == "thread.run.step.delta":
            details = event.data["delta"]["step_details"]
            assert details["type"] == "tool_calls"
            self._add(self.steps, event.data["id"], details["tool_calls"])
        else:
            self._take_object(event)

    def _take_id(self, event: Event) -> None:
        attempt, _, position = (event.id or "").partition("-")
        place = (int(attempt), int(position))
        assert not self._ids or place > self._ids[-1], f"{place} comes after {self._ids[-1]}"
        self._ids.append(place)

    def _take_object(self, event: Event) -> None:
        data = event.data
        kind = {"thread.run": self.runs, "thread.run.step": self.steps}
        if data["object"] == "thread.run":
            self.runs.append(data)
            return
        if data["object"] == "thread":
            return
        known = kind.get(data["object"], self.messages)
        assert isinstance(known, dict)
        if event.name.endswith(".created"):
            assert data["id"] not in known, "created twice"
            self._built[data["id"]] = []
        known[data["id"]] = data
        self._compare(data)

    def _compare(self, data: JSON) -> None:
        """An object that has ended says what its deltas have said (SDK-04)."""
        built = self._built.get(data["id"])
        if built is None or data["status"] == "in_progress":
            return
        if data["object"] == "thread.message":
            assert data["content"] == [_as_stored(part) for part in built]
        elif data["step_details"]["type"] == "tool_calls":
            calls = data["step_details"]["tool_calls"]
            # Calls that were cut off are not kept: see the gaps of section 10.
            assert not calls or [_without_output(call) for call in calls] == [
                _without_output(_without_index(call)) for call in built
            ]
            assert [call["id"] for call in calls] == [call["id"] for call in built[: len(calls)]]

    def _add(self, known: dict[str, JSON], object_id: str, pieces: list[JSON]) -> None:
        assert object_id in known, "Encountered a delta with no previous snapshot"
        assert known[object_id]["status"] == "in_progress", "a delta for what has ended"
        built = self._built[object_id]
        for piece in pieces:
            index = piece["index"]
            assert index <= len(built), "an index left out"
            if index == len(built):
                built.append({})
            _sum(built[index], piece)

    @property
    def built(self) -> list[JSON]:
        """Return what the deltas of the latest object add up to."""
        return list(self._built.values())[-1]

    @property
    def final_run(self) -> JSON:
        """Return the last run that was told (SDK-09)."""
        return self.runs[-1]


def _sum(total: JSON, delta: JSON) -> None:
    """Add a delta as the SDKs do: strings are joined, numbers added (SDK-05)."""
    for key, value in delta.items():
        if key in {"index", "type"} or total.get(key) is None:
            total[key] = _copy(value)
        elif isinstance(value, dict):
            _sum(total[key], value)
        elif isinstance(value, list):
            _extend(total[key], value)
        elif value is not None:
            total[key] += value


def _extend(total: list[Any], delta: list[Any]) -> None:
    for entry in delta:
        index = entry["index"]
        assert index <= len(total), "Expected array delta entries to be contiguous"
        if index == len(total):
            total.append({})
        _sum(total[index], entry)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value


def _text_of(data: JSON) -> str:
    parts = data["delta"]["content"]
    return "".join(part["text"]["value"] for part in parts if part["type"] == "text")


def _without_index(entry: JSON) -> JSON:
    return {key: value for key, value in entry.items() if key != "index"}


def _as_stored(part: JSON) -> JSON:
    """Return a part as the message shows it: no index, and in v2 no empty quote (STR-11)."""
    stored = _without_index(part)
    if stored["type"] == "text":
        annotations = [_annotation(one) for one in stored["text"]["annotations"]]
        stored["text"] = {**stored["text"], "annotations": annotations}
    return stored


def _annotation(one: JSON) -> JSON:
    if one["type"] == "file_path":
        return _without_index(one)
    citation = {key: value for key, value in one["file_citation"].items() if value != ""}
    return {**_without_index(one), "file_citation": citation}


def _without_output(call: JSON) -> JSON:
    """Outputs of functions come from the client, and what was found only with the step."""
    if call["type"] == "file_search":
        return {**call, "file_search": {**call["file_search"], "results": []}}
    if call["type"] == "retrieval":
        return call
    if call["type"] == "code_interpreter":
        cell = call["code_interpreter"]
        outputs = [_without_index(output) for output in cell["outputs"]]
        return {**call, "code_interpreter": {**cell, "outputs": outputs}}
    return {**call, "function": {**call["function"], "output": None}}
