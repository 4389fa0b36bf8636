"""Parquet: flat columns by name, read a batch of rows after the other, so that a file may exceed memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import BLOCK_ROWS, floats
from charz.readers.containers import library, printable
from charz.readers.contract import Column, Reader, Table, split_unit
from charz.readers.guard import foreign

NOUN = "a Parquet file"
UNIT_NAMES = (b"units", b"unit")
# More columns than this make a batch shorter, so that a block of numbers stays below 64 MB.
WIDE = 8
# Read in pieces: a whole column chunk may exceed memory, and mapped pages count as memory too.
BUFFER = 1 << 20
_NANOSECONDS = 1e-9
_TICKS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": _NANOSECONDS}


class _Field(NamedTuple):
    """One column that can be read: its name in the file, and what its cells are."""

    name: str
    column: Column
    kind: str
    origin: int = 0


def open_parquet(path: Path) -> list[Table]:
    """Open a Parquet file; only its schema is read until a column is asked for.

    Units come from the field metadata ``units`` or ``unit``, or from a name like ``signal (V)``. Empty cells
    are NaN. Times are seconds since the first. Nested columns are left out with a remark.

    Raises
    ------
    ReadError
        When pyarrow is missing, the file is damaged, or no column is flat.
    """
    library(path, "pyarrow.parquet", "parquet", NOUN)
    with foreign(path, NOUN), _opened(path) as file:
        length = _num_rows(path, file)
        found, remarks = _fields(file)
        metadata = _metadata(file)
        fields = [_with_origin(file, one) if one.kind == "time" and length else one for one in found]
    if not length or not fields:
        reason = "it has no rows" if not length else remarks[0] if remarks else "it has no columns"
        raise ReadError(f"{path}: nothing in it can be read as a column: {reason}")
    remarks += [
        f"{one.name!r} holds times: read as seconds since the first" for one in fields if one.kind == "time"
    ]

    def numbers(indices: Sequence[int]) -> NDArray[np.float64]:
        return _numbers(path, [fields[index] for index in indices], length)

    def batches(indices: Sequence[int]) -> Iterator[Sequence[NDArray[np.float64]]]:
        return map(list, _batches(path, [fields[index] for index in indices], length))

    def texts(index: int, stop: int | None = None) -> list[str]:
        return _texts(path, fields[index], length if stop is None else min(stop, length))

    return [
        Table(
            path=path,
            columns=[one.column for one in fields],
            rows=range(1, length + 1),
            numbers=numbers,
            texts=texts,
            attrs={"metadata": metadata} if metadata else {},
            dialect={"format": "Parquet"},
            remarks=remarks,
            batches=batches if length > BLOCK_ROWS else None,
            noun="row",
        )
    ]


def _opened(path: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path, memory_map=False, buffer_size=BUFFER, pre_buffer=False)


def _num_rows(path: Path, file: Any) -> int:
    """Number of rows, on which the parts of the file's own description must agree."""
    described = file.metadata
    parts = [described.row_group(index).num_rows for index in range(described.num_row_groups)]
    if described.num_rows < 0 or min(parts, default=0) < 0 or sum(parts) != described.num_rows:
        raise ReadError(
            f"{path}: the file states {described.num_rows} rows and its row groups {sum(parts)}; it is damaged, "
            "write it again"
        )
    return int(described.num_rows)


def _fields(file: Any) -> tuple[list[_Field], list[str]]:
    """Flat columns, and a remark on each that is left out."""
    found, remarks = [], []
    names = file.schema_arrow.names
    for field in file.schema_arrow:
        kind = _kind(field.type)
        if names.count(field.name) > 1:
            remarks.append(
                f"column {field.name!r} is left out: {names.count(field.name)} columns are called so"
            )
        elif kind is None:
            remarks.append(
                f"column {field.name!r} is left out: its type {field.type} is no number, time or text; store each "
                "part as a column of its own"
            )
        else:
            found.append(_Field(field.name, _column(field, kind), kind))
    return found, remarks


def _kind(type_: Any) -> str | None:
    """Whether cells are numbers, spans or times of a clock, or text; None for anything else."""
    from pyarrow import types

    if types.is_dictionary(type_):
        return _kind(type_.value_type)
    if types.is_integer(type_) or types.is_floating(type_) or types.is_boolean(type_) or types.is_null(type_):
        return "number"
    if types.is_decimal(type_):
        return "decimal"
    if types.is_string(type_) or types.is_large_string(type_) or str(type_) == "string_view":
        return "text"
    if types.is_duration(type_):
        return "span"
    if types.is_timestamp(type_) or types.is_date(type_):
        return "time"
    return None


def _column(field: Any, kind: str) -> Column:
    stated = next(
        (field.metadata[key] for key in UNIT_NAMES if field.metadata and key in field.metadata), None
    )
    if stated:
        return Column(field.name, printable(stated))
    column = split_unit(field.name)
    return column._replace(unit="s") if column.unit is None and kind in ("span", "time") else column


def _metadata(file: Any) -> list[str]:
    """Key-value pairs of the file, without the copies of the schema that libraries leave there."""
    pairs = (file.schema_arrow.metadata or {}).items()
    return [
        f"{printable(key)}: {printable(value)}"
        for key, value in pairs
        if key not in (b"ARROW:schema", b"pandas")
    ]


def _with_origin(file: Any, field: _Field) -> _Field:
    """Add the first time, in ticks; all others count from it."""
    first = next(file.iter_batches(batch_size=1, columns=[field.name], use_threads=False))
    ticks = _ticks(_cells(first, field.name))[0]
    return field._replace(origin=0 if ticks[0] is None else int(ticks[0].as_py() or 0))


def _blocks(path: Path, fields: Sequence[_Field], size: int) -> Iterator[Any]:
    """Batches of Arrow, projected to the columns that are wanted."""
    names = list(dict.fromkeys(field.name for field in fields))
    with foreign(path, NOUN), _opened(path) as file:
        yield from file.iter_batches(batch_size=size, columns=names, use_threads=False)


def _batches(path: Path, fields: Sequence[_Field], length: int) -> Iterator[NDArray[np.float64]]:
    """Blocks of shape (number of columns, rows of the batch)."""
    for field in fields:
        if field.kind == "text":
            first = _texts(path, field, 1)[0]
            raise ReadError(
                f"{path}, column {field.name!r}, row 1: {first!r} is text, not a number; map the column to a label "
                "such as device, or store it as numbers"
            )
    if not fields:
        return
    start = 0
    size = BLOCK_ROWS * WIDE // max(WIDE, len(fields))
    for batch in _blocks(path, fields, size):
        block = np.empty((len(fields), batch.num_rows))
        with foreign(path, NOUN):
            for row, field in enumerate(fields):
                place = f"{path}, column {field.name!r}"
                block[row] = _floats(_cells(batch, field.name), field, place, start + 1)
        start += batch.num_rows
        yield block
    if start != length:
        raise ReadError(_differs(path, length, start))


def _numbers(path: Path, fields: Sequence[_Field], length: int) -> NDArray[np.float64]:
    with foreign(path, NOUN):
        result = np.empty((len(fields), length))
    start = 0
    for block in _batches(path, fields, length):
        stop = start + block.shape[1]
        with foreign(path, NOUN):
            result[:, start:stop] = block
        start = stop
    return result


def _differs(path: Path, stated: int, found: int) -> str:
    return f"{path}: the file states {stated} rows and {found} can be read; it is damaged, write it again"


def _texts(path: Path, field: _Field, stop: int) -> list[str]:
    found: list[str] = []
    for batch in _blocks(path, [field], max(1, min(stop, BLOCK_ROWS))):
        cells = _cells(batch, field.name).slice(0, stop - len(found)).to_pylist()
        found += ["" if cell is None else _text(cell) for cell in cells]
        if len(found) >= stop:
            return found
    raise ReadError(_differs(path, stop, len(found)))


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, float):
        return "" if cell != cell else repr(cell).removesuffix(".0")
    return printable(cell)


def _cells(batch: Any, name: str) -> Any:
    from pyarrow import types

    cells = batch.column(batch.schema.get_field_index(name))
    return cells.dictionary_decode() if types.is_dictionary(cells.type) else cells


def _floats(cells: Any, field: _Field, place: str, first_row: int) -> NDArray[np.float64]:
    """Cells of one batch as float64, empty ones as NaN."""
    import pyarrow
    from pyarrow import types

    if types.is_null(cells.type):
        return np.full(len(cells), np.nan)
    second = 1.0
    if field.kind in ("time", "span"):
        cells, second = _ticks(cells)
    elif field.kind == "decimal":
        cells = cells.cast(pyarrow.float64())
    empty = cells.is_null().to_numpy(zero_copy_only=False)
    values = cells.fill_null(field.origin if field.kind == "time" else _zero(cells)).to_numpy(
        zero_copy_only=False
    )
    if field.kind in ("time", "span"):
        numbers = (values - field.origin).astype(np.float64) * second
    else:
        numbers = floats(values, place, first_row)
    if empty.any():
        numbers = np.where(empty, np.nan, numbers)
    return numbers


def _zero(cells: Any) -> Any:
    import pyarrow

    return pyarrow.scalar(0).cast(cells.type)


def _ticks(cells: Any) -> tuple[Any, float]:
    """Times as integers, and how many seconds one step is."""
    import pyarrow
    from pyarrow import types

    if types.is_date(cells.type):
        cells = cells.cast(pyarrow.timestamp("s" if types.is_date32(cells.type) else "ms"))
    return cells.cast(pyarrow.int64()), _TICKS[cells.type.unit]


def _is_parquet(path: Path, head: bytes) -> bool:
    return head.startswith((b"PAR1", b"PARE"))


READER = Reader("parquet", "Parquet tables of flat columns", _is_parquet, open_parquet)
