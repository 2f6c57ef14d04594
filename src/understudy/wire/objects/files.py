"""The file object."""

from typing import Literal

from msgspec import Struct

FilePurpose = Literal[
    "assistants",
    "assistants_output",
    "batch",
    "batch_output",
    "fine-tune",
    "fine-tune-results",
    "vision",
    "user_data",
    "evals",
]
FileStatus = Literal["uploaded", "processed", "error"]


class File(Struct, kw_only=True):
    """An uploaded or produced file (FILE-01)."""

    object: Literal["file"] = "file"
    id: str
    purpose: FilePurpose
    filename: str
    bytes: int
    created_at: int
    expires_at: int | None = None
    status: FileStatus = "processed"
    status_details: str | None = None
