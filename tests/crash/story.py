"""What is compared: the objects that are left, and the story that the client was told."""

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from .client import Event, StubbornClient

_ID = re.compile(r"\b(?:(?:thread|run|step|msg|asst|vs)_|file-)[A-Za-z0-9]{22,24}\b")


def objects(client: StubbornClient, thread: str) -> Any:
    """Return all objects of the thread, with ids numbered as they appear and times blanked."""
    runs = client.get(f"{thread}/runs?order=asc&limit=100")["data"]
    steps = [client.get(f"{thread}/runs/{run['id']}/steps?order=asc")["data"] for run in runs]
    messages = client.get(f"{thread}/messages?order=asc&limit=100")["data"]
    return normal({"messages": messages, "runs": runs, "steps": steps})


def normal(value: Any) -> Any:
    """Return the JSON value without what differs from run to run."""
    numbers = itertools.count(1)
    names: dict[str, str] = defaultdict(lambda: f"id {next(numbers)}")
    text = _ID.sub(lambda match: names[match[0]], json.dumps(_timeless(value)))
    return json.loads(text)


def _timeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_timeless(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: "a time" if key.endswith("_at") and each is not None else _timeless(each)
        for key, each in value.items()
    }


def check_told_once(events: Sequence[Event]) -> None:
    """Each event once, in order: ids rise strictly, and no object begins or ends twice."""
    places = [event.place for event in events]
    assert places == sorted(set(places)), "ids do not rise strictly"
    changes = [(e.name, e.data["id"]) for e in events if not e.name.endswith(".delta")]
    # A run that its client answers is queued and in progress once more.
    again = ("thread.run.queued", "thread.run.in_progress", "thread.run.requires_action")
    doubled = [one for one, n in Counter(changes).items() if n > 1 and one[0] not in again]
    assert not doubled, f"told twice: {doubled}"


def names(events: Sequence[Event]) -> list[str]:
    """Return the story without its deltas, which may be cut in other places."""
    return [event.name for event in events if not event.name.endswith(".delta")]


def texts(events: Sequence[Event]) -> dict[str, str]:
    """Return what the deltas of each message amount to."""
    told: dict[str, str] = defaultdict(str)
    for event in events:
        if event.name == "thread.message.delta":
            for part in event.data["delta"]["content"]:
                told[event.data["id"]] += part.get("text", {}).get("value", "")
    return dict(told)


def arguments(events: Sequence[Event]) -> dict[int, tuple[str, str]]:
    """Return the name and the arguments of each call, by its index, as the deltas tell them."""
    told: dict[int, tuple[str, str]] = defaultdict(lambda: ("", ""))
    for event in events:
        if event.name == "thread.run.step.delta":
            for call in event.data["delta"]["step_details"]["tool_calls"]:
                name, so_far = told[call["index"]]
                function = call["function"]
                name += function.get("name") or ""
                told[call["index"]] = name, so_far + (function.get("arguments") or "")
    return dict(told)


def written(thread_objects: Any) -> list[str]:
    """Return the texts of the assistant's messages."""
    return [
        "".join(part["text"]["value"] for part in message["content"])
        for message in thread_objects["messages"]
        if message["role"] == "assistant"
    ]
