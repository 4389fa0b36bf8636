"""Where in a text file the table stands: header, data rows, and the metadata around them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from charz.errors import ReadError
from charz.readers.contract import Column, split_unit
from charz.readers.dialect import COMMENT, NAMES, find_delimiter, has_decimal_comma, split_cells
from charz.readers.numbers import is_number
from charz.units import is_measured_unit

_PROBED_ROWS = 20
_MAX_METADATA = 200
_NAME_WITH_UNIT = re.compile(r"[^\s(\[]\S*(?:[ \t]+[(\[][^()\[\]]*[)\]])?")
_STARTS_NUMBER = frozenset("0123456789+-.")


@dataclass(frozen=True)
class Layout:
    """How a file is cut.

    Parameters
    ----------
    delimiter : str or None
        None for runs of blanks, ``""`` for a single column.
    comma : bool
        Whether numbers have a decimal comma.
    header : int or None
        0-based line of the header row.
    rows : list of int
        0-based lines of the data.
    columns : list of Column
        Names and units as far as the file states them; as many as a data row has fields.
    metadata : list of str
        Comment lines and lines before and after the table.
    """

    delimiter: str | None
    comma: bool
    header: int | None
    rows: list[int]
    columns: list[Column]
    metadata: list[str]


def find_layout(lines: Sequence[str], place: str, *, offset: int = 0, noun: str = "line") -> Layout:
    """Recognise the table in the lines of a file.

    Parameters
    ----------
    lines : sequence of str
    place : str
        File, for messages.
    offset : int
        Number of lines of the file before the first of `lines`.
    noun : str
        What messages call a line.

    Raises
    ------
    ReadError
        When there is no table, or its rows have different numbers of fields.
    """
    plain, comments = _plain_lines(lines)
    if not plain:
        raise ReadError(f"{place}: there is no data row; every line is empty or a comment")
    texts = [lines[index] for index in plain]
    delimiter = find_delimiter(texts)
    comma = has_decimal_comma(texts, delimiter)
    cut = _Cut(texts, delimiter, comma)
    start, stop = cut.main_block(place)
    numeric = cut.numeric_columns(start, stop)
    leading = cut.leading_text_rows(start, stop, numeric)
    cut.refuse_ragged(start, stop, numeric, [index + 1 + offset for index in plain], f"{place}, {noun}")
    width = len(numeric)
    header, columns, used = _header(lines, plain, cut, start, leading, width)
    data = plain[start + leading : stop]
    outside = sorted({*comments, *plain[: start + leading], *plain[stop:]} - used)
    metadata = [COMMENT.sub("", lines[index], count=1).strip() for index in outside[:_MAX_METADATA]]
    return Layout(delimiter, comma, header, data, columns, metadata)


def _plain_lines(lines: Sequence[str]) -> tuple[list[int], list[int]]:
    """Indices of the lines that may be data, and of the comments."""
    plain: list[int] = []
    comments: list[int] = []
    for index, line in enumerate(lines):
        # Nearly every line of a large file starts with a number; the slower questions are for the others.
        if line[:1] in _STARTS_NUMBER and line:
            plain.append(index)
        elif line.strip():
            (comments if COMMENT.match(line) else plain).append(index)
    return plain, comments


class _Cut:
    """The non-empty, non-comment lines of a file under one dialect."""

    def __init__(self, texts: Sequence[str], delimiter: str | None, comma: bool) -> None:
        self.texts = texts
        self.delimiter = delimiter
        self.comma = comma
        if delimiter in (None, "") or any('"' in text for text in texts):
            self.widths = [len(self.cells(index)) for index in range(len(texts))]
        else:
            self.widths = [text.count(delimiter) + 1 for text in texts]

    def cells(self, index: int) -> list[str]:
        return split_cells(self.texts[index], self.delimiter)

    def is_number(self, cell: str) -> bool:
        return is_number(cell, comma=self.comma)

    def main_block(self, place: str) -> tuple[int, int]:
        """Longest run of lines of one width, weighted by its numbers: (start, stop) among the plain lines."""
        best, block, position = 0.0, (0, 0), 0
        for _, group in groupby(self.widths):
            length = sum(1 for _ in group)
            probes = range(position, position + length, max(1, length // _PROBED_ROWS))
            found = [sum(map(self.is_number, self.cells(index))) for index in probes]
            weight = length * sum(found) / len(found)
            if weight > best:
                best, block = weight, (position, position + length)
            position += length
        if best == 0:
            raise ReadError(f"{place}: there is no data row; no line holds a number between delimiters")
        return block

    def numeric_columns(self, start: int, stop: int) -> list[bool]:
        """Whether most cells of each column are numbers; the first row may be a header and does not count."""
        first = start + 1 if stop - start > 1 else start
        probes = [self.cells(index) for index in range(first, stop, max(1, (stop - first) // _PROBED_ROWS))]
        numeric = []
        for column in zip(*probes, strict=True):
            filled = [cell for cell in column if cell]
            numeric.append(2 * sum(map(self.is_number, filled)) > len(filled))
        return numeric

    def leading_text_rows(self, start: int, stop: int, numeric: Sequence[bool]) -> int:
        """Count the header rows inside the block: text wherever the column is numeric.

        Where a column holds text anyway, as names of devices do, a second such row may be data with a failed
        reading ("wire_1,OVLD"); it is a header only if it is a row of units.
        """
        count = 0
        while start + count < stop:
            cells = self.cells(start + count)
            filled = [cell for cell, is_numeric in zip(cells, numeric, strict=True) if is_numeric and cell]
            numbers = [self.is_number(cell) for cell in filled]
            # Oscilloscopes number their channels: "x-axis,1,2".
            channels = count == 0 and filled[1:] == [str(1 + n) for n in range(len(filled) - 1)]
            if not filled or numbers[0] or (any(numbers) and not channels):
                break
            if count and not all(numeric) and not _row_of_units(cells):
                break
            count += 1
        return count

    def refuse_ragged(
        self, start: int, stop: int, numeric: Sequence[bool], line_numbers: Sequence[int], place: str
    ) -> None:
        """Raise for data outside the block: rows are never cut away because they are longer or shorter.

        Raises
        ------
        ReadError
            Naming the line, and how many fields it has and should have.
        """
        for index in (*range(start), *range(stop, len(self.texts))):
            if not self._is_data(index, numeric, after=index >= stop):
                continue
            width = self.widths[index]
            if width == len(numeric):
                odd = (n for n in range(index + 1, start) if self.widths[n] != width)
                between = line_numbers[stop if index >= stop else next(odd)]
                raise ReadError(
                    f"{place} {between}: the table is interrupted by a line with another number of "
                    "fields "
                    f"than {width} (delimiter: {NAMES[self.delimiter]}); correct or remove it"
                )
            raise ReadError(
                f"{place} {line_numbers[index]}: {width} fields where the other rows have "
                f"{len(numeric)} "
                f"(delimiter: {NAMES[self.delimiter]}); rows are never cut or filled, correct the line"
            )

    def _is_data(self, index: int, numeric: Sequence[bool], *, after: bool) -> bool:
        """Whether a line outside the block looks like a row: text and numbers where the block has them."""
        cells = self.cells(index)
        if not after and len(cells) == 1:
            return False  # a lone number on top is a count of rows, not a row
        numbers = [self.is_number(cell) for cell in cells[: len(numeric)]]
        fits = [number for number, is_numeric in zip(numbers, numeric, strict=False) if is_numeric]
        if not any(fits):
            return False
        leading = next((position for position, cell in enumerate(cells) if cell), 0)
        return leading >= len(numeric) or not numeric[leading] or numbers[leading]


def _header(
    lines: Sequence[str], plain: Sequence[int], cut: _Cut, start: int, leading: int, width: int
) -> tuple[int | None, list[Column], set[int]]:
    """Header line, its columns, and the lines that it uses up."""
    rows = [plain[start + offset] for offset in range(leading)]
    units_row = None
    if len(rows) > 1 and (units := _row_of_units(cut.cells(start + leading - 1))):
        units_row = rows.pop()
    header: int | None
    if rows:
        header = rows[-1]
        names = split_cells(lines[header], cut.delimiter)
    else:
        header, names = _header_above(lines, plain[start], cut, width)
    if header is None:
        return None, [Column(None, None)] * width, set()
    columns = [split_unit(name) for name in names[:width]]
    used = {header}
    if groups := _groups_above(lines, header, names, cut):
        columns = [
            Column(column.name, column.unit, group or None)
            for column, group in zip(columns, groups, strict=False)
        ]
        used.add(header - 1)
    if units_row is not None:
        columns = [
            Column(column.name, unit, column.group) for column, unit in zip(columns, units, strict=True)
        ]
        used.add(units_row)
    return header, columns, used


def _groups_above(lines: Sequence[str], header: int, names: Sequence[str], cut: _Cut) -> list[str]:
    """Cells of an upper header row; empty where the header alone tells the columns apart."""
    filled = [name for name in names if name]
    if len(set(filled)) == len(filled) or header == 0:
        return []
    groups = split_cells(lines[header - 1], cut.delimiter)
    if len(groups) != len(names) or any(cut.is_number(group) for group in groups):
        return []
    return groups


def _header_above(lines: Sequence[str], first: int, cut: _Cut, width: int) -> tuple[int | None, list[str]]:
    """Find a header that is a comment, or is longer than the rows, on the nearest non-empty line above."""
    above = next((index for index in range(first - 1, -1, -1) if lines[index].strip()), None)
    if above is None:
        return None, []
    text = COMMENT.sub("", lines[above], count=1)
    commented = text != lines[above]
    # NumPy's savetxt writes "# Input 0, Input 1" above rows that are separated by blanks.
    for delimiter in dict.fromkeys((cut.delimiter, ",", "\t", ";")) if commented else (cut.delimiter,):
        names = split_cells(text, delimiter)
        if delimiter is None and len(names) != width:
            names = _aligned_names(text, width)
        # Blanks also stand within names, so more of them than columns would shift every name after the first.
        fits = len(names) == width if commented or delimiter is None else len(names) > width
        if fits and not any(cut.is_number(name) for name in names):
            return above, names
    return None, []


def _aligned_names(text: str, width: int) -> list[str]:
    """Names of columns separated by blanks, where a name may hold blanks itself: ``Drive (mV)``, ``set point``."""
    cuts = (_NAME_WITH_UNIT.findall(text), re.split(r"\s{2,}|\t", text.strip()))
    return next((names for names in cuts if len(names) == width), [])


def _row_of_units(cells: Sequence[str]) -> list[str | None]:
    """Units of a row like ``second,Volt,Volt`` or ``(V),(A)``; empty when one cell is no unit."""
    bare = [cell.strip("()[] ") for cell in cells]
    if not all(is_measured_unit(cell) for cell in bare if cell):
        return []
    return [cell or None for cell in bare]
