"""Files of all formats, made by the official libraries or by hand."""

import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from struct import pack, pack_into
from xml.sax.saxutils import escape

import docx
import pptx
from pptx.util import Inches
from pypdf import PdfReader, PdfWriter


def pdf(*pages: str) -> bytes:
    """Return a PDF whose pages show these texts, a line for each of theirs."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        _page_tree(range(5, 5 + 2 * len(pages), 2)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman /Encoding /WinAnsiEncoding >>",
    ]
    for number, text in enumerate(pages):
        place = 5 + 2 * number
        objects += [_page(place + 1), _stream(_shown(text))]
    return with_objects(objects)


def with_objects(objects: Sequence[bytes]) -> bytes:
    """Return a PDF of these objects, the first of which is the catalogue."""
    file = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % place for place in places)
    file += b"trailer << /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    file += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(file)


def _page_tree(kids: Sequence[int]) -> bytes:
    references = b" ".join(b"%d 0 R" % kid for kid in kids)
    return b"<< /Type /Pages /Kids [%b] /Count %d >>" % (references, len(kids))


def _page(contents: int) -> bytes:
    return (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
        b"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents %d 0 R >>" % contents
    )


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content)


def _shown(text: str) -> bytes:
    """Return what draws the lines, the first one in another font and size."""
    drawn = [b"BT /F2 16 Tf 72 770 Td 14 TL"]
    for number, line in enumerate(text.split("\n")):
        quoted = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        drawn.append(b"(%b) Tj T*" % quoted.encode("cp1252"))
        if number == 0:
            drawn.append(b"/F1 11 Tf")
    return b"\n".join([*drawn, b"ET"])


def encrypted_pdf(password: str, owner_password: str | None = None) -> bytes:
    """Return a PDF that asks for a password; an empty one lets everybody read."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf("A secret plan"))))
    writer.encrypt(password, owner_password, algorithm="AES-256")
    return _saved(writer.write)


def word(*paragraphs: str, table: Sequence[Sequence[str]] = (), ending: str = "") -> bytes:
    """Return a docx of paragraphs, then a table, then another paragraph."""
    document = docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    if table:
        drawn = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(drawn.add_row().cells, row, strict=True):
                cell.text = text
    if ending:
        document.add_paragraph(ending)
    return _saved(document.save)


def word_with_body(body: str, parts: Mapping[str, str] | None = None) -> bytes:
    """Return a docx with this XML for a body, and with other members replaced or added."""
    namespaces = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    )
    document = f"<w:document {namespaces}><w:body>{body}</w:body></w:document>"
    return replaced(word(), {"word/document.xml": document, **(parts or {})})


def replaced(archive: bytes, members: Mapping[str, str | bytes]) -> bytes:
    """Return an archive with some members replaced or added."""
    with zipfile.ZipFile(BytesIO(archive)) as source:
        kept = {name: source.read(name) for name in source.namelist()}
    return archived({**kept, **members})


def archived(members: Mapping[str, str | bytes]) -> bytes:
    """Return a zip archive."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def slides(*texts: str, notes: str = "", table: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a pptx with a text on each slide, and a table and notes on the last one."""
    presentation = pptx.Presentation()
    for text in texts:
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = text
    if table:
        size = (Inches(1), Inches(2), Inches(6), Inches(1))
        drawn = slide.shapes.add_table(len(table), len(table[0]), *size).table
        for row, texts_of_row in enumerate(table):
            for column, text in enumerate(texts_of_row):
                drawn.cell(row, column).text = text
    if notes:
        slide.notes_slide.notes_text_frame.text = notes
    return _saved(presentation.save)


def workbook(sheets: Mapping[str, Sequence[Sequence[str | float | None]]]) -> bytes:
    """Return an xlsx with these sheets."""
    numbers = range(1, len(sheets) + 1)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    named = zip(sheets, numbers, strict=True)
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for name, number in named
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{office}/worksheet" '
        f'Target="worksheets/sheet{number}.xml"/>'
        for number in numbers
    )
    return archived(
        {
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
            f'<Relationship Id="rId1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">'
            f"<sheets>{listed}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
            f"{related}</Relationships>",
            **{
                f"xl/worksheets/sheet{number}.xml": sheet_xml(rows)
                for number, rows in zip(numbers, sheets.values(), strict=True)
            },
        }
    )


def sheet_xml(rows: Sequence[Sequence[str | float | None]]) -> str:
    """Return the XML of a sheet."""
    drawn = "".join(
        f'<row r="{number}">{"".join(map(_cell_xml, row))}</row>'
        for number, row in enumerate(rows, 1)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{main}"><sheetData>{drawn}</sheetData></worksheet>'


def _cell_xml(value: str | float | None) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def open_document_sheet(rows: Sequence[Sequence[str]]) -> bytes:
    """Return an ods with one sheet."""
    names = "urn:oasis:names:tc:opendocument:xmlns"
    drawn = "".join(
        f"<table:table-row>{''.join(map(_open_document_cell, row))}</table:table-row>"
        for row in rows
    )
    return archived(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{names}:manifest:1.0"/>',
            "content.xml": f'<office:document-content xmlns:office="{names}:office:1.0" '
            f'xmlns:table="{names}:table:1.0" xmlns:text="{names}:text:1.0"><office:body>'
            f'<office:spreadsheet><table:table table:name="Sheet">{drawn}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        }
    )


def _open_document_cell(text: str) -> str:
    shown = f"<text:p>{escape(text)}</text:p>"
    return f'<table:table-cell office:value-type="string">{shown}</table:table-cell>'


def book(chapters: Mapping[str, str], order: Sequence[str]) -> bytes:
    """Return an EPUB whose spine names the chapters in this order."""
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>'
        for name in chapters
    )
    spine = "".join(f'<itemref idref="{name}"/>' for name in order)
    return archived(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>',
            "OPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf">'
            f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{f"OPS/{name}.xhtml": content for name, content in chapters.items()},
        }
    )


_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound_file(streams: Mapping[str, bytes]) -> bytes:
    """Return an OLE2 file with these streams, each as long as a whole sector has to be."""
    contents = [_padded(content) for content in streams.values()]
    chains: list[int] = [_FAT, _END]
    starts = []
    for content in contents:
        starts.append(len(chains))
        count = len(content) // _SECTOR
        chains += [*range(len(chains) + 1, len(chains) + count), _END]
    entries = [_entry("Root Entry", 5, 1, _END, 0)]
    for place, (name, start, content) in enumerate(zip(streams, starts, contents, strict=True), 1):
        right = place + 1 if place < len(streams) else None
        entries.append(_entry(name, 2, right, start, len(content)))
    allocation = pack("<128I", *chains, *[_FREE] * (128 - len(chains)))
    directory = b"".join(entries).ljust(_SECTOR, b"\0")
    return _compound_header() + allocation + directory + b"".join(contents)


def _padded(content: bytes) -> bytes:
    size = max(4096, -(-len(content) // _SECTOR) * _SECTOR)  # smaller ones lie elsewhere
    return content.ljust(size, b"\0")


def _entry(name: str, kind: int, next_one: int | None, start: int, size: int) -> bytes:
    spelled = name.encode("utf-16-le")
    right = next_one if kind == 2 and next_one else _FREE
    child = 1 if kind == 5 else _FREE
    return pack(
        "<64sHBBIII36xIQ", spelled, len(spelled) + 2, kind, 1, _FREE, right, child, start, size
    )


def _compound_header() -> bytes:
    header = bytearray(_SECTOR)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    pack_into("<IIIIIIIIII", header, 40, 0, 1, 1, 0, 4096, _END, 0, _END, 0, 0)
    header[80:] = b"\xff" * (_SECTOR - 80)
    return bytes(header)


def word_97(*pieces: str, flags: int = 0x0200) -> bytes:
    """Return a .doc whose text is in pieces: cp1252 where that has the characters, else UTF-16."""
    main = bytearray(2048)
    pack_into("<HH", main, 0, 0xA5EC, 0x00C1)
    pack_into("<H", main, 0x0A, flags)
    borders, places = [0], b""
    for text in pieces:
        try:
            stored, place = text.encode("cp1252"), len(main) * 2 | 0x40000000
        except UnicodeEncodeError:
            stored, place = text.encode("utf-16-le"), len(main)
        main += stored
        borders.append(borders[-1] + len(text))
        places += pack("<HIH", 0, place, 0)
    pieces_table = pack(f"<{len(borders)}I", *borders) + places
    formatting = b"\x01" + pack("<H", 4) + bytes(4)
    clx = formatting + b"\x02" + pack("<I", len(pieces_table)) + pieces_table
    pack_into("<II", main, 0x01A2, 16, len(clx))
    return compound_file({"WordDocument": bytes(main), "1Table": bytes(16) + clx})


def _saved(save: object) -> bytes:
    target = BytesIO()
    assert callable(save)
    save(target)
    return target.getvalue()
