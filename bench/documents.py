"""Files to index: text with the words of a language that does not exist, and PDFs of it."""

from itertools import accumulate
from random import Random

SYLLABLES = "ba be bra cen co da del en er fi ga gre hin ing ka lo ma mis na or pe qui ra ser ti"
WORDS = 20_000
WORDS_PER_SENTENCE = (5, 30)
SENTENCES_PER_PARAGRAPH = (2, 9)
LINES_PER_PAGE = 45
LINE_CHARS = 90


class Author:
    """Writes the same each time; few words are common and most are rare, as in any language."""

    def __init__(self) -> None:
        self._random = Random(11)
        syllables = SYLLABLES.split()
        self._words = [
            "".join(self._random.choices(syllables, k=self._random.randint(1, 4)))
            for _ in range(WORDS)
        ]
        self._weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))

    def text(self, size: int) -> str:
        """Return paragraphs of about so many characters."""
        paragraphs: list[str] = []
        while size > 0:
            paragraphs.append(self._paragraph())
            size -= len(paragraphs[-1]) + 2
        return "\n\n".join(paragraphs)

    def pages(self, count: int) -> list[str]:
        """Return pages full of text."""
        text = self.text(count * LINES_PER_PAGE * LINE_CHARS).replace("\n\n", " ")
        lines = [text[start : start + LINE_CHARS] for start in range(0, len(text), LINE_CHARS)]
        starts = range(0, count * LINES_PER_PAGE, LINES_PER_PAGE)
        return ["\n".join(lines[start : start + LINES_PER_PAGE]) for start in starts]

    def _paragraph(self) -> str:
        return " ".join(
            self._sentence() for _ in range(self._random.randint(*SENTENCES_PER_PARAGRAPH))
        )

    def _sentence(self) -> str:
        count = self._random.randint(*WORDS_PER_SENTENCE)
        words = self._random.choices(self._words, cum_weights=self._weights, k=count)
        return f"{' '.join(words).capitalize()}."


def pdf(pages: list[str]) -> bytes:
    """Return a PDF that shows these pages."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, page in enumerate(pages):
        objects += [_page(5 + 2 * number), _stream(page)]
    return _file(objects)


def _page(contents: int) -> bytes:
    return (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
        b"/Resources << /Font << /F 3 0 R >> >> /Contents %d 0 R >>" % contents
    )


def _stream(page: str) -> bytes:
    lines = "".join(f"({line}) Tj T*\n" for line in page.split("\n"))
    content = f"BT /F 10 Tf 72 770 Td 14 TL\n{lines}ET".encode("ascii")
    return b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content)


def _file(objects: list[bytes]) -> bytes:
    file = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % place for place in places)
    file += b"trailer << /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(file + b"startxref\n%d\n%%%%EOF\n" % table)
