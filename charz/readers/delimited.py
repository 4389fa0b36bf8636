"""Delimited text in all its dialects: any delimiter, header or none, comments, metadata, decimal comma."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charz.readers.contract import Reader, Table
from charz.readers.dialect import NAMES, split_cells
from charz.readers.layout import Layout, find_layout
from charz.readers.numbers import to_numbers
from charz.readers.text import read_text, refuse_binary, split_lines


def open_delimited(path: Path) -> Table:
    """Read a text file and recognise its table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Table
        Cells are parsed only when a column is asked for.

    Raises
    ------
    ReadError
        When the file is not text, holds no table, or its rows have different numbers of fields.
    """
    text, encoding = read_text(path)
    lines = split_lines(text)
    layout = find_layout(lines, str(path))
    rows = [lines[index] for index in layout.rows]
    places = np.asarray(layout.rows, dtype=np.int64) + 1

    def numbers(indices: Sequence[int]) -> NDArray[np.float64]:
        return _numbers(rows, places, layout, indices, str(path))

    def texts(index: int) -> list[str]:
        return [split_cells(row, layout.delimiter)[index] for row in rows]

    dialect = {
        "encoding": encoding,
        "delimiter": NAMES[layout.delimiter],
        "decimal": "comma" if layout.comma else "point",
        "header": None if layout.header is None else f"line {layout.header + 1}",
        "first_row": f"line {places[0]}",
    }
    attrs = {"metadata": layout.metadata} if layout.metadata else {}
    return Table(path, layout.columns, places, numbers, texts, attrs, dialect)


def _numbers(
    rows: Sequence[str], places: NDArray[np.int64], layout: Layout, indices: Sequence[int], path: str
) -> NDArray[np.float64]:
    """Parse columns: NumPy's C parser first; cell by cell only when a cell is empty, quoted or wrong."""
    if not indices:
        return np.empty((0, len(rows)))
    # Mixed decimal signs must not pass: a point in a file of decimal commas goes the slow way and is named.
    if not (layout.comma and any("." in row for row in rows)):
        plain = [row.replace(",", ".") for row in rows] if layout.comma else rows
        with contextlib.suppress(ValueError):
            return np.loadtxt(
                plain, delimiter=layout.delimiter or None, usecols=list(indices), comments=None, ndmin=2
            ).T
    table = [split_cells(row, layout.delimiter) for row in rows]
    columns = []
    for index in indices:
        name = layout.columns[index].name
        place = f"{path}, column @{index + 1}" + (f" ({name})" if name else "")
        columns.append(to_numbers([row[index] for row in table], places, place, comma=layout.comma))
    return np.stack(columns)


def _is_text(path: Path, head: bytes) -> bool:
    refuse_binary(path, head)
    return True


READER = Reader("delimited", "text table with any delimiter", _is_text, open_delimited)
