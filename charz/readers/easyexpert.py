"""CSV exports of Keysight EasyEXPERT (B1500 and relatives): one table for each record in the file.

Each line starts with a tag: ``SetupTitle``, ``TestParameter``, ``AnalysisSetup``, ``Dimension1``, ``DataName`` (names
of the columns), ``DataValue`` (one row). Several records may stand one after the other. The second export has no tags
but starts with ``Setup title``; its table follows the line ``AutoAnalysis.Marker.Data.StartCondition``. Neither states
units.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from charz.errors import ReadError
from charz.readers.contract import Reader, Table, split_unit
from charz.readers.dialect import split_cells
from charz.readers.numbers import is_number
from charz.readers.stated_lines import lines_table
from charz.readers.text import read_text, split_lines

_TITLE, _NAMES, _ROW, _PARAMETER = "SetupTitle", "DataName", "DataValue", "TestParameter"
_PLAIN_TITLE, _PLAIN_MARKER = "Setup title", "AutoAnalysis.Marker.Data.StartCondition"
# Below the rows of one record, each of these opens the next.
_OPENING_TAGS = frozenset({_TITLE, "PrimitiveTest", "ClassicTest", "ApplicationTest", _PARAMETER, _NAMES})
_DIMENSION = re.compile(r"Dimension\d")
_TAGGED = re.compile(
    rb"\s*(?:SetupTitle|PrimitiveTest|ClassicTest|ApplicationTest|TestParameter|DataName)\s*,"
)
_PLAIN = re.compile(rb"\s*\"?Setup title\"?\s*,")
_MAX_METADATA = 200

Parameters = dict[str, str | list[str]]


@dataclass
class _Record:
    """One record while its lines are read; `titled` where its title stands in it, not above an earlier block."""

    title: str = ""
    titled: bool = False
    parameters: Parameters = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    dimensions: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    first: int = 0
    rows: list[str] = field(default_factory=list)


def open_easyexpert(path: Path) -> list[Table]:
    """Read an export of EasyEXPERT.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Table
        One for each record, named by its title and running number where the file has several. `attrs` hold
        ``setup_title``, ``settings`` (the test parameters, one JSON string) and ``metadata``.

    Raises
    ------
    ReadError
        When no record holds rows, or a row has not one value for each name.
    """
    text, encoding = read_text(path)
    lines = split_lines(text)
    plain = any(_is_plain_title(line) for line in lines[:1])
    records = list(_plain_records(path, lines) if plain else _tagged_records(path, lines))
    filled = [(number, record) for number, record in enumerate(records, start=1) if record.rows]
    if not filled:
        raise ReadError(
            f"{path}: there is no data row: none of the {len(records)} records of this EasyEXPERT export holds values; "
            "export it again with its data"
        )
    empty = [
        f"record {n} ({record.title}) holds no values"
        for n, record in enumerate(records, 1)
        if not record.rows
    ]
    tables = []
    for number, record in filled:
        name = f"{record.title} {number}".strip() if len(records) > 1 else ""
        table = _table(path, record, name, encoding)
        tables.append(replace(table, remarks=[*table.remarks, *empty]))
    return tables


def _table(path: Path, record: _Record, name: str, encoding: str) -> Table:
    attrs: dict[str, Any] = {}
    if record.metadata:
        attrs["metadata"] = record.metadata[:_MAX_METADATA]
    if record.title:
        attrs["setup_title"] = record.title
    if record.parameters:
        attrs["settings"] = json.dumps(record.parameters, ensure_ascii=False)
    return lines_table(
        path,
        record.rows,
        [split_unit(cell) for cell in record.names],
        delimiter=",",
        offset=record.first,
        name=name,
        attrs=attrs,
        dialect={"instrument": "Keysight EasyEXPERT", "encoding": encoding, "header": f"line {record.first}"},
        remarks=_remarks(record),
    )


def _remarks(record: _Record) -> list[str]:
    """Whether the number of rows is the one announced: an aborted measurement is shorter."""
    counts = [values[0] for values in record.dimensions.values() if values]
    if not counts or not all(count.isascii() and count.isdecimal() and len(count) < 10 for count in counts):
        return []
    announced = 1
    for count in counts:
        announced *= max(int(count), 1)
    found = sum(1 for row in record.rows if row)
    if announced == found:
        return []
    return [f"the header announces {announced} rows ({' x '.join(counts)}), the file holds {found}"]


def _tagged_records(path: Path, lines: Sequence[str]) -> Iterator[_Record]:
    """Records of the export whose lines start with tags."""
    record = _Record()
    for number, line in enumerate(lines, start=1):
        tag, _, rest = line.partition(",")
        tag = tag.strip()
        if tag == _ROW:
            _append(path, record, rest, number)
            continue
        if not tag and not rest.strip(" ,"):
            continue
        if record.names and (tag in _OPENING_TAGS or _DIMENSION.fullmatch(tag)):
            yield record
            # Blocks below one title share it.
            record = _Record(title=record.title)
        cells = split_cells(rest, ",")
        while cells and not cells[-1]:
            cells.pop()
        if tag == _NAMES:
            if not cells:
                raise ReadError(
                    f"{path}, line {number}: DataName without names; the columns of the record are unknown"
                )
            record.names, record.first = cells, number
        elif tag == _TITLE:
            record.title, record.titled = ", ".join(cells), True
        elif _DIMENSION.fullmatch(tag):
            record.dimensions[tag] = cells
        elif tag == _PARAMETER and cells:
            record.parameters[cells[0]] = cells[1] if len(cells) == 2 else cells[1:]
        else:
            record.metadata.append(line.strip())
    if record.names or record.titled:
        yield record


def _append(path: Path, record: _Record, rest: str, number: int) -> None:
    """Add one row to the record.

    Raises
    ------
    ReadError
        When no names stand above it, or it is empty.
    """
    if not record.names:
        raise ReadError(
            f"{path}, line {number}: DataValue without a DataName line above it; nothing says what the values are"
        )
    if not rest.strip():
        raise ReadError(
            f"{path}, line {number}: DataValue without values where {len(record.names)} columns are named"
        )
    # Rows are counted from the line of the names, so that messages name the line of the file.
    record.rows.extend([""] * (number - record.first - 1 - len(record.rows)))
    record.rows.append(rest)


def _plain_records(path: Path, lines: Sequence[str]) -> Iterator[_Record]:
    """Records of the export without tags: settings, the marker, names, rows."""
    starts = [number for number, line in enumerate(lines) if _is_plain_title(line)]
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        block = lines[start:stop]
        marker = next((n for n, line in enumerate(block) if line.strip().startswith(_PLAIN_MARKER)), None)
        cells = [split_cells(line, ",") for line in block[:marker]]
        record = _Record(title=", ".join(cell for cell in cells[0][1:] if cell))
        for row in cells[1:]:
            while row and not row[-1]:
                row.pop()
            if len(row) > 1:
                record.parameters[row[0]] = row[1] if len(row) == 2 else row[1:]
            elif row:
                record.metadata.append(row[0])
        header = (
            None
            if marker is None
            else next((n for n in range(marker + 1, len(block)) if block[n].strip()), None)
        )
        if header is not None:
            record.names, record.first = split_cells(block[header], ","), start + header + 1
            while not record.names[-1] and len(record.names) > 1:
                record.names.pop()
            if any(map(is_number, record.names)):
                raise ReadError(
                    f"{path}, line {record.first}: {block[header][:40]!r} is not the row of names that follows "
                    f"{_PLAIN_MARKER}"
                )
            rows = list(block[header + 1 :])
            record.rows = rows if any(row.strip() for row in rows) else []
        yield record


def _is_plain_title(line: str) -> bool:
    return split_cells(line, ",")[:1] == [_PLAIN_TITLE]


def _is_easyexpert(path: Path, head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf")
    if _PLAIN.match(start):
        return _PLAIN_MARKER.encode() in start
    return _TAGGED.match(start) is not None


READER = Reader(
    "easyexpert", "Keysight EasyEXPERT (B1500) CSV, one table a record", _is_easyexpert, open_easyexpert
)
