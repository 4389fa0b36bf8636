"""Oscilloscope records: CSV files of Keysight (Agilent) InfiniiVision and of Tektronix.

Keysight writes a row of names (``x-axis,1,2``), a row of units (``second,Volt,Volt``) and the samples. Tektronix
writes its settings either in the first columns beside the samples (TDS) or above a row ``TIME,CH1`` (MSO, DPO).
Times before the trigger are negative. Which channel is the drive is in no file.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from charz.errors import ReadError
from charz.readers.contract import Column, Reader, Table
from charz.readers.dialect import split_cells
from charz.readers.numbers import is_number
from charz.readers.stated_lines import lines_table
from charz.readers.text import read_text, split_lines

_KEYSIGHT = re.compile(rb"\s*\"?x-axis\"?\s*,", re.IGNORECASE)
_TDS = re.compile(rb"\s*\"?Record Length\"?\s*,[^,\n]*,[^,\n]*,\s*[-+.\d]", re.IGNORECASE)
_MSO = re.compile(rb"\s*\"?Model\"?\s*,")
_MSO_NAMES = re.compile(rb"[\r\n]\"?TIME\"?\s*,", re.IGNORECASE)
# Columns of settings in a TDS file: name, value, and one that is empty.
_TDS_LEFT = 3
_MAX_SETTINGS = 200


def open_oscilloscope(path: Path) -> list[Table]:
    """Read the record of an oscilloscope.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of one Table
        First column time; units as the file states them.

    Raises
    ------
    ReadError
        When the row of units is missing, or a row has another number of cells than the header.
    """
    text, encoding = read_text(path)
    head = text[: 1 << 16].encode(errors="replace")
    if _KEYSIGHT.match(head):
        return [_open_keysight(path, split_lines(text), encoding)]
    if _TDS.match(head):
        return [_open_tds(path, split_lines(text), encoding)]
    if _MSO.match(head):
        return [_open_mso(path, split_lines(text), encoding)]
    raise ReadError(
        f"{path}, line 1: {split_lines(text)[0][:40]!r} is no header of an oscilloscope; valid: 'x-axis,1,2' "
        "(Keysight), 'Record Length,...' or 'Model,...' (Tektronix)"
    )


def _open_keysight(path: Path, lines: Sequence[str], encoding: str) -> Table:
    names, units = (split_cells(line, ",") for line in (*lines[:2], "")[:2])
    while names and not names[-1]:
        names.pop()
    if (
        len(units) < len(names)
        or any(units[len(names) :])
        or any(map(is_number, units))
        or not all(units[: len(names)])
    ):
        raise ReadError(
            f"{path}, line 2: {','.join(units)[:60]!r} is not the row of units of the {len(names)} columns in line 1 "
            "(such as 'second,Volt,Volt'); export the record again with its units"
        )
    columns = [Column(name or None, unit) for name, unit in zip(names, units, strict=False)]
    dialect = {
        "instrument": "Keysight oscilloscope",
        "encoding": encoding,
        "header": "line 1",
        "units": "line 2",
    }
    return lines_table(path, lines[2:], columns, delimiter=",", offset=2, dialect=dialect)


def _open_tds(path: Path, lines: Sequence[str], encoding: str) -> Table:
    """Settings stand in the first three columns beside the first samples."""
    cut = [line.split(",", _TDS_LEFT) for line in lines]
    settings = [_setting(cells) for cells in cut[:_MAX_SETTINGS] if cells[0].strip()]
    late = next(
        (n for n, cells in enumerate(cut[_MAX_SETTINGS:]) if any(map(str.strip, cells[:_TDS_LEFT]))), None
    )
    if late is not None:
        raise ReadError(
            f"{path}, line {late + _MAX_SETTINGS + 1}: text in the first three columns, which hold settings beside the "
            "first samples only; the rows are shifted, correct them"
        )
    stated = dict(settings)
    channel = stated.get("Source") or None
    columns = [
        Column("TIME", stated.get("Horizontal Units") or None),
        Column(channel, stated.get("Vertical Units") or None),
    ]
    samples = [
        cells[_TDS_LEFT] if len(cells) > _TDS_LEFT else line for cells, line in zip(cut, lines, strict=True)
    ]
    attrs = {"metadata": [f"{name}: {value}" for name, value in settings]}
    dialect = {"instrument": "Tektronix TDS oscilloscope", "encoding": encoding, "header": None}
    return lines_table(path, samples, columns, delimiter=",", offset=0, attrs=attrs, dialect=dialect)


def _open_mso(path: Path, lines: Sequence[str], encoding: str) -> Table:
    """Settings stand above the row of names."""
    header = next(
        (n for n, line in enumerate(lines) if split_cells(line, ",")[:1] in (["TIME"], ["Time"])), None
    )
    if header is None:
        raise ReadError(
            f"{path}: no line 'TIME,CH1,...' stands below the settings; the record holds no samples"
        )
    names = split_cells(lines[header], ",")
    while not names[-1]:
        names.pop()
    above = [split_cells(line, ",") for line in lines[:header]]
    stated = {cells[0]: cells[1:] for cells in above if cells and cells[0]}
    time = (stated.get("Horizontal Units") or [""])[0]
    vertical = stated.get("Vertical Units") or []
    units = [time, *vertical, *[""] * len(names)]
    columns = [Column(name or None, unit or None) for name, unit in zip(names, units, strict=False)]
    attrs = {"metadata": [line.strip(" ,") for line in lines[:header] if line.strip(" ,")][:_MAX_SETTINGS]}
    dialect = {"instrument": "Tektronix oscilloscope", "encoding": encoding, "header": f"line {header + 1}"}
    rows = lines[header + 1 :]
    return lines_table(path, rows, columns, delimiter=",", offset=header + 1, attrs=attrs, dialect=dialect)


def _setting(cells: Sequence[str]) -> tuple[str, str]:
    name, value = [cell.strip().strip('"').strip() for cell in (*cells[:2], "")[:2]]
    return name, value


def _is_record(path: Path, head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf")
    # Numbers in the second line, where an oscilloscope writes units, are a table of somebody else.
    below = start.partition(b"\n")[2].lstrip()[:1]
    return bool(
        (_KEYSIGHT.match(start) and below and below not in b"+-.0123456789")
        or _TDS.match(start)
        or (_MSO.match(start) and _MSO_NAMES.search(start))
    )


READER = Reader(
    "oscilloscope", "oscilloscope CSV (Keysight, Agilent, Tektronix)", _is_record, open_oscilloscope
)
