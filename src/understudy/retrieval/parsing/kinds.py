"""The kinds of files that can be read, and the extensions that they come with (FILE-09)."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Literal

Kind = Literal["plain", "csv", "html", "pdf", "docx", "doc", "pptx", "workbook", "epub"]

_PLAIN = "c cpp cs css go java js json md php py rb sh tex ts txt xml"

KIND_OF_EXTENSION: Mapping[str, Kind] = {
    **dict.fromkeys((f".{name}" for name in _PLAIN.split()), "plain"),
    **dict.fromkeys((".html", ".htm"), "html"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "workbook"),
    ".csv": "csv",
    ".doc": "doc",
    ".docx": "docx",
    ".epub": "epub",
    ".pdf": "pdf",
    ".pptx": "pptx",
}
SUPPORTED_EXTENSIONS = frozenset(KIND_OF_EXTENSION)


def extension(filename: str) -> str:
    """Return the lower-case extension with its dot, or an empty string."""
    return PurePath(filename).suffix.lower()
