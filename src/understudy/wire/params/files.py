"""Fields of a file upload (FILE-03, FILE-08)."""

import re
from collections.abc import Mapping
from typing import Literal, cast

from msgspec import Struct

from understudy.errors import InvalidRequest
from understudy.wire.violations import (
    above_maximum,
    below_minimum,
    missing,
    unsupported,
    wrong_type,
)

UploadPurpose = Literal["fine-tune", "assistants", "batch", "user_data", "vision", "evals"]

_PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
_EXPIRY_SECONDS_MIN = 3_600
_EXPIRY_SECONDS_MAX = 2_592_000
_INTEGER = re.compile(r"-?[0-9]{1,100}")


class NewFile(Struct, frozen=True, kw_only=True):
    """What an upload says about its file."""

    purpose: UploadPurpose
    expires_after_seconds: int | None = None


def parse_upload(fields: Mapping[str, str]) -> NewFile:
    """Read the text fields of an upload's form; fields that nobody knows are ignored."""
    return NewFile(purpose=_purpose(fields.get("purpose")), expires_after_seconds=_expiry(fields))


def _purpose(text: str | None) -> UploadPurpose:
    """Return the purpose; files kept their JSON-schema validator's words (ERR-31)."""
    if text is None:
        raise InvalidRequest("'purpose' is a required property", param="purpose")
    if text not in _PURPOSES:
        raise InvalidRequest(
            f"{text[:100]!r} is not one of {list(_PURPOSES)} - 'purpose'", param="purpose"
        )
    return cast("UploadPurpose", text)


def _expiry(fields: Mapping[str, str]) -> int | None:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor is None:
        raise missing("expires_after.anchor")
    if anchor != "created_at":
        raise unsupported("expires_after.anchor", anchor, ["created_at"])
    return _seconds(seconds)


def _seconds(text: str | None) -> int:
    path = "expires_after.seconds"
    if text is None:
        raise missing(path)
    if not _INTEGER.fullmatch(text):
        raise wrong_type(path, ["an integer"], "a string")
    seconds = int(text)
    if seconds < _EXPIRY_SECONDS_MIN:
        raise below_minimum(path, _EXPIRY_SECONDS_MIN, seconds)
    if seconds > _EXPIRY_SECONDS_MAX:
        raise above_maximum(path, _EXPIRY_SECONDS_MAX, seconds)
    return seconds
