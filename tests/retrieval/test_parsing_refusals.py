"""Hostile, broken and unsupported files: each is refused with words for its owner (VS-08)."""

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.retrieval import made_files as made
from understudy.retrieval.document import TOO_LARGE, UNSUPPORTED, Unreadable
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.parse import parse

Refusal = Callable[..., tuple[str, str]]

TEXT_MAX = 10_000
LIMITS = ParsingLimits(
    text_chars_max=TEXT_MAX, pages_max=5, archive_members_max=50, expanded_bytes_max=1_000_000
)
DAMAGED = "The file could not be parsed because it is damaged or not what its name says."
ENCRYPTED = "The file could not be parsed because it is encrypted."
EMPTY = "The file could not be parsed because it is empty."
NO_TEXT = "The file could not be parsed because it contains no text."


@pytest.fixture
def refusal(tmp_path: Path) -> Refusal:
    def refused(filename: str, content: bytes) -> tuple[str, str]:
        path = tmp_path / "bytes"
        path.write_bytes(content)
        with pytest.raises(Unreadable) as caught:
            parse(path, filename, LIMITS)
        return caught.value.code, caught.value.message

    return refused


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)
ZIP = made.archived({"a.txt": "text"})
NOISE = random.Random(1).randbytes(5000)


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("picture.png", PNG),
        ("picture.pdf", PNG),
        ("picture.txt", PNG),
        ("files.zip", ZIP),
        ("files.docx", ZIP),
        ("program.exe", b"MZ" + NOISE),
        ("letter.rtf", rb"{\rtf1 hello}"),
        ("letter.doc", rb"{\rtf1 hello}"),
        ("notes.log", b"plain text of an unknown kind"),
        ("zeros.txt", bytes(5000)),
        ("mail.doc", made.compound_file({"__properties_version1.0": b"x"})),
    ],
)
def test_what_is_of_no_supported_kind(refusal: Refusal, filename: str, content: bytes) -> None:
    assert refusal(filename, content) == ("unsupported_file", UNSUPPORTED)


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.pdf", b"\x07" + NOISE),
        ("a.pdf", b"%PDF-1.7\n" + NOISE),
        ("a.pdf", made.pdf("Hello")[:200]),
        ("a.docx", made.word("Hello")[:-400]),
        ("a.docx", made.archived({"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>"})),
        ("a.xlsx", made.replaced(made.workbook({"A": [["b"]]}), {"xl/workbook.xml": "<"})),
        ("a.pptx", made.replaced(made.slides("A"), {"ppt/presentation.xml": "<"})),
        ("a.epub", made.archived({"mimetype": "application/epub+zip"})),
        ("a.doc", made.compound_file({"WordDocument": b"\xec\xa5\xc1\0"})),
        ("a.doc", made.word_97("Hello")[:600]),
    ],
)
def test_what_is_damaged(refusal: Refusal, filename: str, content: bytes) -> None:
    assert refusal(filename, content) == ("invalid_file", DAMAGED)


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.pdf", made.encrypted_pdf("secret")),
        ("a.docx", made.compound_file({"EncryptedPackage": b"x", "EncryptionInfo": b"x"})),
        ("a.doc", made.word_97("Hello", flags=0x0300)),
    ],
)
def test_what_opens_with_a_password_only(refusal: Refusal, filename: str, content: bytes) -> None:
    assert refusal(filename, content) == ("invalid_file", ENCRYPTED)


def test_a_member_with_a_password(refusal: Refusal) -> None:
    locked = bytearray(made.word("Hello"))
    place = locked.rindex(b"PK\x01\x02")  # the last member's entry in the directory
    locked[place + 8] |= 1
    assert refusal("a.docx", bytes(locked)) == ("invalid_file", ENCRYPTED)


@pytest.mark.parametrize("filename", ["a.txt", "a.pdf", "a.docx", "a", "a.png"])
def test_an_empty_file(refusal: Refusal, filename: str) -> None:
    assert refusal(filename, b"") == ("invalid_file", EMPTY)


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.txt", b" \n\t "),
        ("a.csv", b"\n,,\n"),
        ("a.html", b" "),
        ("a.html", b"<html><body><script>x</script></body></html>"),
        ("a.docx", made.word()),
        ("a.xlsx", made.workbook({"Sheet1": []})),
        ("a.epub", made.book({"a": " "}, ["a"])),
    ],
)
def test_a_file_without_text(refusal: Refusal, filename: str, content: bytes) -> None:
    assert refusal(filename, content) == ("invalid_file", NO_TEXT)


def test_a_scan_is_told_what_to_do(refusal: Refusal) -> None:
    code, message = refusal("a.pdf", made.pdf("", ""))
    assert code == "invalid_file"
    assert "contains no text. It may be a scan" in message


def test_text_in_another_encoding_names_the_byte(refusal: Refusal) -> None:
    code, message = refusal("a.txt", "Straße".encode("latin-1"))
    assert code == "invalid_file"
    assert "not encoded in UTF-8, UTF-16 or ASCII (byte 4 cannot be decoded)" in message


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.txt", b"a" * (TEXT_MAX + 1)),
        ("a.txt", b"a" * (TEXT_MAX * 4 + 1)),
        ("a.csv", b"a,b\n" * TEXT_MAX),
        ("a.html", b"<p>word</p>" * TEXT_MAX),
        ("a.docx", made.word("word " * TEXT_MAX)),
        ("a.pdf", made.pdf(*["x" * 3000] * 4)),
        ("a.pdf", made.pdf(*["x"] * 6)),
        ("a.xlsx", made.workbook({f"S{number}": [["x"]] for number in range(6)})),
        ("a.epub", made.book({f"c{number}": "<p>x</p>" for number in range(50)}, [])),
        # A megabyte of text in a kilobyte of zip.
        ("a.docx", made.word_with_body("<!--" + " " * 1_000_000 + "-->")),
        ("a.doc", made.word_97("word " * TEXT_MAX)),
    ],
)
def test_what_is_too_large(refusal: Refusal, filename: str, content: bytes) -> None:
    assert refusal(filename, content) == ("invalid_file", TOO_LARGE)


@pytest.mark.parametrize("filename", ["a.docx", "a.xlsx", "a.pptx", "a.epub"])
def test_a_zip_bomb_that_lies_about_its_size(refusal: Refusal, filename: str) -> None:
    """The directory declares a small member; inflated, it would not end for long."""
    whole = {
        "a.docx": made.word_with_body("<!--" + " " * 900_000 + "-->"),
        "a.xlsx": made.replaced(
            made.workbook({"A": [["b"]]}), {"xl/sharedStrings.xml": " " * 900_000}
        ),
        "a.pptx": made.replaced(made.slides("A"), {"ppt/x.xml": " " * 900_000}),
        "a.epub": made.replaced(made.book({}, []), {"OPS/x.xhtml": " " * 900_000}),
    }[filename]
    assert refusal(filename, _declaring_less(whole)) == ("invalid_file", TOO_LARGE)


def _declaring_less(archive: bytes) -> bytes:
    """Return the archive with the size of its largest member changed in the directory."""
    lying = bytearray(archive)
    place = lying.index(b"PK\x01\x02")
    while lying[place : place + 4] == b"PK\x01\x02":
        if int.from_bytes(lying[place + 24 : place + 28], "little") >= 900_000:
            lying[place + 24 : place + 28] = (1000).to_bytes(4, "little")
        name, extra, comment = (
            int.from_bytes(lying[place + at : place + at + 2], "little") for at in (28, 30, 32)
        )
        place += 46 + name + extra + comment
    return bytes(lying)


LAUGHS = "".join(
    f'<!ENTITY l{number} "{f"&l{number - 1};" * 10 if number else "lol" * 10}">'
    for number in range(10)
)


def with_entities(declarations: str) -> bytes:
    """Return a docx that says hello and uses the entity l9."""
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = (
        f"<!DOCTYPE x [{declarations}]>"
        f'<w:document xmlns:w="{namespace}"><w:body><w:p><w:r><w:t>Hello &l9;</w:t></w:r></w:p>'
        "</w:body></w:document>"
    )
    return made.word_with_body("", {"word/document.xml": document})


def test_a_thousand_million_laughs(refusal: Refusal) -> None:
    assert refusal("a.docx", with_entities(LAUGHS)) == ("invalid_file", DAMAGED)


def test_another_file_is_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("42")
    path = tmp_path / "bytes"
    path.write_bytes(with_entities(f'<!ENTITY l9 SYSTEM "{secret.as_uri()}">'))
    assert parse(path, "a.docx", LIMITS).text == "Hello\n\n"


def test_deep_nesting_is_refused_or_read(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(made.word_with_body("<w:sdt>" * 5000 + "</w:sdt>" * 5000))
    with pytest.raises(Unreadable):
        parse(path, "a.docx", LIMITS)
    path.write_bytes(b"<p>one</p>" + b"<div>" * 1_000 + b"deep" + b"</div>" * 1_000)
    roomy = msgspec.structs.replace(LIMITS, text_chars_max=1_000_000)
    assert parse(path, "a.html", roomy).text == "one\n\ndeep"
    path.write_bytes(b"<div>" * 50_000 + b"deep" + b"</div>" * 50_000)
    with pytest.raises(Unreadable):
        parse(path, "a.html", roomy)
