"""The cells of a worksheet become a `Table`."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.contract import Column, Table, split_unit
from charz.readers.numbers import is_number, to_numbers
from charz.readers.sheet_layout import (
    EMPTY,
    ERROR,
    NUMBER,
    Block,
    Cell,
    cell_value,
    data_rows,
    find_block,
    kind_of,
    kinds_of,
)
from charz.units import is_measured_unit

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_MAX_METADATA = 200


class Sheet(NamedTuple):
    """One worksheet: name, cell values from row 1 and column A, and how many formulas have no cached value."""

    name: str
    rows: Sequence[Sequence[Any]]
    uncalculated: int = 0


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
    rows = [[cell_value(value) for value in row] for row in sheet.rows]
    kinds = kinds_of(rows)
    place = f"{path}, {sheet.name}"
    block = find_block(kinds)
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


def _columns(rows: Sequence[Sequence[Cell]], block: Block) -> tuple[list[Column], set[int]]:
    """Columns as the header rows state them, and the rows used for it."""
    header = list(block.header)
    width = block.right - block.left
    if not header:
        return [Column(None, None)] * width, set()
    units: list[str] = [""] * width
    used = set()
    if len(header) > 1:
        bare = [cell.strip("()[] ") for cell in map(_text, _cut(rows[header[-1]], block))]
        if all(is_measured_unit(cell) for cell in bare if cell):
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


def _outside(rows: Sequence[Sequence[Cell]], kinds: NDArray[np.uint8], block: Block, place: str) -> list[int]:
    """Filled rows outside the table.

    Raises
    ------
    ReadError
        When one of them is a row of numbers: rows are never left out because a text stands between them.
    """
    data = data_rows(kinds)
    filled = kinds.any(axis=1)
    inside = {*range(block.start, block.stop), *block.header}
    outside = [int(line) for line in np.flatnonzero(filled) if int(line) not in inside]
    for line in outside:
        # A lone number above the table is a count of rows or a setting.
        if data[line] and ((kinds[line] != EMPTY).sum() > 1 or line >= block.stop):
            raise ReadError(
                f"{place}, row {line + 1}: numbers ({_joined(rows[line])[:40]!r}) stand outside the table of rows "
                f"{block.start + 1} to {block.stop}, with text between; rows are never left out silently: put each "
                "table on a sheet of its own, or remove the text"
            )
    return outside


def _cut(row: Sequence[Cell], block: Block) -> list[Cell]:
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
    cells = ["" if ERROR.fullmatch(cell) else cell for cell in cells]
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
        errors = Counter(cell for cell in texts if ERROR.fullmatch(cell))
        stored = sum(kind_of(cell) == NUMBER for cell in texts)
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
