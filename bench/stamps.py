"""Reads the moments that a stamped model wrote into its text: ``@17:123456789;``."""

import re
from dataclasses import dataclass

from bench.connection import Answer

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


def first_token(answer: Answer) -> FirstToken:
    """Return when the first token was seen."""
    found = _FIRST.search(answer.raw)
    if found is None:
        raise RuntimeError(f"no first token in {answer.raw[:500]!r}")
    seen = answer.arrived_ns(found.end() - 1) - answer.sent_ns
    return FirstToken(seen, int(found[2]) - int(found[1]))


def delays_ms(answer: Answer) -> list[float]:
    """Return, for each delta, the time from the model's write to its arrival here."""
    end = answer.raw.find(_DELTAS_END)
    found = _STAMP.finditer(answer.raw, 0, end if end >= 0 else len(answer.raw))
    return [(answer.arrived_ns(one.end() - 1) - int(one[2])) / 1e6 for one in found]


def indexes(text: str) -> list[int]:
    """Return the numbers of the deltas in a text, in their order."""
    return [int(number) for number, _ in _STAMP.findall(text.encode())]
