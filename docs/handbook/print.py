#!/usr/bin/env python3
"""Prints handbook.txt, which `understudy demo` asks questions about, as a PDF.

The text is ours and given to the public domain (CC0). Each `# ` begins a page. Nothing is
compressed, so that the same text makes the same bytes everywhere.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).with_name("handbook.txt")
TARGET = SOURCE.parents[2] / "src/understudy/cli/demo_data/handbook.pdf"

WIDTH, HEIGHT, MARGIN = 595, 842, 64
LINE_CHARACTERS = 88
# Font, size and the space above, in points.
TITLE, HEADING, BODY = ("F2", 18, 26), ("F2", 12.5, 24), ("F1", 11, 15.5)
PARAGRAPH_GAP = 5
FOOTER = 40
FONTS = {"F1": "Helvetica", "F2": "Helvetica-Bold"}


def printed(text: str) -> bytes:
    """Return the PDF of a handbook."""
    texts = text.strip().removeprefix("# ").split("\n# ")
    pages = [content(page, f"{number} / {len(texts)}") for number, page in enumerate(texts, 1)]
    first = 3 + len(FONTS)
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(pages)))
    fonts = " ".join(f"/{name} {3 + number} 0 R" for number, name in enumerate(FONTS))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids.encode(), len(pages)),
        *(font(name) for name in FONTS.values()),
    ]
    for number, stream in enumerate(pages):
        objects += [page(first + 2 * number + 1, fonts), stream]
    return assembled(objects)


def font(name: str) -> bytes:
    """Return one of the fonts that every reader has."""
    kind = f"/Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding"
    return f"<< {kind} >>".encode()


def page(contents: int, fonts: str) -> bytes:
    """Return a page whose text is the object of that number."""
    size = f"/MediaBox [0 0 {WIDTH} {HEIGHT}]"
    resources = f"/Resources << /Font << {fonts} >> >>"
    return f"<< /Type /Page /Parent 2 0 R {size} {resources} /Contents {contents} 0 R >>".encode()


def content(text: str, footer: str) -> bytes:
    """Return the stream that draws a page; its title stands in the first line."""
    below = f"/F1 9 Tf 1 0 0 1 {WIDTH // 2} {FOOTER} Tm ({footer}) Tj\n".encode()
    drawn = b"BT\n%s%sET" % (b"".join(lines(text)), below)
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn)


def lines(text: str) -> Iterator[bytes]:
    """Yield the operators that draw each line below the one before it."""
    title, *blocks = text.strip().split("\n\n")
    yield f"{MARGIN} {HEIGHT - MARGIN} Td\n".encode()
    yield line(title, TITLE, 0)
    for block in blocks:
        if block.startswith("## "):
            yield line(block.removeprefix("## "), HEADING, 0)
            continue
        gap = PARAGRAPH_GAP
        for piece in textwrap.wrap(block, LINE_CHARACTERS, break_on_hyphens=False):
            yield line(piece, BODY, gap)
            gap = 0


def line(text: str, style: tuple[str, float, float], gap: int) -> bytes:
    """Return the operators that draw one line in that style."""
    name, size, space = style
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"/{name} {size} Tf 0 {-space - gap:g} Td ({escaped}) Tj\n".encode("cp1252")


def assembled(objects: list[bytes]) -> bytes:
    """Return a file of these objects, the catalogue first, with the table that finds them."""
    written = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n" % (size, len(written))
    return b"%sxref\n0 %d\n0000000000 65535 f \n%s%s%%%%EOF\n" % (written, size, table, end)


if __name__ == "__main__":
    TARGET.write_bytes(printed(SOURCE.read_text(encoding="utf-8")))
