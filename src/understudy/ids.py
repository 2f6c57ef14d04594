"""Object ids as the hosted API spelled them (ID-01 to ID-03)."""

import os
from base64 import b64encode
from typing import Literal

Kind = Literal[
    "asst", "thread", "msg", "run", "step", "call", "proj", "upload", "part", "vs", "vsfb"
]

# 24 base64 characters carry 18 random bytes; "+" and "/" are folded into letters, which costs
# less than one bit of the 144.
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


def _alphanumeric_24() -> str:
    return b64encode(_random_bytes()).translate(_FOLD).decode("ascii")


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
