"""Delimited text in all its dialects: any delimiter, header or none, comments, metadata, decimal comma."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.readers.bulk import open_bulk
from charz.readers.contract import Reader, Table
from charz.readers.dialect import NAMES, split_cells
from charz.readers.layout import Layout, find_layout
from charz.readers.numbers import to_numbers
from charz.readers.tagged_yaml import refuse_tagged_yaml
from charz.readers.text import SNIFFED_BYTES, read_text, refuse_binary, split_lines


def open_delimited(path: Path) -> list[Table]:
    """Read a text file and recognise its table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of one Table
        Cells are parsed only when a column is asked for; large plain tables are parsed at once by `bulk`.

    Raises
    ------
    ReadError
        When the file is not text, holds no table, or its rows have different numbers of fields.
    """
    with path.open("rb") as stream:
        head = stream.read(SNIFFED_BYTES)
    refuse_binary(path, head)
    return [open_bulk(path, _line_by_line) or _line_by_line(path)]


def _line_by_line(path: Path) -> Table:
    with path.open("rb") as stream:
        refuse_tagged_yaml(path, stream.read(SNIFFED_BYTES))
    text, encoding = read_text(path)
    return table_of_lines(path, split_lines(text), dialect={"encoding": encoding})


def table_of_lines(
    path: Path,
    lines: Sequence[str],
    *,
    name: str = "",
    offset: int = 0,
    metadata: Sequence[str] = (),
    dialect: Mapping[str, Any] | None = None,
    noun: str = "line",
) -> Table:
    """Recognise the table in lines of text.

    Parameters
    ----------
    path : Path
    lines : sequence of str
    name : str
        Of the table in its file.
    offset : int
        Number of lines of the file before ``lines[0]``.
    metadata : sequence of str
        Lines that were already taken from the file; those around the table are added.
    dialect : mapping, optional
        What was already recognised.
    noun : str
        ``line`` of a text, or ``row`` of a sheet.

    Raises
    ------
    ReadError
        When there is no table, or its rows have different numbers of fields.
    """
    place = f"{path}, {name}" if name else str(path)
    layout = find_layout(lines, place, offset=offset, noun=noun)
    rows = [lines[index] for index in layout.rows]
    places = np.asarray(layout.rows, dtype=np.int64) + 1 + offset

    def numbers(indices: Sequence[int]) -> NDArray[np.float64]:
        return _numbers(rows, places, layout, indices, place, noun)

    def texts(index: int, stop: int | None = None) -> list[str]:
        return [split_cells(row, layout.delimiter)[index] for row in rows[:stop]]

    recognised = {
        **(dialect or {}),
        "delimiter": NAMES[layout.delimiter],
        "decimal": "comma" if layout.comma else "point",
        "header": None if layout.header is None else f"{noun} {layout.header + 1 + offset}",
        "first_row": f"{noun} {places[0]}",
    }
    outside = [*metadata, *layout.metadata]
    attrs = {"metadata": outside} if outside else {}
    return Table(path, layout.columns, places, numbers, texts, attrs, recognised, name, noun=noun)


def _numbers(
    rows: Sequence[str],
    places: NDArray[np.int64],
    layout: Layout,
    indices: Sequence[int],
    path: str,
    noun: str,
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
        name = layout.columns[index].joined
        place = f"{path}, column @{index + 1}" + (f" ({name})" if name else "")
        columns.append(
            to_numbers([row[index] for row in table], places, place, comma=layout.comma, noun=noun)
        )
    return np.stack(columns)


def _is_text(path: Path, head: bytes) -> bool:
    """Whatever is no other format is asked whether it is text, and refused with the reason where it is not."""
    return True


READER = Reader("delimited", "text table with any delimiter", _is_text, open_delimited)
