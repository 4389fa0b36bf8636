"""LabVIEW measurement files (LVM text): one table for each segment.

A file starts with ``LabVIEW Measurement`` and a header; each segment has a header of its own (``Channels``,
``Samples``, ``X0``, ``Delta_X``, unit labels), a row of names and its rows; both headers end with
``***End_of_Header***``. ``X_Columns`` says whether rows start with an empty cell (``No``), one x value (``One``) or
hold an x value before each channel (``Multi``). ``X0`` and ``Delta_X`` are kept, but never made into a time axis:
LabVIEW writes ``Delta_X 1`` where nobody set it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from charz.errors import ReadError
from charz.readers.contract import Column, Reader, Table, split_unit
from charz.readers.dialect import split_cells
from charz.readers.numbers import is_number
from charz.readers.stated_lines import lines_table
from charz.readers.text import read_text, split_lines

_MAGIC = "LabVIEW Measurement"
_END = "***End_of_Header***"
_START_SPECIAL, _END_SPECIAL = "***Start_Special***", "***End_Special***"
_SEPARATORS = {"tab": "\t", "comma": ","}
_DECIMALS = (".", ",")
_X_COLUMNS = ("no", "one", "multi")
_COMMENT = "Comment"
_FIRST_TAG = "Channels"
_MAX_METADATA = 200


@dataclass(frozen=True)
class _Dialect:
    """What the header of the file says about all its rows; `comma` is None where it is silent about decimals."""

    separator: str
    comma: bool | None
    x_columns: str
    tags: dict[str, str]


@dataclass
class _Segment:
    """Lines of one segment: its header, the line of names (counted from 0), and its rows."""

    tags: dict[str, list[str]] = field(default_factory=dict)
    names: int = -1
    rows: list[str] = field(default_factory=list)


def open_labview(path: Path) -> list[Table]:
    """Read a LabVIEW measurement file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Table
        ``segment 1``, ``segment 2``, ... where there are several. Column ``@1`` is the x value, empty with
        ``X_Columns No``. Units are those of ``X_Unit_Label`` and ``Y_Unit_Label``.

    Raises
    ------
    ReadError
        When the header is damaged, or a row has not one cell for each name.
    """
    text, encoding = read_text(path)
    lines = split_lines(text)
    if not lines[0].startswith(_MAGIC):
        raise ReadError(f"{path}, line 1: {lines[0][:40]!r} where a LabVIEW measurement file says {_MAGIC!r}")
    end = next((number for number, line in enumerate(lines) if line.startswith(_END)), None)
    if end is None:
        raise ReadError(f"{path}: the header does not end ({_END} is missing); the file is cut short")
    dialect = _dialect(path, lines[:end])
    segments, skipped = _segments(path, lines, end + 1, dialect)
    filled = [(number, one) for number, one in enumerate(segments, start=1) if any(map(str.strip, one.rows))]
    if not filled:
        raise ReadError(f"{path}: there is no data row below the headers; the measurement holds no values")
    remarks = [f"{skipped} special blocks ({_START_SPECIAL}) were left out"] if skipped else []
    if empty := len(segments) - len(filled):
        remarks.append(f"{empty} of {len(segments)} segments hold no values")
    tables = []
    for number, segment in filled:
        name = f"segment {number}" if len(segments) > 1 else ""
        table = _table(path, lines, segment, dialect, name, encoding)
        tables.append(replace(table, remarks=[*table.remarks, *remarks]))
    return tables


def _dialect(path: Path, lines: Sequence[str]) -> _Dialect:
    """Read the header of the file.

    Raises
    ------
    ReadError
        When a separator is neither of those that LabVIEW writes.
    """
    first = next((line for line in lines if line.startswith("Separator")), "Separator\tTab")
    named = first[len("Separator") :].strip("\t, ").lower()
    separator = _SEPARATORS.get(named)
    if separator is None:
        raise ReadError(f"{path}: Separator {named[:20]!r} is unknown; LabVIEW writes Tab or Comma")
    tags: dict[str, str] = {}
    for line in lines[1:]:
        # The decimal sign may be the separator itself, so cells are not looked at.
        key, _, value = line.partition(separator)
        if key.strip():
            tags[key.strip()] = (
                value.strip() if key.strip() == "Decimal_Separator" else value.strip(separator + " ")
            )
    # Files of version 1 do not state the decimal sign.
    decimal = (tags.get("Decimal_Separator") or ".")[0]
    x_columns = tags.get("X_Columns", "One").lower()
    if decimal not in _DECIMALS or (decimal == "," and separator == ","):
        raise ReadError(
            f"{path}: Decimal_Separator {decimal!r} beside Separator {named!r} is not valid: '.' or ','"
        )
    if x_columns not in _X_COLUMNS:
        raise ReadError(f"{path}: X_Columns {x_columns[:20]!r} is unknown; LabVIEW writes No, One or Multi")
    stated = "Decimal_Separator" in tags or separator == ","
    return _Dialect(separator, decimal == "," if stated else None, x_columns, tags)


def _segments(path: Path, lines: Sequence[str], start: int, dialect: _Dialect) -> tuple[list[_Segment], int]:
    """Cut the lines below the file's header into segments; also the number of special blocks left out."""
    segments: list[_Segment] = []
    skipped = 0
    # Without segment headers (LabVIEW's option "No headers") the names follow the file's header at once.
    in_header = any(line.startswith(_END) for line in lines[start:])
    current = _Segment()
    in_special = False
    for number in range(start, len(lines)):
        line = lines[number]
        tag = line.split(dialect.separator, 1)[0].strip()
        if in_special or tag == _START_SPECIAL:
            skipped += tag == _START_SPECIAL
            in_special = tag != _END_SPECIAL
            if current.names >= 0:
                current.rows.append("")
        elif tag == _END:
            in_header = False
        elif tag == _FIRST_TAG and current.names >= 0:
            segments.append(current)
            current, in_header = _Segment(), True
            current.tags[tag] = _values(line, dialect)
        elif in_header:
            if tag:
                current.tags[tag] = _values(line, dialect)
        elif current.names < 0:
            if line.strip(dialect.separator + " "):
                current.names = number
        else:
            # An empty line is no row, but it counts for the line numbers of messages.
            current.rows.append(line if line.strip(dialect.separator + " ") else "")
    if in_header or in_special:
        what = "a segment header" if in_header else "a special block"
        raise ReadError(f"{path}: the file ends inside {what}; it is cut short")
    return [*segments, current] if current.names >= 0 else segments, skipped


def _values(line: str, dialect: _Dialect) -> list[str]:
    cells = [cell.strip() for cell in line.split(dialect.separator)[1:]]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _table(
    path: Path, lines: Sequence[str], segment: _Segment, dialect: _Dialect, name: str, encoding: str
) -> Table:
    """Table of one segment."""
    place = f"{path}, {name}" if name else str(path)
    names = split_cells(lines[segment.names], dialect.separator)
    while names and not names[-1]:
        names.pop()
    if not any(names) or is_number(names[0]) or all(is_number(cell) for cell in names if cell):
        raise ReadError(
            f"{place}, line {segment.names + 1}: {lines[segment.names][:40]!r} where the names of the columns "
            "(X_Value, ...) stand; nothing says what the values are"
        )
    rows = segment.rows
    if names[-1] == _COMMENT:
        first = len(names) - 1
        if any(any(split_cells(row, dialect.separator)[first:]) for row in rows):
            rows = [_with_comment(row, names, dialect) for row in rows]
        else:
            names = names[:-1]
    comma = _has_comma(rows, dialect) if dialect.comma is None else dialect.comma
    _check_decimals(place, rows, segment.names + 1, len(names), dialect.separator, comma=comma)
    x_axis = {
        "no": "none; X0 and Delta_X of the header are not used as a time axis",
        "one": "first column; X0 and Delta_X of the header are not used",
        "multi": "one before each channel; X0 and Delta_X of the header are not used",
    }
    recognised = {
        "instrument": "LabVIEW",
        "encoding": encoding,
        "header": f"line {segment.names + 1}",
        "x_columns": x_axis[dialect.x_columns],
    }
    metadata = [f"{key}: {value}" for key, value in dialect.tags.items()]
    metadata += [f"{key}: {', '.join(values)}" for key, values in segment.tags.items()]
    table = lines_table(
        path,
        rows,
        _with_units(names, segment, dialect),
        delimiter=dialect.separator,
        offset=segment.names + 1,
        comma=comma,
        name=name,
        attrs={"metadata": metadata[:_MAX_METADATA]},
        dialect=recognised,
    )
    return replace(table, remarks=_remarks(segment, len(table.rows)))


def _with_comment(row: str, names: Sequence[str], dialect: _Dialect) -> str:
    """Row with its last cell, which LabVIEW leaves away where nobody commented."""
    return row + dialect.separator if row and row.count(dialect.separator) == len(names) - 2 else row


def _has_comma(rows: Sequence[str], dialect: _Dialect) -> bool:
    """Whether the first fractional number of the segment has a decimal comma."""
    for row in rows:
        cells = split_cells(row, dialect.separator)
        if any("." in cell and is_number(cell) for cell in cells):
            return False
        if any("," in cell and is_number(cell, comma=True) for cell in cells):
            return True
    return False


def _check_decimals(
    place: str, rows: Sequence[str], offset: int, width: int, separator: str, *, comma: bool
) -> None:
    """Raise where the numbers are not written as the header says, or as the first ones are.

    Raises
    ------
    ReadError
        Naming the first such line; ``0,5`` read with a decimal point would be another number, or none.
    """
    if separator == ",":
        return
    wrong, right = (".", ",") if comma else (",", ".")
    for number, row in enumerate(rows, start=offset + 1):
        if wrong not in row:
            continue
        for cell in split_cells(row, separator)[:width]:
            if wrong in cell and is_number(cell, comma=not comma):
                raise ReadError(
                    f"{place}, line {number}: {cell[:40]!r} has a decimal {wrong!r}, but the Decimal_Separator of "
                    f"this file is {right!r}; correct the header or the line"
                )


def _with_units(names: Sequence[str], segment: _Segment, dialect: _Dialect) -> list[Column]:
    """Columns with the units of the segment's header, where it states one for each channel."""
    columns = [split_unit(name) for name in names]
    channels = [n for n, name in enumerate(names) if not name.startswith("X_Value") and name != _COMMENT]
    x_values = [n for n, name in enumerate(names) if name.startswith("X_Value")]
    for label, indices in (("Y_Unit_Label", channels), ("X_Unit_Label", x_values)):
        units = segment.tags.get(label, [])
        if dialect.x_columns != "multi" and label == "X_Unit_Label":
            units = units[:1]
        if len(units) > len(indices):
            continue
        for index, unit in zip(indices, units, strict=False):
            columns[index] = columns[index]._replace(unit=unit or columns[index].unit)
    return columns


def _remarks(segment: _Segment, found: int) -> list[str]:
    """Whether the number of rows is the one that the header announces for the longest channel."""
    samples = [value for value in segment.tags.get("Samples", []) if value.isascii() and value.isdecimal()]
    announced = max((int(value) for value in samples if len(value) < 12), default=found)
    if announced == found:
        return []
    return [f"the header announces {announced} samples, the file holds {found} rows"]


def _is_labview(path: Path, head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").startswith(_MAGIC.encode())


READER = Reader("labview", "LabVIEW measurement file (.lvm), one table a segment", _is_labview, open_labview)
