"""FILE-09 and beyond: the text of every format, in the order in which it is read."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.retrieval import made_files as made
from understudy.retrieval.document import Document
from understudy.retrieval.parsing.kinds import SUPPORTED_EXTENSIONS
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.parse import parse

Read = Callable[[str, bytes], Document]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def parsed(filename: str, content: bytes) -> Document:
        path = tmp_path / "bytes"  # stored files have no extension
        path.write_bytes(content)
        return parse(path, filename, ParsingLimits())

    return parsed


def pages(document: Document) -> list[str]:
    starts = [*document.page_starts, len(document.text)]
    return [document.text[start:end].strip() for start, end in pairwise(starts)]


def test_all_documented_types_are_supported() -> None:
    documented = "c cs cpp css doc docx html java js json md pdf php pptx py rb sh tex ts txt go"
    ours = "csv xlsx xml epub"
    assert {f".{name}" for name in f"{documented} {ours}".split()} <= SUPPORTED_EXTENSIONS


@pytest.mark.parametrize(
    "extension",
    ["c", "cs", "go", "java", "js", "json", "md", "php", "py", "sh", "tex", "txt", "xml"],
)
def test_text_and_source_are_taken_as_they_are(read: Read, extension: str) -> None:
    source = '<a b="1">\n\tif x:  # 世界\n'
    assert read(f"a.{extension}", source.encode()) == Document(text=source)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_may_be_in_any_unicode_encoding(read: Read, encoding: str) -> None:
    text = "Grüße aus Köln, im Frühling"
    assert read("a.txt", text.encode(encoding)).text == text


def test_utf_16_of_other_scripts_is_known_by_its_mark(read: Read) -> None:
    assert read("a.txt", "世界和平".encode("utf-16")).text == "世界和平"


def test_line_ends_become_newlines_and_control_characters_vanish(read: Read) -> None:
    text = "one\r\ntwo\rthree\ffour" + "\0\x07\x1b[0m\ufeff" + "five" + "." * 400
    assert read("a.txt", text.encode()).text == "one\ntwo\nthree\nfour[0mfive" + "." * 400


def test_a_name_without_extension_can_be_text(read: Read) -> None:
    assert read("README", b"read me").text == "read me"


def test_a_pdf_has_pages(read: Read) -> None:
    document = read("a.pdf", made.pdf("Title\nfirst line\nsecond (line)", "", "Third"))
    assert pages(document) == ["Title\nfirst line\nsecond (line)", "", "Third"]
    assert document.page_starts[0] == 0


def test_a_word_cut_at_the_end_of_a_line_of_a_pdf_is_whole(read: Read) -> None:
    document = read("a.pdf", made.pdf("Title\nthe impor-\ntant thing"))
    assert "the important thing" in document.text


def test_a_pdf_that_only_its_author_may_change_is_read(read: Read) -> None:
    assert "A secret plan" in read("a.pdf", made.encrypted_pdf("", "owner")).text


def test_a_pdf_that_pdfium_cannot_open_is_read_by_pypdf(read: Read) -> None:
    broken = made.pdf("Rescued").replace(b"/Root 1 0 R", b"/Root 9 0 R")
    assert "Rescued" in read("a.pdf", broken).text


def test_a_word_document_keeps_paragraphs_and_tables_in_order(read: Read) -> None:
    content = made.word("Before", table=[["Name", "Age"], ["Ada", "36"]], ending="After")
    assert read("a.docx", content).text.split("\n") == [
        *("Before", "", "Name | Age", "Ada | 36", "", "After", "", "")
    ]


def test_a_word_document_loses_nothing_that_is_wrapped(read: Read) -> None:
    body = (
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:r><w:tab/><w:t>tabbed</w:t></w:r></w:p>"
        "<w:p><w:r><mc:AlternateContent>"
        "<mc:Choice><w:p><w:r><w:t>boxed</w:t></w:r></w:p></mc:Choice>"
        "<mc:Fallback><w:p><w:r><w:t>boxed</w:t></w:r></w:p></mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>"
    )
    assert read("a.docx", made.word_with_body(body)).text == (
        "controlled\n\ninserted\ttabbed\n\nboxed\n\n"
    )


def test_a_table_within_a_table_is_told_once(read: Read) -> None:
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p>{}</w:tc>"
    inner = f"<w:tbl><w:tr>{cell.format('inner', '')}</w:tr></w:tbl>"
    body = f"<w:tbl><w:tr>{cell.format('outer', inner)}</w:tr></w:tbl>"
    assert read("a.docx", made.word_with_body(body)).text == "outer inner\n\n"


def test_a_word_document_of_1997_is_read_by_its_pieces(read: Read) -> None:
    content = made.word_97("Prix: 3 €\r", "价格\r", 'see \x13 HYPERLINK "x" \x14the page\x15\r')
    assert read("a.doc", content).text == "Prix: 3 €\n价格\nsee the page\n"


def test_slides_are_pages_with_tables_and_notes(read: Read) -> None:
    content = made.slides("One", "Two", table=[["a", "b"]], notes="Say hello")
    assert pages(read("a.pptx", content)) == ["One", "Two\na | b\nSay hello"]


def test_a_row_of_a_sheet_is_understood_alone(read: Read) -> None:
    content = made.workbook(
        {
            "People": [["Name", "Age"], ["Ada", 36.0], [None, None], ["Grace", 85.5]],
            "Empty": [],
            "Numbers": [[1, 2], [3, 4]],
        }
    )
    assert pages(read("a.xlsx", content)) == [
        "People\nName | Age\nName: Ada | Age: 36\nName: Grace | Age: 85.5",
        "",
        "Numbers\n1 | 2\n3 | 4",
    ]


def test_an_open_document_sheet_is_read_too(read: Read) -> None:
    content = made.open_document_sheet([["Name", "Town"], ["Ada", "London"]])
    assert read("a.ods", content).text == "Sheet\nName | Town\nName: Ada | Town: London\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_may_be_separated_by_anything_common(read: Read, separator: str) -> None:
    table = [["Name", "Remark"], ["Ada", '"one,\ntwo; three"'], ["Grace", ""]]
    content = "\r\n".join(separator.join(row) for row in table)
    assert read("a.csv", content.encode()).text == (
        "Name | Remark\nName: Ada | Remark: one, two; three\nName: Grace\n"
    )


def test_a_simple_page_of_html_is_read_whole(read: Read) -> None:
    page = (
        "<html><head><title>Prices</title><script>track()</script></head><body><h1>Fruit</h1>"
        "<!-- old --><p>Apples &amp; pears<br>are <b>sold</b>.</p><ul><li>red<li>green</ul>"
        "<table><tr><th>kind<th>price<tr><td>apple<td>3</table><pre>a\n  b</pre></body></html>"
    )
    assert read("a.html", page.encode()).text == (
        "Prices\n\n# Fruit\n\nApples & pears\nare sold.\n\n- red\n- green\n\n"
        "kind | price\napple | 3\n\na\n  b"
    )


def test_an_article_is_read_without_what_surrounds_it(read: Read) -> None:
    sentence = "<p>The expedition reached the northern coast after a winter on the ice.</p>"
    menu = "<nav><ul><li><a href='/x'>Subscribe now</a></ul></nav>"
    page = f"<html><body>{menu}<article><h1>North</h1>{sentence * 9}</article></body></html>"
    text = read("a.html", page.encode()).text
    assert "northern coast" in text
    assert "Subscribe" not in text


def test_the_encoding_that_a_page_claims_does_not_count(read: Read) -> None:
    page = '<html><head><meta charset="latin-1"></head><body><p>Köln</p></body></html>'
    assert "Köln" in read("a.html", page.encode()).text


def test_a_book_is_read_in_the_order_of_its_spine(read: Read) -> None:
    chapters = {
        "end": "<html><body><p>The&nbsp;end</p></body></html>",
        "start": "<html><body><h1>Once</h1><p>upon a time</p></body></html>",
    }
    content = made.book(chapters, ["start", "missing", "end"])
    assert read("a.epub", content).text.split() == ["#", "Once", "upon", "a", "time", "The", "end"]


@pytest.mark.parametrize("name", ["a.txt", "a.docx", "a.png", "a"])
def test_a_document_under_a_wrong_name_is_read_by_what_it_is(read: Read, name: str) -> None:
    assert "Hello" in read(name, made.pdf("Hello")).text
    assert "Hello" in read(name, made.word("Hello")).text


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.xlsx", "a.doc"])
def test_text_under_the_name_of_a_document_is_text(read: Read, name: str) -> None:
    assert read(name, b"just words").text == "just words"


def test_a_text_about_pdf_is_no_pdf(read: Read) -> None:
    assert read("a.md", b"A file begins with %PDF-1.7").text == "A file begins with %PDF-1.7"
