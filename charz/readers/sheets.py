"""Rows of known place become a `Table`: the cells of a worksheet, or the lines of a block with a stated header."""

import contextlib
import datetime
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.contract import Column, Table, split_unit
from charz.readers.dialect import NAMES, split_cells
from charz.readers.numbers import is_number, to_numbers
from charz.units import is_unit

_ERROR = re.compile(
    r"#(?:REF|N/?A|DIV/0|VALUE|NUM|NAME|NULL|SPILL|CALC|FIELD|BLOCKED|CONNECT|BUSY|UNKNOWN|GETTING_DATA)[!?]?"
)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_EMPTY, _NUMBER, _TEXT, _ERROR_CELL = range(4)
_MAX_HEADER_ROWS = 3
_MAX_METADATA = 200
_MAX_BITS = 1000

Cell = int | float | str | None


class Sheet(NamedTuple):
    """One worksheet: name, cell values from row 1 and column A, and how many formulas have no cached value."""

    name: str
    rows: Sequence[Sequence[Any]]
    uncalculated: int = 0


class _Block(NamedTuple):
    """Where the table stands: first and last data row, header rows above it, columns; all 0-based."""

    start: int
    stop: int
    header: list[int]
    left: int
    right: int


def sheet_table(
    path: Path,
    sheet: Sheet,
    *,
    attrs: Mapping[str, Any] | None = None,
    dialect: Mapping[str, Any] | None = None,
) -> Table | None:
    """Recognise the table in a worksheet.

    Numbers pass unchanged; numbers stored as text are converted, error cells (``#REF``, ``#N/A``) become NaN, and
    `remarks` counts both by column. Dates stay text.

    Parameters
    ----------
    path : Path
    sheet : Sheet
    attrs, dialect : mapping, optional
        To be kept with the table.

    Returns
    -------
    Table or None
        None when the sheet holds no rows of numbers.

    Raises
    ------
    ReadError
        When rows of numbers stand outside the table.
    """
    rows = [[_cell(value) for value in row] for row in sheet.rows]
    kinds = _kinds(rows)
    place = f"{path}, {sheet.name}"
    block = _find_block(kinds)
    if block is None:
        return None
    outside = _outside(rows, kinds, block, place)
    columns, used = _columns(rows, block)
    lines = [line for line in range(block.start, block.stop) if kinds[line].any()]
    body = [_cut(rows[line], block) for line in lines]
    places = np.asarray(lines, dtype=np.int64) + 1
    labels = [_label(block.left + index, column) for index, column in enumerate(columns)]

    def numbers(indices: Sequence[int]) -> NDArray[np.float64]:
        result = np.empty((len(indices), len(body)))
        for position, index in enumerate(indices):
            column = [row[index] for row in body]
            result[position] = _floats(column, places, f"{place}, column {labels[index]}")
        return result

    def texts(index: int, stop: int | None = None) -> list[str]:
        return [_text(row[index]) for row in body[:stop]]

    metadata = [_joined(rows[line]) for line in sorted({*outside, *(set(block.header) - used)})]
    found = {
        "header": f"row {max(used) + 1}" if used else None,
        "first_row": f"row {block.start + 1}",
        "first_column": _letter(block.left),
    }
    kept = {**({"metadata": metadata[:_MAX_METADATA]} if metadata else {}), **(attrs or {})}
    named = [column.joined or _letter(block.left + index) for index, column in enumerate(columns)]
    remarks = [*_remarks(body, named), *_uncalculated(sheet)]
    recognised = {**(dialect or {}), **found}
    return Table(path, columns, places, numbers, texts, kept, recognised, sheet.name, remarks, noun="row")


def lines_table(
    path: Path,
    lines: Sequence[str],
    columns: Sequence[Column],
    *,
    delimiter: str,
    offset: int,
    comma: bool = False,
    name: str = "",
    attrs: Mapping[str, Any] | None = None,
    dialect: Mapping[str, Any] | None = None,
    remarks: Sequence[str] = (),
) -> Table:
    """Make a table of lines whose columns the format states.

    Parameters
    ----------
    path : Path
    lines : sequence of str
        Data rows; empty lines are skipped, cells after the last column must be empty.
    columns : sequence of Column
    delimiter : str
    offset : int
        Number of lines of the file before ``lines[0]``.
    comma : bool
        Whether numbers have a decimal comma.
    name, attrs, dialect, remarks
        As of `Table`.

    Raises
    ------
    ReadError
        When there is no row, or a row has not one cell for each column.
    """
    place = f"{path}, {name}" if name else str(path)
    filled = [index for index, line in enumerate(lines) if line.strip()]
    if not filled:
        raise ReadError(f"{place}: there is no data row below line {offset}; the measurement holds no values")
    places = np.asarray(filled, dtype=np.int64) + 1 + offset
    width = len(columns)
    rows = [
        _fitted(lines[index], width, delimiter, f"{place}, line {index + 1 + offset}") for index in filled
    ]

    def numbers(indices: Sequence[int]) -> NDArray[np.float64]:
        if not indices:
            return np.empty((0, len(rows)))
        if not comma:
            with contextlib.suppress(ValueError):
                return np.loadtxt(rows, delimiter=delimiter, usecols=list(indices), comments=None, ndmin=2).T
        cells = [split_cells(row, delimiter) for row in rows]
        parsed = []
        for index in indices:
            label = columns[index].joined
            where = f"{place}, column @{index + 1}" + (f" ({label})" if label else "")
            parsed.append(to_numbers([row[index] for row in cells], places, where, comma=comma))
        return np.stack(parsed)

    def texts(index: int, stop: int | None = None) -> list[str]:
        return [split_cells(row, delimiter)[index] for row in rows[:stop]]

    recognised = {
        **(dialect or {}),
        "delimiter": NAMES[delimiter],
        "decimal": "comma" if comma else "point",
        "first_row": f"line {places[0]}",
    }
    return Table(path, columns, places, numbers, texts, attrs or {}, recognised, name, remarks)


def _fitted(line: str, width: int, delimiter: str, place: str) -> str:
    """Return the line without empty cells after the last column.

    Raises
    ------
    ReadError
        When it has not one cell for each column.
    """
    if '"' not in line and line.count(delimiter) + 1 == width:
        return line
    cells = split_cells(line, delimiter)
    if len(cells) == width:
        return line
    if len(cells) > width and not any(cells[width:]) and '"' not in line:
        return delimiter.join(cells[:width])
    raise ReadError(
        f"{place}: {len(cells)} cells where the header names {width} columns; rows are never cut or filled, "
        "correct the line (a cell too many or too few shifts every value after it into another column)"
    )


def _cell(value: Any) -> Cell:
    """Value of a cell: number, text without line breaks, or None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MAX_BITS else float("inf")
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return " ".join(str(value).split()) or None


def _kinds(rows: Sequence[Sequence[Cell]]) -> NDArray[np.uint8]:
    """Kind of every cell, shape (num_rows, num_columns)."""
    kinds = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=np.uint8)
    for line, row in enumerate(rows):
        kinds[line, : len(row)] = [_kind(cell) for cell in row]
    return kinds


def _kind(cell: Cell) -> int:
    if cell is None:
        return _EMPTY
    if not isinstance(cell, str) or is_number(cell) or is_number(cell, comma=True):
        return _NUMBER
    return _ERROR_CELL if _ERROR.fullmatch(cell) else _TEXT


def _find_block(kinds: NDArray[np.uint8]) -> _Block | None:
    """Longest run of rows of numbers, by its numbers, and the header rows above it."""
    data = _data_rows(kinds)
    filled = kinds.any(axis=1)
    lines = np.flatnonzero(filled)
    if not data.any():
        return None
    # Empty rows do not interrupt a table, so runs are counted among the filled ones.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], data[lines], [False]]).astype(np.int8)))
    amounts = (kinds == _NUMBER).sum(axis=1)[lines]
    runs = [(int(amounts[a:b].sum()), -a, b) for a, b in edges.reshape(-1, 2).tolist()]
    _, first, after = max(runs)
    start, stop = int(lines[-first]), int(lines[after - 1]) + 1
    header = _header_rows(kinds, data, start, stop)
    used = np.flatnonzero(kinds[[*header, *range(start, stop)]].any(axis=0))
    return _Block(start, stop, header, int(used[0]), int(used[-1]) + 1)


def _data_rows(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each row is data: starts with a number, and has no more text than numbers in columns of numbers."""
    number, text = kinds == _NUMBER, kinds == _TEXT
    begun = np.logical_or.accumulate(number, axis=0)
    numeric = number.any(axis=0) & (number.sum(axis=0) >= (text & begun).sum(axis=0))
    if not numeric.any():
        return np.zeros(len(kinds), dtype=np.bool_)
    inside = kinds[:, numeric]
    leading = np.take_along_axis(inside, (inside != _EMPTY).argmax(axis=1)[:, None], axis=1)[:, 0]
    measured = number | (kinds == _ERROR_CELL)
    begins = (leading == _NUMBER) | (leading == _ERROR_CELL)
    result: NDArray[np.bool_] = begins & (measured[:, numeric].sum(axis=1) >= text[:, numeric].sum(axis=1))
    return result


def _header_rows(kinds: NDArray[np.uint8], data: NDArray[np.bool_], start: int, stop: int) -> list[int]:
    """Rows of text above the data that name at least half of its columns, from top to bottom."""
    wanted = (int(kinds[start:stop].any(axis=0).sum()) + 1) // 2
    header: list[int] = []
    for line in range(start - 1, -1, -1):
        if not kinds[line].any():
            if header:
                break
            continue
        named = int((kinds[line] != _EMPTY).sum())
        if (
            data[line]
            or not (kinds[line] == _TEXT).any()
            or named < wanted
            or len(header) == _MAX_HEADER_ROWS
        ):
            break
        header.insert(0, line)
    return header


def _columns(rows: Sequence[Sequence[Cell]], block: _Block) -> tuple[list[Column], set[int]]:
    """Columns as the header rows state them, and the rows used for it."""
    header = list(block.header)
    width = block.right - block.left
    if not header:
        return [Column(None, None)] * width, set()
    units: list[str] = [""] * width
    used = set()
    if len(header) > 1:
        bare = [cell.strip("()[] ") for cell in map(_text, _cut(rows[header[-1]], block))]
        if all(is_unit(cell) for cell in bare if cell):
            used.add(header.pop())
            units = bare
    names = [_text(cell) for cell in _cut(rows[header[-1]], block)]
    used.add(header[-1])
    groups: list[str] = [""] * width
    filled = [name for name in names if name]
    if len(header) > 1 and len(set(filled)) < len(filled):
        groups = [_text(cell) for cell in _cut(rows[header[-2]], block)]
        used.add(header[-2])
    split = [split_unit(name) for name in names]
    return [
        Column(column.name, unit or column.unit, group or None)
        for column, unit, group in zip(split, units, groups, strict=True)
    ], used


def _outside(
    rows: Sequence[Sequence[Cell]], kinds: NDArray[np.uint8], block: _Block, place: str
) -> list[int]:
    """Filled rows outside the table.

    Raises
    ------
    ReadError
        When one of them is a row of numbers: rows are never left out because a text stands between them.
    """
    data = _data_rows(kinds)
    filled = kinds.any(axis=1)
    inside = {*range(block.start, block.stop), *block.header}
    outside = [int(line) for line in np.flatnonzero(filled) if int(line) not in inside]
    for line in outside:
        # A lone number above the table is a count of rows or a setting.
        if data[line] and ((kinds[line] != _EMPTY).sum() > 1 or line >= block.stop):
            raise ReadError(
                f"{place}, row {line + 1}: numbers ({_joined(rows[line])[:40]!r}) stand outside the table of rows "
                f"{block.start + 1} to {block.stop}, with text between; rows are never left out silently: put each "
                "table on a sheet of its own, or remove the text"
            )
    return outside


def _cut(row: Sequence[Cell], block: _Block) -> list[Cell]:
    cells = list(row[block.left : block.right])
    return cells + [None] * (block.right - block.left - len(cells))


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return repr(cell) if isinstance(cell, float) else str(cell)


def _joined(row: Sequence[Cell]) -> str:
    return ", ".join(_text(cell) for cell in row if cell is not None)


def _floats(column: Sequence[Cell], places: NDArray[np.int64], place: str) -> NDArray[np.float64]:
    """Numbers of a column: cells that are numbers as they are, text converted, errors and empty cells NaN."""
    is_text = np.fromiter((isinstance(cell, str) for cell in column), dtype=np.bool_, count=len(column))
    values = np.array(
        [np.nan if cell is None or isinstance(cell, str) else cell for cell in column], dtype=np.float64
    )
    where = np.flatnonzero(is_text)
    cells = [cell for cell in column if isinstance(cell, str)]
    cells = ["" if _ERROR.fullmatch(cell) else cell for cell in cells]
    values[where] = to_numbers(cells, places[where], place, comma=_has_comma(cells), noun="row")
    return values


def _has_comma(cells: Sequence[str]) -> bool:
    """Whether numbers stored as text have decimal commas; ``1,234`` alone may be a thousand and is not one."""
    commas = [cell for cell in cells if "," in cell and is_number(cell, comma=True)]
    return any(not _THOUSANDS.fullmatch(cell) for cell in commas) and not any("." in cell for cell in cells)


def _remarks(body: Sequence[Sequence[Cell]], labels: Sequence[str]) -> list[str]:
    """One remark for each column with numbers stored as text, or with error cells."""
    remarks = []
    for index, label in enumerate(labels):
        texts = [cell for row in body if isinstance(cell := row[index], str)]
        if not texts:
            continue
        errors = Counter(cell for cell in texts if _ERROR.fullmatch(cell))
        stored = sum(_kind(cell) == _NUMBER for cell in texts)
        if 2 * stored > len(texts) - errors.total() and stored:
            verb = "number is" if stored == 1 else "numbers are"
            remarks.append(f"column {label}: {stored} {verb} stored as text")
        if errors:
            noun = "cell" if errors.total() == 1 else "cells"
            shown = ", ".join(errors)
            remarks.append(f"column {label}: {errors.total()} {noun} {shown} became NaN")
    return remarks


def _uncalculated(sheet: Sheet) -> list[str]:
    if not sheet.uncalculated:
        return []
    return [
        f"{sheet.uncalculated} formulas of sheet {sheet.name} hold no calculated value and became NaN; open the book "
        "in Excel and save it"
    ]


def _label(column: int, stated: Column) -> str:
    """How messages call a column: its letter, and its name in brackets."""
    return f"{_letter(column)} ({stated.joined})" if stated.joined else _letter(column)


def _letter(column: int) -> str:
    letters = ""
    number = column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
