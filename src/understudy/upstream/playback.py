"""How the built-in upstreams speak: an answer known in full, told in deltas."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from understudy.upstream.base import RefusalDelta, TextDelta, ToolCallDelta, Usage
from understudy.upstream.counting import count_tokens, length_within

Delta = TextDelta | RefusalDelta | ToolCallDelta

# A word with the space behind it, so that the pieces join to the whole again.
_WORD = re.compile(r"\s*\S+\s?|\s+")


class Call(msgspec.Struct, frozen=True):
    """A call of a function, with its arguments as JSON text."""

    id: str
    name: str
    arguments: str


def in_words(text: str) -> list[str]:
    """Return the text cut behind each word."""
    return _WORD.findall(text)


def call_deltas(calls: Iterable[Call]) -> Iterator[ToolCallDelta]:
    """Tell each call as models do: its name first, then the arguments in two pieces."""
    for index, call in enumerate(calls):
        yield ToolCallDelta(index, call.id, call.name)
        half = (len(call.arguments) + 1) // 2
        for piece in (call.arguments[:half], call.arguments[half:]):
            if piece:
                yield ToolCallDelta(index, arguments=piece)


def cut(deltas: Iterable[Delta], tokens_max: int | None) -> tuple[list[Delta], bool]:
    """Return the deltas that fit into the budget, and whether something was cut off."""
    told = list(deltas)
    text = "".join(map(_text, told))
    left = len(text) if tokens_max is None else length_within(text, tokens_max)
    if left == len(text):
        return told, False
    kept: list[Delta] = []
    for delta in told:
        if left <= 0:
            break
        kept.append(_shortened(delta, left))
        left -= len(_text(delta))
    return kept, True


def counted(prompt: str, deltas: Iterable[Delta]) -> Usage:
    """Return the usage of an answer by the rule of ``count_tokens``."""
    told = "".join(map(_text, deltas))
    return Usage(prompt_tokens=count_tokens(prompt), completion_tokens=count_tokens(told))


def _text(delta: Delta) -> str:
    return delta.arguments if isinstance(delta, ToolCallDelta) else delta.text


def _shortened(delta: Delta, length: int) -> Delta:
    if len(_text(delta)) <= length:
        return delta
    if isinstance(delta, ToolCallDelta):
        return msgspec.structs.replace(delta, arguments=delta.arguments[:length])
    return msgspec.structs.replace(delta, text=delta.text[:length])
