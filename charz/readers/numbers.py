"""Cells to numbers: strict, fast on good columns, exact about the first bad cell."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError

# What a number looks like. Python's `float` would also take "1_000", which no instrument writes.
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf(?:inity)?)", re.IGNORECASE | re.ASCII
)
_COMMA_NUMBER = re.compile(r"[+-]?(?:\d+,\d+|,\d+|\d+)(?:[eE][+-]?\d+)?|[+-]?nan", re.IGNORECASE | re.ASCII)


def is_number(cell: str, *, comma: bool = False) -> bool:
    """Whether a stripped cell is a number, with a decimal comma where `comma` is given."""
    pattern = _COMMA_NUMBER if comma else _NUMBER
    # U+2212 is the minus sign of typeset tables.
    return pattern.fullmatch(cell.replace("−", "-")) is not None


def to_numbers(
    cells: Sequence[str], rows: NDArray[np.int64], place: str, *, comma: bool, noun: str = "line"
) -> NDArray[np.float64]:
    """Convert one column.

    Parameters
    ----------
    cells : sequence of str
        Stripped.
    rows : array of int
        Line number of each cell.
    place : str
        File and column, for the message.
    comma : bool
        Whether the file writes decimal commas.
    noun : str
        ``line`` of a text, or ``row`` of a sheet.

    Returns
    -------
    array of float64
        NaN where a cell is empty.

    Raises
    ------
    ReadError
        Naming line, column and text of the first cell that is no number.
    """
    values = np.empty(len(cells))
    for position, cell in enumerate(cells):
        if not cell:
            values[position] = np.nan
        elif is_number(cell, comma=comma):
            values[position] = float(cell.replace("−", "-").replace(",", "."))
        else:
            decimal = "comma" if comma else "point"
            raise ReadError(
                f"{place}, {noun} {rows[position]}: {cell[:40]!r} is not a number (decimal {decimal}); "
                "correct the cell, or map another column"
            )
    return values
