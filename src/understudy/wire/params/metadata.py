"""Metadata as clients send it (ASST-03)."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from understudy.wire import validation
from understudy.wire.era import Era
from understudy.wire.violations import string_too_long

_VALUE_CHARACTERS_MAX = 512

Key = Annotated[str, Meta(max_length=64)]
MetadataV2 = Annotated[
    dict[Key, Annotated[str, Meta(max_length=_VALUE_CHARACTERS_MAX)]], Meta(max_length=16)
]
MetadataV1 = Annotated[
    dict[Key, Annotated[str, Meta(max_length=_VALUE_CHARACTERS_MAX)] | bool | int | float],
    Meta(max_length=16),
]


class MetadataChange(Struct, frozen=True, kw_only=True):
    """New metadata for an object that can change in nothing else; UNSET leaves it as it is."""

    metadata: dict[str, str] | UnsetType = UNSET


class _ChangeV1(Struct, kw_only=True, forbid_unknown_fields=True):
    metadata: MetadataV1 | UnsetType | None = UNSET


class _ChangeV2(Struct, kw_only=True, forbid_unknown_fields=True):
    metadata: MetadataV2 | UnsetType | None = UNSET


def parse_change(body: bytes, era: Era) -> MetadataChange:
    """Read a request that changes metadata as a whole (ASST-08, RUN-40)."""
    if era == "v1":
        return MetadataChange(metadata=changed(validation.decode(body, _ChangeV1).metadata))
    return MetadataChange(metadata=changed(validation.decode(body, _ChangeV2).metadata))


def changed(sent: MetadataV1 | MetadataV2 | UnsetType | None) -> dict[str, str] | UnsetType:
    """Return the metadata that replaces the old one: null empties it, omission keeps it."""
    return UNSET if isinstance(sent, UnsetType) else given(sent)


def given(sent: MetadataV1 | MetadataV2 | None, path: str = "metadata") -> dict[str, str]:
    """Return the metadata of a new object; v1 turned scalars into strings (D-18)."""
    if not sent:
        return {}
    return {key: _as_text(value, f"{path}.{key}") for key, value in sent.items()}


def _as_text(value: str | float, path: str) -> str:
    text = value if isinstance(value, str) else str(value)
    if len(text) > _VALUE_CHARACTERS_MAX:
        raise string_too_long(path, _VALUE_CHARACTERS_MAX, len(text))
    return text
