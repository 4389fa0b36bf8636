"""Keithley 4200A-SCS (Clarius): workbooks with one sheet a run, and CSV exports with one row a cycle.

A workbook holds sheets ``Run<number>`` in any order, ``Calc`` (left out) and ``Settings`` (one block a run, one
column a terminal). A cycle table has two header rows (test, quantity), rows that may be shorter than them, and a
footer of settings. No unit is in these files.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from charz.errors import ReadError
from charz.readers.contract import Column, Reader, Table
from charz.readers.dialect import split_cells
from charz.readers.excel import read_sheets, sheet_names
from charz.readers.numbers import is_number
from charz.readers.sheets import Sheet, sheet_table
from charz.readers.stated_lines import lines_table
from charz.readers.text import read_text, split_lines

_RUN = re.compile(r"Run(\d{1,9})")
_CYCLE = re.compile(r"Cycle (\d{1,9})")
_SETTINGS, _CALC = "Settings", "Calc"
_ZIP = b"PK\x03\x04"
_MODE, _FORMULAS, _TERMINALS = "Operation Mode", "Formulas", "Device Terminal"
# Attribute, row of the block, type; of the swept terminal only.
_SWEEP: tuple[tuple[str, str, type], ...] = (
    ("start", "Start/Bias", float),
    ("stop", "Stop", float),
    ("step", "Step", float),
    ("num_points", "Number of Points", int),
    ("compliance", "Compliance", float),
)

Settings = Mapping[str, str | list[str]]


def open_keithley(path: Path) -> list[Table]:
    """Read a workbook or a CSV export of Clarius.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Table
        Runs by number, then other sheets by their place in the book; or the table of cycles. `attrs` hold
        ``settings`` (one JSON string) and, where exactly one terminal is swept, its ``compliance``, ``start``,
        ``stop``, ``step`` and ``num_points`` in the instrument's units.

    Raises
    ------
    ReadError
        When the file is damaged or holds no rows of numbers.
    """
    with path.open("rb") as stream:
        return _open_book(path) if stream.read(len(_ZIP)) == _ZIP else [_open_csv(path)]


def _open_book(path: Path) -> list[Table]:
    sheets = read_sheets(path, lambda name: name != _CALC)
    settings = next((sheet for sheet in sheets if sheet.name == _SETTINGS), None)
    blocks, common = _parse_settings(settings.rows if settings else [])
    data = sorted((sheet for sheet in sheets if sheet.name != _SETTINGS), key=_order)
    tables, empty = [], []
    for sheet in data:
        attrs = _attrs(blocks.get(sheet.name) or common)
        if (table := sheet_table(path, sheet, attrs=attrs)) is None:
            empty.append(sheet.name)
        else:
            tables.append(_with_unmeasured(table))
    if not tables:
        raise ReadError(
            f"{path}: no sheet of this Keithley workbook holds rows of numbers (sheets: "
            f"{', '.join(sheet.name for sheet in data) or 'none'}); the test was saved before it ran"
        )
    skipped = ", ".join([f"{_CALC}, {_SETTINGS}", *(f"{name} (empty)" for name in empty)])
    single = len(tables) == 1
    return [
        replace(
            table,
            name="" if single and not _RUN.fullmatch(table.name) else table.name,
            dialect={"instrument": "Keithley 4200A-SCS", **table.dialect, "skipped_sheets": skipped},
        )
        for table in tables
    ]


def _order(sheet: Sheet) -> tuple[int, int]:
    match = _RUN.fullmatch(sheet.name)
    return (0, int(match.group(1))) if match else (1, 0)


def _parse_settings(rows: Sequence[Sequence[Any]]) -> tuple[dict[str, dict[str, str | list[str]]], Settings]:
    """Blocks by the name of their run, and what stands outside of them (the footer of a table of cycles)."""
    blocks: dict[str, dict[str, str | list[str]]] = {}
    common: dict[str, str | list[str]] = {}
    current = common
    formulas: list[str] | None = None
    for row in rows:
        cells = ["" if cell is None else str(cell).strip() for cell in row]
        key, values = (cells[0], cells[1:]) if cells else ("", [])
        if _RUN.fullmatch(key) and not any(values):
            current, formulas = blocks.setdefault(key, {}), None
        elif match := _CYCLE.fullmatch(key):
            current["Cycle"] = match.group(1)
        elif key == _FORMULAS:
            formulas = []
            current[_FORMULAS] = formulas
        elif not key or set(key) == {"="}:
            continue
        elif formulas is not None and not any(values):
            formulas.append(key)
        else:
            current[key.rstrip(":")] = values[0] if len(values) == 1 else values if values else ""
    return blocks, common


def _attrs(settings: Settings) -> dict[str, str | int | float]:
    """Attributes of one run: its settings, and those of the swept terminal under names of their own."""
    if not settings:
        return {}
    attrs: dict[str, str | int | float] = {"settings": json.dumps(settings, ensure_ascii=False)}
    if isinstance(executed := settings.get("Last Executed"), str) and executed:
        attrs["last_executed"] = executed
    for name, key in (("cycle", "Cycle"), ("total_cycles", "Total Cycles")):
        if (
            isinstance(text := settings.get(key), str)
            and text.isascii()
            and text.isdecimal()
            and len(text) < 10
        ):
            attrs[name] = int(text)
    if formulas := settings.get(_FORMULAS):
        attrs["formulas"] = "; ".join(formulas)
    swept = _swept(settings)
    if swept is None:
        return attrs
    if (terminal := _of_terminal(settings, _TERMINALS, swept)) is not None:
        attrs["swept_terminal"] = terminal
    for name, key, kind in _SWEEP:
        text = _of_terminal(settings, key, swept)
        if text is not None and is_number(text) and (kind is float or text.isdecimal()):
            attrs[name] = kind(text)
    return attrs


def _swept(settings: Settings) -> int | None:
    """Number of the only terminal that is swept; None where none or several are."""
    modes = settings.get(_MODE, [])
    modes = [modes] if isinstance(modes, str) else modes
    swept = [number for number, mode in enumerate(modes) if "Sweep" in mode]
    return swept[0] if len(swept) == 1 else None


def _of_terminal(settings: Settings, key: str, terminal: int) -> str | None:
    values = settings.get(key, [])
    values = [values] if isinstance(values, str) else values
    return values[terminal] if terminal < len(values) else None


def _open_csv(path: Path) -> Table:
    """Read the table of cycles: two header rows, rows of numbers, a footer."""
    text, encoding = read_text(path)
    lines = split_lines(text)
    upper, lower = (split_cells(line, ",") for line in [*lines, "", ""][:2])
    if len(upper) != len(lower):
        raise ReadError(
            f"{path}, line 2: {len(lower)} names below {len(upper)} tests in line 1; both header rows together "
            "name a column, correct the header"
        )
    columns = [Column(name or None, None, group or None) for group, name in zip(upper, lower, strict=True)]
    stop = _first_of_footer(path, lines)
    rows = [_padded(path, line, number, len(columns)) for number, line in enumerate(lines[2:stop], start=3)]
    footer = [line.strip() for line in lines[stop:] if line.strip()]
    settings = {name.rstrip(":"): value for name, value in map(_name_and_value, footer) if value}
    attrs = {**({"metadata": footer} if footer else {}), **_attrs(settings)}
    dialect = {"instrument": "Keithley 4200A-SCS", "encoding": encoding, "header": "lines 1 and 2"}
    table = lines_table(path, rows, columns, delimiter=",", offset=2, attrs=attrs, dialect=dialect)
    return _with_unmeasured(table)


def _first_of_footer(path: Path, lines: Sequence[str]) -> int:
    """Line after the last row, counted from 0.

    Raises
    ------
    ReadError
        When a row stands below a line that is none.
    """
    is_row = [is_number(line.split(",", 1)[0].strip()) and "," in line for line in lines[2:]]
    stop = next(
        (number for number, row in enumerate(is_row) if not row and lines[2 + number].strip()), len(is_row)
    )
    if any(is_row[stop:]):
        later = stop + is_row[stop:].index(True)
        raise ReadError(
            f"{path}, line {stop + 3}: {lines[stop + 2][:40]!r} stands among the cycles (line {later + 3} is one "
            "again); a row starts with the number of its cycle, correct the line"
        )
    return 2 + stop


def _padded(path: Path, line: str, number: int, width: int) -> str:
    """Row with empty cells for the tests at the end that did not run.

    Raises
    ------
    ReadError
        When the row has more values than the header has names.
    """
    missing = width - len(split_cells(line, ","))
    if missing < 0 and any(split_cells(line, ",")[width:]):
        raise ReadError(f"{path}, line {number}: {width - missing} cells below a header of {width} names")
    return line + "," * max(0, missing) if line.strip() else line


def _name_and_value(line: str) -> tuple[str, str]:
    name, _, value = line.partition(",")
    return name.strip(), value.strip(" ,")


def _with_unmeasured(table: Table) -> Table:
    """Add a remark that lists the groups of columns without any value: tests that did not run."""
    groups: dict[str, list[int]] = {}
    for index, column in enumerate(table.columns):
        if column.group is not None:
            groups.setdefault(column.group, []).append(index)
    empty = [
        group for group, indices in groups.items() if not any(any(table.texts(n, None)) for n in indices)
    ]
    if not empty:
        return table
    remark = f"no values in the columns of {', '.join(empty)}: these tests did not run"
    return replace(table, remarks=[*table.remarks, remark])


def _is_keithley(path: Path, head: bytes) -> bool:
    if head.startswith(_ZIP):
        names = sheet_names(path)
        return _SETTINGS in names and (_CALC in names or any(map(_RUN.fullmatch, names)))
    first, second = [*head.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n").split(b"\n", 1), b""][:2]
    return (
        first.startswith(b"Cycle,")
        and re.search(rb"#\d", first) is not None
        and second.lstrip().startswith(b"Index,")
    )


READER = Reader(
    "keithley", "Keithley 4200A-SCS workbook (one run a sheet) or CSV of cycles", _is_keithley, open_keithley
)
