"""Workbooks (xlsx, xls, ods), each sheet a page, each row a line."""

from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from zipfile import is_zipfile

from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum

from understudy.retrieval.document import Document
from understudy.retrieval.parsing.archive import check
from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.manuscript import Manuscript
from understudy.retrieval.parsing.refusals import encrypted
from understudy.retrieval.parsing.rows import lines


def read(path: Path, limits: ParsingLimits) -> Document:
    """Return the name and the rows of each sheet."""
    if is_zipfile(path):
        check(path, limits)
    try:
        workbook = CalamineWorkbook.from_path(path)
    except PasswordError as error:
        raise encrypted() from error
    manuscript = Manuscript(limits)
    for metadata in workbook.sheets_metadata:
        if metadata.typ == SheetTypeEnum.WorkSheet:
            _add(manuscript, workbook.get_sheet_by_name(metadata.name))
    return manuscript.document()


def _add(manuscript: Manuscript, sheet: CalamineSheet) -> None:
    """Add a sheet; the name of an empty one would be text that says nothing."""
    manuscript.begin_page()
    for number, line in enumerate(lines(_rows(sheet))):
        if number == 0:
            manuscript.add(f"{sheet.name}\n")
        manuscript.add(f"{line}\n")


def _rows(sheet: CalamineSheet) -> Iterator[list[str]]:
    for row in sheet.iter_rows():
        yield [_shown(value) for value in row]


def _shown(value: object) -> str:
    """Write a value as the sheet would: 3 and not 3.0, a day without its midnight."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
