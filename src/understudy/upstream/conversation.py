"""What the built-in upstreams read of a request's messages."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from understudy.upstream.base import ModelRequest

Message = dict[str, Any]


class ToolOutput(msgspec.Struct, frozen=True):
    """What a caller answered to one call; the name is empty when the call is not in sight."""

    name: str
    text: str


def text_of(message: Message) -> str:
    """Return the text of a message, its parts joined by spaces."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part.get("type") == "text")


def last_user_text(messages: Sequence[Message]) -> str:
    """Return the text of the latest user message, or nothing."""
    return next((text_of(m) for m in reversed(messages) if m.get("role") == "user"), "")


def images_in_last_user_message(messages: Sequence[Message]) -> int:
    """Return how many images came with the latest user message."""
    last = next((m for m in reversed(messages) if m.get("role") == "user"), {})
    content = last.get("content")
    parts = content if isinstance(content, list) else []
    return sum(part.get("type") == "image_url" for part in parts)


def instructions(messages: Sequence[Message]) -> str:
    """Return the text of the system and developer messages."""
    return "\n".join(text_of(m) for m in messages if m.get("role") in {"system", "developer"})


def is_after_tools(messages: Sequence[Message]) -> bool:
    """Return whether the model is asked to go on after tool outputs."""
    return bool(messages) and messages[-1].get("role") == "tool"


def has_tool_outputs(messages: Sequence[Message]) -> bool:
    """Return whether a call has been answered since the latest user message."""
    roles = (message.get("role") for message in reversed(messages))
    return next((role for role in roles if role in {"tool", "user"}), "user") == "tool"


def latest_tool_outputs(messages: Sequence[Message]) -> list[ToolOutput]:
    """Return the tool outputs at the end of the conversation, in their order."""
    names = {call["id"]: call["function"]["name"] for call in _calls(messages)}
    outputs: list[ToolOutput] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        outputs.append(ToolOutput(names.get(message.get("tool_call_id"), ""), text_of(message)))
    return outputs[::-1]


def whole_text(messages: Sequence[Message]) -> str:
    """Return everything in the conversation that costs tokens, images aside."""
    called = [
        call["function"]["name"] + " " + call["function"]["arguments"] for call in _calls(messages)
    ]
    return "\n".join([*map(text_of, messages), *called])


def call_id(request: ModelRequest, number: int) -> str:
    """Return an id for the call of this number that depends on the request alone."""
    seed = msgspec.json.encode((request.model, request.messages, number), order="sorted")
    return f"call_{sha256(seed).hexdigest()[:24]}"


def offered_functions(request: ModelRequest) -> dict[str, dict[str, Any]]:
    """Return the parameter schema of each offered function, by name."""
    functions = [tool["function"] for tool in request.tools if tool.get("type") == "function"]
    return {function["name"]: function.get("parameters") or {} for function in functions}


def _calls(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [call for message in messages for call in message.get("tool_calls") or ()]
