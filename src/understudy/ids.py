"""Object ids as the hosted API spelled them (ID-01 to ID-03)."""

import os
from base64 import b64encode
from typing import Literal

Kind = Literal["asst", "thread", "msg", "run", "step", "call", "vs", "proj"]

# 24 base64 characters carry 18 random bytes; "+" and "/" are folded into letters, which costs
# less than one bit of the 144.
_FOLD = bytes.maketrans(b"+/", b"Az")


def _alphanumeric_24() -> str:
    return b64encode(os.urandom(18)).translate(_FOLD).decode("ascii")


def new_id(kind: Kind) -> str:
    """Return a fresh id such as ``run_`` and 24 letters or digits (ID-01)."""
    return f"{kind}_{_alphanumeric_24()}"


def new_file_id() -> str:
    """Return a fresh file id: ``file-`` with a hyphen, since clients test that prefix (ID-02)."""
    return f"file-{_alphanumeric_24()}"


def new_request_id() -> str:
    """Return a fresh request id: ``req_`` and 32 hex digits (GEN-08)."""
    return f"req_{os.urandom(16).hex()}"


def new_api_key() -> str:
    """Return a fresh secret key; ``sk-`` keeps clients that check the prefix content."""
    return f"sk-understudy-{os.urandom(24).hex()}"
