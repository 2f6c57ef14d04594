"""What a file is, judged by its content; its name only chooses among kinds of text."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

import olefile
import puremagic

from understudy.retrieval.parsing.encoding import looks_like_text
from understudy.retrieval.parsing.kinds import KIND_OF_EXTENSION, Kind, extension
from understudy.retrieval.parsing.refusals import damaged, encrypted, invalid, unsupported

_HEAD_BYTES = 8192
_PDF = b"%PDF-"
_PDF_BEGINS_WITHIN = 1024  # bytes before the header are tolerated by all readers
_RICH_TEXT = b"{\\rtf"
_TEXT_KINDS = ("plain", "csv", "html")
_CONFIDENCE_MIN = 0.3  # puremagic gives a tenth for each byte
_OFFICE_FOLDERS: tuple[tuple[str, Kind], ...] = (
    ("word/", "docx"),
    ("ppt/", "pptx"),
    ("xl/", "workbook"),
)
_MIMETYPES: dict[bytes, Kind] = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.spreadsheet": "workbook",
}
_MIMETYPE_BYTES_MAX = 256


def kind_of(path: Path, filename: str) -> Kind:
    """Return the kind of a file. Raises Unreadable when it is of none, or empty."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise invalid("it is empty.")
    if _PDF in head[: _PDF_BEGINS_WITHIN + len(_PDF)] and not _is_text_about_pdf(head, filename):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path, filename)
    if head.startswith(olefile.MAGIC):
        return _kind_of_compound_file(path)
    if head.startswith(_RICH_TEXT):
        raise unsupported()
    if looks_like_text(head):
        return _kind_of_text(filename)
    return _kind_of_bytes(head, filename)


def _is_text_about_pdf(head: bytes, filename: str) -> bool:
    """Return whether a text merely mentions the header of a PDF."""
    named_as_text = KIND_OF_EXTENSION.get(extension(filename)) in _TEXT_KINDS
    return named_as_text and not head.lstrip().startswith(_PDF)


def _kind_of_archive(path: Path, filename: str) -> Kind:
    expected = KIND_OF_EXTENSION.get(extension(filename))
    if not is_zipfile(path):
        raise damaged() if expected else unsupported()
    try:
        with ZipFile(path) as archive:
            return _kind_of_members(archive)
    except (BadZipFile, NotImplementedError, RuntimeError) as error:
        raise damaged() from error


def _kind_of_members(archive: ZipFile) -> Kind:
    names = archive.namelist()
    if "[Content_Types].xml" in names:
        for folder, kind in _OFFICE_FOLDERS:
            if any(name.startswith(folder) for name in names):
                return kind
    if "mimetype" in names:
        with archive.open("mimetype") as member:
            mimetype = member.read(_MIMETYPE_BYTES_MAX).strip()
        if mimetype in _MIMETYPES:
            return _MIMETYPES[mimetype]
    raise unsupported()


def _kind_of_compound_file(path: Path) -> Kind:
    """Return the kind of an OLE2 file: old Office documents, and new ones with a password."""
    with olefile.OleFileIO(path) as file:
        if file.exists("EncryptedPackage"):
            raise encrypted()
        if file.exists("WordDocument"):
            return "doc"
        if file.exists("Workbook") or file.exists("Book"):
            return "workbook"
    raise unsupported()


def _kind_of_text(filename: str) -> Kind:
    """Return how to read a text; under the name of another format it is still text."""
    suffix = extension(filename)
    if suffix and suffix not in KIND_OF_EXTENSION:
        raise unsupported()
    kind = KIND_OF_EXTENSION.get(suffix, "plain")
    return kind if kind in _TEXT_KINDS else "plain"


def _kind_of_bytes(head: bytes, filename: str) -> Kind:
    """Return the kind of what is neither a text nor a document that we know.

    Under the name of a text it is taken as one, whose parser says what is wrong with it.
    """
    expected = KIND_OF_EXTENSION.get(extension(filename))
    if expected is None or _has_signature(head):
        raise unsupported()
    if expected in _TEXT_KINDS:
        return expected
    raise damaged()


def _has_signature(head: bytes) -> bool:
    """Return whether this is a known format; signatures of two bytes may be chance."""
    try:
        found = puremagic.magic_string(head)
    except puremagic.PureError:
        return False
    return any(one.confidence >= _CONFIDENCE_MIN for one in found)
