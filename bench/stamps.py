"""Reads the moments that a stamped model wrote into its text: ``@17:123456789;``."""

import re
from dataclasses import dataclass

from bench.connection import Answer
from bench.transcript import PLAIN, WrongStream, events, expect_order, streamed_text

_STAMP = re.compile(rb"@(\d+):(\d+);")
_FIRST = re.compile(rb"@a:(\d+);@0:(\d+);")
_DELTAS_END = b"event: thread.message.completed"


@dataclass(frozen=True)
class FirstToken:
    """How one answer began."""

    seen_after_ns: int
    """From the client's request to the first token at the client."""
    model_took_ns: int
    """Of it, from the request's arrival at the model to the first token's departure there."""
    asked_after_ns: int
    """From the client's request to the request's arrival at the model."""


def first_token(answer: Answer) -> FirstToken:
    """Return when the first token was seen."""
    found = _FIRST.search(answer.raw)
    if found is None:
        raise RuntimeError(f"no first token in {answer.raw[:500]!r}")
    seen, asked = answer.arrived_ns(found.end() - 1) - answer.sent_ns, int(found[1])
    return FirstToken(seen, int(found[2]) - asked, asked - answer.sent_ns)


@dataclass(frozen=True)
class Delta:
    """When the model wrote a delta, and how much later it was here."""

    left_ns: int
    delay_ms: float


def deltas(answer: Answer) -> list[Delta]:
    """Return the deltas of an answer, as they were streamed."""
    end = answer.raw.find(_DELTAS_END)
    found = _STAMP.finditer(answer.raw, 0, end if end >= 0 else len(answer.raw))
    return [_delta(int(one[2]), answer.arrived_ns(one.end() - 1)) for one in found]


def _delta(left_ns: int, arrived_ns: int) -> Delta:
    return Delta(left_ns, (arrived_ns - left_ns) / 1e6)


def delays_ms(answer: Answer) -> list[float]:
    """Return, for each delta, the time from the model's write to its arrival here."""
    return [delta.delay_ms for delta in deltas(answer)]


def indexes(text: str) -> list[int]:
    """Return the numbers of the deltas in a text, in their order."""
    return [int(number) for number, _ in _STAMP.findall(text.encode())]


def is_whole(answer: Answer, count: int) -> bool:
    """Return whether this is a whole plain run with so many deltas, none missing or doubled."""
    try:
        found = events(answer)
        expect_order(found, PLAIN)
        return indexes(streamed_text(found)) == list(range(count))
    except (WrongStream, RuntimeError, StopIteration):
        return False
