"""Excel workbooks (.xlsx, .xlsm): every sheet with rows of numbers is a table."""

import contextlib
import html
import io
import mmap
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from charz.errors import ReadError
from charz.readers.contract import Reader, Table
from charz.readers.guard import foreign
from charz.readers.sheets import Sheet, sheet_table

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_WORKBOOK = "xl/workbook.xml"
# Never past the next "<": damaged files must not make these patterns slow.
_SHEET_NAME = re.compile(r"<(?:\w+:)?sheet\s[^<>]*?\bname=(?:\"([^\"<]*)\"|'([^'<]*)')")
_PLACE = re.compile(rb'<(?:\w+:)?(?:row|c)\s[^<>]*?\br="([A-Z]{0,3})(\d{1,9})"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_MAX_LIST_BYTES = 1 << 22
_CHUNK = 1 << 20
_PROLOG_CHUNK = 1 << 12
# Excel's own limit of rows; a damaged row number must not make a billion empty rows.
_MAX_ROWS = 1 << 20
_MAX_CELLS = 20_000_000
_MAX_RATIO, _MAX_EXTRA_BYTES = 20, 400_000_000
_NOUN = "an Excel workbook"


def sheet_names(path: Path) -> list[str]:
    """Names of the sheets in the order of the book; empty when the file is no workbook.

    Parameters
    ----------
    path : Path
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_WORKBOOK) as part:
            text = part.read(_MAX_LIST_BYTES).decode("utf-8", errors="replace")
    except Exception:  # asked of any file, damaged ones included
        return []
    return [html.unescape(double or single) for double, single in _SHEET_NAME.findall(text)]


def read_sheets(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> list[Sheet]:
    """Cell values of the worksheets whose name is wanted, in the order of the book.

    Raises
    ------
    ReadError
        When the file is an old or a protected workbook, is damaged, or unpacks to more than a workbook can be.
    """
    refuse_old(path)
    with foreign(path, _NOUN), path.open("rb") as stream:
        has_formulas = _inspect_parts(path, stream)
        listed = sheet_names(path)
        with _opened(stream, data_only=True) as book:
            known = {*book.sheetnames, *(chart.title for chart in book.chartsheets)}
            missing = [name for name in listed if name not in known]
            if missing:
                raise ReadError(
                    f"{path}: sheet {missing[0]!r} is listed in the workbook but is not in the file; the file is "
                    "damaged: open it in Excel and save it again"
                )
            chosen = [sheet for sheet in book.worksheets if wanted(sheet.title)]
            sheets = [Sheet(sheet.title, list(_rows(path, sheet))) for sheet in chosen]
        if not has_formulas:
            return sheets
        with _opened(stream, data_only=False) as book:
            return [sheet._replace(uncalculated=_uncalculated(book, sheet)) for sheet in sheets]


def open_excel(path: Path) -> list[Table]:
    """Read a workbook: one table for each sheet with rows of numbers.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Table
        Named by sheet; a book with one such sheet gives one table without a name.

    Raises
    ------
    ReadError
        When the file is no workbook that can be read, or no sheet holds numbers.
    """
    sheets = read_sheets(path)
    tables, skipped, remarks, refusals = [], [], [], []
    for sheet in sheets:
        try:
            table = sheet_table(path, sheet)
        except ReadError as error:
            refusals.append(error)
            remarks.append(f"sheet {sheet.name!r} was left out: {str(error).removeprefix(f'{path}, ')}")
            continue
        if table is None:
            skipped.append(f"{sheet.name} ({_why_empty(sheet)})")
        else:
            tables.append(table)
    if not tables and refusals:
        raise refusals[0]
    if not tables:
        raise ReadError(
            f"{path}: no sheet of this workbook holds rows of numbers (sheets: {', '.join(skipped) or 'none'}); "
            "there is nothing to read"
        )
    extra = {"skipped_sheets": ", ".join(skipped)} if skipped else {}
    single = len(tables) == 1 and not refusals
    return [
        replace(
            table,
            name="" if single else table.name,
            dialect={"sheet": table.name, **table.dialect, **extra},
            remarks=[*table.remarks, *remarks],
        )
        for table in tables
    ]


def _why_empty(sheet: Sheet) -> str:
    if sheet.uncalculated:
        return f"{sheet.uncalculated} formulas that were never calculated: open the book in Excel and save it"
    return "no numbers" if any(map(any, sheet.rows)) else "empty"


def refuse_old(path: Path) -> None:
    """Raise for workbooks that are not zip archives of XML.

    Raises
    ------
    ReadError
        For Excel 97-2003 files and for workbooks protected by a password.
    """
    with path.open("rb") as stream:
        if stream.read(len(_OLE)) != _OLE:
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            encrypted = content.find(_ENCRYPTED) >= 0
    if encrypted:
        raise ReadError(
            f"{path}: a workbook protected by a password; its content is encrypted: open it in Excel, remove the "
            "password (File, Info, Protect Workbook), and save it"
        )
    raise ReadError(f"{path}: an old Excel file (.xls, 1997 to 2003); open it in Excel and save it as .xlsx")


def _inspect_parts(path: Path, stream: IO[bytes]) -> bool:
    """Refuse archives that are bombs; tell whether a sheet holds formulas.

    Raises
    ------
    ReadError
        When the parts are together far larger than the file, or one of them declares entities.
    """
    with zipfile.ZipFile(stream) as archive:
        parts = archive.infolist()
        unpacked = sum(part.file_size for part in parts)
        limit = _MAX_RATIO * path.stat().st_size + _MAX_EXTRA_BYTES
        if unpacked > limit:
            raise ReadError(
                f"{path}: unpacks to {unpacked} bytes, more than the {limit} that a workbook of this size may have; "
                "it is refused as a zip bomb: save the data as .csv"
            )
        names = {part.filename for part in parts}
        if _WORKBOOK not in names:
            binary = (
                "; it is a binary workbook (.xlsb), save it as .xlsx" if "xl/workbook.bin" in names else ""
            )
            raise ReadError(f"{path}: not {_NOUN}, it has no part {_WORKBOOK}{binary}")
        found = False
        for part in parts:
            if part.filename.lower().endswith((".xml", ".rels")):
                _refuse_doctype(path, archive, part)
            if part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml"):
                found = _has_formulas(path, archive, part) or found
    return found


def _refuse_doctype(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Raise for a document type, by which entities can grow to any size; no workbook has one.

    Raises
    ------
    ReadError
        Naming the part.
    """
    seen: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: seen.append("element")
    parser.StartDoctypeDeclHandler = lambda *declaration: seen.append("doctype")
    # Parts that are no XML are left to openpyxl, which may not need them.
    with contextlib.suppress(expat.ExpatError, ValueError, LookupError), archive.open(part) as stream:
        while not seen and (chunk := stream.read(_PROLOG_CHUNK)):
            parser.Parse(chunk)
    if seen[:1] == ["doctype"]:
        raise ReadError(
            f"{path}: part {part.filename} declares XML entities, which no workbook does; it is refused because "
            "they can expand without bound"
        )


def _has_formulas(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Whether the sheet holds formulas.

    Raises
    ------
    ReadError
        When its rows or cells are out of order: openpyxl would leave out those that come late.
    """
    found, last, text = False, (0, 0, b""), b""
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            text += chunk
            cut = text.rfind(b"<") if len(chunk) == _CHUNK else len(text)
            found = found or _FORMULA.search(text, 0, cut) is not None
            for column, row in _PLACE.findall(text, 0, cut):
                place = (int(row), len(column), column)
                if place <= last:
                    here = f"cell {column.decode()}{row.decode()}" if column else f"row {row.decode()}"
                    raise ReadError(
                        f"{path}, {part.filename}: {here} stands below {last[2].decode()}{last[0]}; the order of the "
                        "cells is damaged, and some would be lost: open the book in Excel and save it again"
                    )
                last = place
            text = text[cut:]
    return found


@contextlib.contextmanager
def _opened(stream: IO[bytes], *, data_only: bool) -> Iterator[Any]:
    """Open a workbook; what openpyxl warns of or prints (styles, extensions) is of no interest."""
    from openpyxl import load_workbook

    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(io.StringIO()):
            book = load_workbook(stream, read_only=True, data_only=data_only, keep_links=False)
        try:
            yield book
        finally:
            book.close()


def _rows(path: Path, sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Rows of values without empty ends.

    Raises
    ------
    ReadError
        When the sheet is larger than a sheet can be, or than what is sensible to unpack.
    """
    # The dimension that a file states is often wrong, and openpyxl would cut the sheet to it.
    sheet.reset_dimensions()
    cells = width = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        filled = len(row)
        while filled and row[filled - 1] is None:
            filled -= 1
        cells += filled
        width = max(width, filled)
        if number > _MAX_ROWS or max(cells, number * width) > _MAX_CELLS:
            raise ReadError(
                f"{path}, {sheet.title}: more than {_MAX_ROWS} rows or {_MAX_CELLS} cells; save the sheet as .csv, "
                "which is read in blocks"
            )
        yield row[:filled]


def _uncalculated(book: Any, sheet: Sheet) -> int:
    """Number of formulas whose value is not in the file."""
    source = book[sheet.name]
    source.reset_dimensions()
    missing = 0
    for row, values in zip(source.iter_rows(), sheet.rows, strict=False):
        for column, cell in enumerate(row):
            known = column < len(values) and values[column] is not None
            missing += cell.data_type == "f" and not known
    return missing


def _is_workbook(path: Path, head: bytes) -> bool:
    if head.startswith(_OLE):
        return True
    if not head.startswith(_ZIP):
        return False
    # A workbook that was cut short has lost its list of parts, but its first parts are there.
    return bool(sheet_names(path)) or b"xl/" in head


READER = Reader("excel", "Excel workbook (.xlsx, .xlsm), one table a sheet", _is_workbook, open_excel)
