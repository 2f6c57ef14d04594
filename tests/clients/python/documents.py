"""The files that users search in; each says one thing about the same meal."""

import io
import zipfile

SOUP = "Which soup may the guest have, and what does it cost?"
MENU = ("menu.md", b"# Menu\n\nThe soup of the day is **pumpkin** soup.\n")
PRICES = ("prices.txt", "The price of a soup is 7 €, with bread.\n".encode())
GUEST = ("guest.html", b"<html><body><p>The guest must not eat walnuts.</p></body></html>")
PICTURE = ("soup.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01")

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/'
    'vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Target="word/document.xml" Type="http://schemas.openxmlformats.org/'
    'officeDocument/2006/relationships/officeDocument"/></Relationships>'
)
_DOCUMENT = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    "<w:p><w:r><w:t>The kitchen closes at nine.</w:t></w:r></w:p></w:body></w:document>"
)


def hours():
    """Return the name and the bytes of a Word document."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELATIONS)
        archive.writestr("word/document.xml", _DOCUMENT)
    return "hours.docx", packed.getvalue()
