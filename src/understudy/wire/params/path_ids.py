"""Ids in paths and queries, checked before they are looked up (ID-05)."""

import re

from understudy.wire.era import Era
from understudy.wire.violations import string_too_long, wrong_id_characters, wrong_prefix

_CHARACTERS_MAX = 64
PREFIXES = {
    "assistant_id": "asst",
    "thread_id": "thread",
    "message_id": "msg",
    "run_id": "run",
    "step_id": "step",
    "file_id": "file",
    "vector_store_id": "vs",
    "batch_id": "vsfb",
}
_ID = re.compile(r"[A-Za-z0-9_-]*")


def check_id(name: str, value: str, era: Era) -> None:
    """Raise InvalidRequest for what cannot be an id of that name (ERR-24, ERR-25).

    v1 did not look at the form of an id: whatever it did not find was a 404 (ID-05).
    """
    if era == "v1":
        return
    if not value.startswith(PREFIXES[name]):
        raise wrong_prefix(name, value, PREFIXES[name])
    if not _ID.fullmatch(value):
        raise wrong_id_characters(name, value)
    if len(value) > _CHARACTERS_MAX:
        raise string_too_long(name, _CHARACTERS_MAX, len(value))
