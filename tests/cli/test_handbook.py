"""The PDF that the demo asks: made from its text, small, and readable by others."""

import runpy
from pathlib import Path

from pypdf import PdfReader

from understudy.cli.demo_citation import HANDBOOK

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "handbook"
TEXT = (FOLDER / "handbook.txt").read_text(encoding="utf-8")


def test_it_is_what_its_program_prints() -> None:
    printed = runpy.run_path(str(FOLDER / "print.py"))["printed"]
    assert printed(TEXT) == HANDBOOK.read_bytes(), "docs/handbook/print.py"


def test_each_page_has_its_text() -> None:
    with PdfReader(HANDBOOK, strict=True) as reader:
        read = [" ".join(page.extract_text().split()) for page in reader.pages]
    pages = TEXT.strip().removeprefix("# ").split("\n# ")
    written = [" ".join(page.replace("## ", "").split()) for page in pages]
    assert read == [f"{text} {number} / 5" for number, text in enumerate(written, 1)]
