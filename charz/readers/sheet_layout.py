"""Where in a worksheet the table stands: kinds of cells, rows of data, header rows above them."""

import datetime
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.readers.numbers import is_number

ERROR = re.compile(
    r"#(?:REF|N/?A|DIV/0|VALUE|NUM|NAME|NULL|SPILL|CALC|FIELD|BLOCKED|CONNECT|BUSY|UNKNOWN|GETTING_DATA)[!?]?"
)
EMPTY, NUMBER, TEXT, ERROR_CELL = range(4)
_MAX_HEADER_ROWS = 3
_MAX_BITS = 1000

Cell = int | float | str | None


class Block(NamedTuple):
    """Where the table stands: first and last data row, header rows above it, columns; all 0-based."""

    start: int
    stop: int
    header: list[int]
    left: int
    right: int


def cell_value(value: Any) -> Cell:
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


def kinds_of(rows: Sequence[Sequence[Cell]]) -> NDArray[np.uint8]:
    """Kind of every cell, shape (num_rows, num_columns)."""
    kinds = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=np.uint8)
    for line, row in enumerate(rows):
        kinds[line, : len(row)] = [kind_of(cell) for cell in row]
    return kinds


def kind_of(cell: Cell) -> int:
    """Whether a cell is empty, a number (also one stored as text), text, or an error of the sheet."""
    if cell is None:
        return EMPTY
    if not isinstance(cell, str) or is_number(cell) or is_number(cell, comma=True):
        return NUMBER
    return ERROR_CELL if ERROR.fullmatch(cell) else TEXT


def find_block(kinds: NDArray[np.uint8]) -> Block | None:
    """Longest run of rows of numbers, by its numbers, and the header rows above it."""
    data = data_rows(kinds)
    filled = kinds.any(axis=1)
    lines = np.flatnonzero(filled)
    if not data.any():
        return None
    # Empty rows do not interrupt a table, so runs are counted among the filled ones.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], data[lines], [False]]).astype(np.int8)))
    amounts = (kinds == NUMBER).sum(axis=1)[lines]
    runs = [(int(amounts[a:b].sum()), -a, b) for a, b in edges.reshape(-1, 2).tolist()]
    _, first, after = max(runs)
    start, stop = int(lines[-first]), int(lines[after - 1]) + 1
    header = _header_rows(kinds, data, start, stop)
    used = np.flatnonzero(kinds[[*header, *range(start, stop)]].any(axis=0))
    return Block(start, stop, header, int(used[0]), int(used[-1]) + 1)


def data_rows(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each row is data: starts with a number, and has no more text than numbers in columns of numbers."""
    number, text = kinds == NUMBER, kinds == TEXT
    begun = np.logical_or.accumulate(number, axis=0)
    numeric = number.any(axis=0) & (number.sum(axis=0) >= (text & begun).sum(axis=0))
    if not numeric.any():
        return np.zeros(len(kinds), dtype=np.bool_)
    inside = kinds[:, numeric]
    leading = np.take_along_axis(inside, (inside != EMPTY).argmax(axis=1)[:, None], axis=1)[:, 0]
    measured = number | (kinds == ERROR_CELL)
    begins = (leading == NUMBER) | (leading == ERROR_CELL)
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
        named = int((kinds[line] != EMPTY).sum())
        if data[line] or not (kinds[line] == TEXT).any() or named < wanted or len(header) == _MAX_HEADER_ROWS:
            break
        header.insert(0, line)
    return header
