"""Short ways to write requests and to read answers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec

from understudy.upstream.base import (
    Finished,
    ModelEvent,
    ModelRequest,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {}}}
SEARCH = {
    "type": "function",
    "function": {
        "name": "file_search",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
        },
    },
}


def user(text: str) -> dict[str, Any]:
    """Write a message of the user."""
    return {"role": "user", "content": text}


def ask(text: str, **fields: Any) -> ModelRequest:
    """Write a request with one user message."""
    return ModelRequest(**{"model": "demo", "messages": [user(text)], **fields})


def after_tools(text: str, *outputs: str, name: str = "get_weather") -> ModelRequest:
    """Write a request in which calls of a function have been answered."""
    calls = [
        {
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": name, "arguments": "{}"},
        }
        for i in range(len(outputs))
    ]
    answers = [
        {"role": "tool", "tool_call_id": f"call_{i}", "content": output}
        for i, output in enumerate(outputs)
    ]
    messages = [user(text), {"role": "assistant", "tool_calls": calls}, *answers]
    return ModelRequest(model="demo", messages=messages, tools=[WEATHER])


class Answering(Protocol):
    """An upstream, or all of them behind the catalogue."""

    def stream(self, request: ModelRequest) -> AsyncIterator[Sequence[ModelEvent]]:
        """Answer a request."""
        ...


class Heard(msgspec.Struct):
    """An answer put together again."""

    text: str = ""
    refusal: str = ""
    calls: list[list[str]] = []
    usage: Usage | None = None
    finish: str | None = None
    deltas: int = 0


def put_together(events: Sequence[ModelEvent]) -> Heard:
    """Join the deltas, and check the promises that the port makes of them."""
    heard = Heard()
    for position, event in enumerate(events):
        match event:
            case TextDelta(text):
                assert text
                heard.text += text
            case RefusalDelta(text):
                assert text
                heard.refusal += text
            case ToolCallDelta():
                _hear_call(heard.calls, event)
            case Usage():
                assert heard.usage is None
                heard.usage = event
            case Finished(reason):
                assert position == len(events) - 1
                heard.finish = reason
        heard.deltas += not isinstance(event, Usage | Finished)
    return heard


def _hear_call(calls: list[list[str]], delta: ToolCallDelta) -> None:
    if delta.index == len(calls):
        assert delta.id
        assert delta.name
        calls.append([delta.id, delta.name, delta.arguments])
    else:
        assert 0 <= delta.index < len(calls)
        assert delta.id is None
        assert delta.name is None
        calls[delta.index][2] += delta.arguments


async def events_of(upstream: Answering, request: ModelRequest) -> list[ModelEvent]:
    """Return all events of a call; no batch may be empty."""
    events: list[ModelEvent] = []
    async for batch in upstream.stream(request):
        assert batch
        events.extend(batch)
    return events


async def hear(upstream: Answering, request: ModelRequest) -> Heard:
    """Return the whole answer to a request; a call that ends well ends with Finished."""
    heard = put_together(await events_of(upstream, request))
    assert heard.finish is not None
    return heard
