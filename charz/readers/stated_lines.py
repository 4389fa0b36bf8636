"""Lines of a text whose columns the format states become a `Table`; nothing about them has to be recognised."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.contract import Column, Table
from charz.readers.dialect import NAMES, split_cells
from charz.readers.numbers import to_numbers


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
