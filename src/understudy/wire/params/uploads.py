"""Uploads in parts as clients send them (UPL-01, UPL-02)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from understudy.wire import validation
from understudy.wire.params.files import UploadPurpose


class NewUpload(Struct, frozen=True, kw_only=True):
    """What is announced of a file that will arrive in parts."""

    filename: str
    purpose: UploadPurpose
    size: int
    expires_after_seconds: int | None = None


class Completion(Struct, frozen=True, kw_only=True):
    """The parts of a file in their order, and its checksum in lower case."""

    part_ids: list[str]
    md5: str | None = None


class FileExpiryParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """How long the file is kept once it is there (FILE-08)."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3_600, le=2_592_000)]


class UploadParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """An upload to be opened. The type is asked for but not trusted, so nothing depends on it."""

    filename: Annotated[str, Meta(min_length=1)]
    purpose: UploadPurpose
    bytes: Annotated[int, Meta(ge=0)]
    mime_type: str
    expires_after: FileExpiryParam | None = None


class CompletionParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """An upload to be completed."""

    part_ids: list[str]
    md5: Annotated[str, Meta(pattern="^[0-9a-fA-F]{32}$")] | None = None


def parse_upload(body: bytes) -> NewUpload:
    """Read a request that opens an upload."""
    sent = validation.decode(body, UploadParam)
    return NewUpload(
        filename=sent.filename,
        purpose=sent.purpose,
        size=sent.bytes,
        expires_after_seconds=sent.expires_after.seconds if sent.expires_after else None,
    )


def parse_completion(body: bytes) -> Completion:
    """Read a request that completes an upload."""
    sent = validation.decode(body, CompletionParam)
    return Completion(part_ids=sent.part_ids, md5=sent.md5.lower() if sent.md5 else None)
