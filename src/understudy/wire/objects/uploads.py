"""The upload of a large file in parts, and its parts (UPL-01, UPL-02)."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from understudy.wire.objects.files import File, FilePurpose

UploadStatus = Literal["pending", "completed", "cancelled", "expired"]


class Upload(Struct, kw_only=True):
    """A file that arrives in parts; it has no ``file`` before it is completed (UPL-01)."""

    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    created_at: int
    filename: str
    purpose: FilePurpose
    status: UploadStatus = "pending"
    expires_at: int
    file: File | UnsetType = UNSET


class UploadPart(Struct, kw_only=True):
    """A part whose bytes have arrived (UPL-02)."""

    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: str
