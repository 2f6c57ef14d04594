"""Object ids as the hosted API spelled them (ID-01 to ID-03), but led by the time.

Rows that are made together lie together in every index that begins with their ids. With random ids
each new row lands somewhere else, and a database writes whole pages to its log for it, ten times as
much as for the row (``docs/scaling.md``). An id tells no more than ``created_at`` does.
"""

import os
from base64 import b64encode
from time import time
from typing import Literal

Kind = Literal[
    "asst", "thread", "msg", "run", "step", "call", "proj", "upload", "part", "vs", "vsfb"
]

# In the order of their codes, which is the order of the indexes.
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TICKS_PER_SECOND = 10
_LEAD = 6  # digits for the ticks: they last until the year 2149
# The other 18 base64 characters carry 108 random bits; "+" and "/" are folded into letters, which
# costs less than one of them.
_FOLD = bytes.maketrans(b"+/", b"Az")
_ID_BYTES = 18
_DRAWN_AT_ONCE = 256
_HEX_KINDS: frozenset[Kind] = frozenset({"upload", "part", "vsfb"})  # ID-03


_drawn: list[bytes] = []
# A fork must not hand out the ids of its parent again.
os.register_at_fork(after_in_child=_drawn.clear)


def _random_bytes() -> bytes:
    """Return 18 random bytes, drawn for many ids by one system call: it takes up to 20 µs."""
    try:
        return _drawn.pop()
    except IndexError:
        fresh = os.urandom(_ID_BYTES * _DRAWN_AT_ONCE)
        _drawn.extend(fresh[at : at + _ID_BYTES] for at in range(_ID_BYTES, len(fresh), _ID_BYTES))
        return fresh[:_ID_BYTES]


class _Lead:
    """The time as ids begin with it, spelled anew with each tick."""

    def __init__(self) -> None:
        self._latest = (-1, "")  # one value, which other threads see whole

    def now(self) -> str:
        tick = int(time() * _TICKS_PER_SECOND)
        known, spelled = self._latest
        if tick != known:
            spelled = _spelled(tick)
            self._latest = (tick, spelled)
        return spelled


_lead = _Lead()


def _spelled(tick: int) -> str:
    digits = ""
    for _ in range(_LEAD):
        tick, digit = divmod(tick, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _alphanumeric_24() -> str:
    return _lead.now() + b64encode(_random_bytes()).translate(_FOLD)[_LEAD:].decode("ascii")


def new_id(kind: Kind) -> str:
    """Return a fresh id: ``run_`` and 24 letters or digits, ``upload_`` and 32 hex digits."""
    if kind in _HEX_KINDS:
        return f"{kind}_{_random_bytes()[:16].hex()}"
    return f"{kind}_{_alphanumeric_24()}"


def new_file_id() -> str:
    """Return a fresh file id: ``file-`` with a hyphen, since clients test that prefix (ID-02)."""
    return f"file-{_alphanumeric_24()}"


def new_request_id() -> str:
    """Return a fresh request id: ``req_`` and 32 hex digits (GEN-08)."""
    return f"req_{_random_bytes()[:16].hex()}"


def new_api_key() -> str:
    """Return a fresh secret key; ``sk-`` keeps clients that check the prefix content."""
    return f"sk-understudy-{os.urandom(24).hex()}"
