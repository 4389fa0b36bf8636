"""Named arrays to tables: a vector is a column, vectors of one length are one table; the rest is refused."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.containers import MAX_SHOWN, printable
from charz.readers.contract import Column, Table
from charz.readers.guard import foreign

MAX_COLUMNS = 4096
MAX_DEPTH = 16
EXACT = 2**53
BLOCK_ROWS = 1_000_000
TEXT = np.dtype("U1")


@dataclass(frozen=True)
class Stored:
    """An array that may still lie in its file.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
        `TEXT` stands for strings of any length.
    read : callable
        From first and last row (exclusive) to these rows, shape (stop - start, ...).
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int, int], NDArray[Any]]


@dataclass(frozen=True)
class _Source:
    """One column: where its numbers lie, and under what name."""

    column: Column
    stored: Stored
    position: int | None
    origin: np.datetime64 | None = None


def stored(values: Any) -> Stored:
    """Make a `Stored` of an array in memory, whose rows are along the first axis."""
    array = np.asarray(values)
    return Stored(array.shape, array.dtype, lambda start, stop: array[start:stop] if array.ndim else array)


def tables_of_arrays(
    path: Path,
    arrays: Mapping[str, NDArray[Any] | Stored],
    units: Mapping[str, str] | None = None,
    attrs: Mapping[str, Any] | None = None,
    name: str = "",
    *,
    remarks: Sequence[str] = (),
    dialect: Mapping[str, Any] | None = None,
) -> list[Table]:
    """Sort arrays into tables by their length.

    Vectors (n,), (n, 1) and (1, n) are one column, a matrix (n, k) is the columns ``name[0]`` to
    ``name[k-1]``, a structured array is a column a field. Single values join ``attrs["metadata"]`` as
    ``name: value``, unless there is nothing else: then they are a table of one row. What cannot be a column
    (complex numbers, objects, three axes and more) is left out with a remark as long as something is left.

    Parameters
    ----------
    path : Path
    arrays : mapping of str to array or Stored
        An empty name gives columns without names.
    units : mapping of str to str, optional
        Unit of each array whose file states it.
    attrs : mapping, optional
        As of `Table`.
    name : str
        Group of the file; tables of several lengths are called ``group/100 rows``.
    remarks : sequence of str
    dialect : mapping, optional

    Returns
    -------
    list of Table
        At least one.

    Raises
    ------
    ReadError
        When no array can be a column.
    """
    units = units or {}
    place = f"{path}, {name}" if name else str(path)
    vectors, scalars, notes = _sorted(arrays, place)
    if not vectors:
        vectors, scalars = scalars, []
    if not vectors:
        reason = "; ".join(notes[:3]) if notes else "it holds no arrays"
        raise ReadError(f"{place}: nothing in it can be read as a column: {reason}")
    metadata = [*(attrs or {}).get("metadata", []), *(_line(one, units) for one in scalars)]
    kept = {**(attrs or {}), **({"metadata": metadata} if metadata else {})}
    sources: dict[int, list[_Source]] = {}
    for group, array_name, array in vectors:
        length, found = _sources(group, array_name, array, units)
        sources.setdefault(length, []).extend(found)
    tables = []
    for length, found in sources.items():
        called = name if len(sources) == 1 else f"{name}/{length} rows".removeprefix("/")
        dates = [_dated(source) for source in found if source.origin is not None]
        said = (*remarks, *notes, *dates)
        tables.append(_table(path, found, length, kept, dict(dialect or {}), called, said))
    return tables


def floats(values: NDArray[Any], place: str, first_row: int = 1) -> NDArray[np.float64]:
    """Convert numbers to float64 exactly.

    Parameters
    ----------
    values : array of bool, int or float, shape (n,)
    place : str
        File and array, for messages.
    first_row : int
        Row number of ``values[0]``.

    Raises
    ------
    ReadError
        When an integer is beyond 2**53, so that float64 cannot hold it.
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size:
        beyond = (values > EXACT) | ((values < -EXACT) if values.dtype.kind == "i" else False)
        if beyond.any():
            row = int(np.argmax(beyond))
            raise ReadError(
                f"{place}, row {first_row + row}: the integer {values[row]} is beyond 2**53 and would be rounded; "
                "subtract an offset, or store it as text if it is a label"
            )
    return np.asarray(values, dtype=np.float64)


_Named = tuple[str | None, str, Stored]


def _sorted(
    arrays: Mapping[str, NDArray[Any] | Stored], place: str
) -> tuple[list[_Named], list[_Named], list[str]]:
    """Vectors and matrices, single values, and one sentence for each array that is left out."""
    vectors, scalars, notes = [], [], []
    for name, values in arrays.items():
        array = values if isinstance(values, Stored) else stored(values)
        for group, field, part in _fields(None, name, array):
            if reason := _unfit(part):
                called = f"{group}.{field}" if group else field
                notes.append(f"array {called!r} of shape {part.shape} is left out: {reason}")
            elif _size(part.shape) == 1:
                scalars.append((group, field, part))
            else:
                vectors.append((group, field, part))
    return vectors, scalars, notes


def _fields(group: str | None, name: str, array: Stored, depth: int = 0) -> Iterator[_Named]:
    """Split a structured array into its fields, whose group is the array's name."""
    if array.dtype.names is None or set(array.dtype.names) == {"real", "imag"} or depth >= MAX_DEPTH:
        yield group, name, array
        return
    for field in array.dtype.names:
        inner = array.dtype.fields[field][0] if array.dtype.fields else array.dtype
        base, extra = (inner.subdtype[0], inner.subdtype[1]) if inner.subdtype else (inner, ())

        def read(start: int, stop: int, field: str = field) -> NDArray[Any]:
            return array.read(start, stop)[field]

        above = ".".join(part for part in (group, name) if part) or None
        yield from _fields(above, field, Stored((*array.shape, *extra), base, read), depth + 1)


def _unfit(array: Stored) -> str | None:
    """Why an array cannot be columns, with what would mend it; None when it can."""
    kind, shape = array.dtype.kind, array.shape
    if kind == "c" or array.dtype.names is not None:
        return "it is complex; store its real and imaginary part as two arrays"
    if kind not in "biufUSTMm":
        return f"its type {array.dtype} is no number, date or text; store it as numbers"
    if kind == "f" and array.dtype.itemsize > 8:
        return f"its type {array.dtype} has more digits than float64 can hold; store it as float64"
    if _size(shape) == 0:
        return "it is empty"
    if len(shape) > 2:
        return (
            "only one and two axes can be rows and columns; store each slice along the first axis as an array "
            f"of its own, of shape {shape[1:]}"
        )
    if len(shape) == 2 and shape[0] > 1 and shape[1] > MAX_COLUMNS:
        return f"{shape[1]} columns are more than {MAX_COLUMNS}; transpose it, rows come first"
    return None


def _sources(
    group: str | None, name: str, array: Stored, units: Mapping[str, str]
) -> tuple[int, list[_Source]]:
    """Length and columns of a vector or matrix."""
    key = f"{group}.{name}" if group else name
    unit = units.get(key) or ("s" if array.dtype.kind in "Mm" else None)
    origin = None
    if (array.shape and len(array.shape) == 2 and array.shape[0] == 1) or not array.shape:
        # The whole row is one "row" of the file, so it is read at once and cut afterwards.
        whole = array
        flat = (_size(array.shape),)
        array = Stored(flat, whole.dtype, lambda start, stop: _whole(whole).reshape(-1)[start:stop])
    if array.dtype.kind == "M":
        origin = np.asarray(array.read(0, 1)).reshape(-1)[0]
    if len(array.shape) == 1 or array.shape[1] == 1:
        position = None if len(array.shape) == 1 else 0
        return array.shape[0], [_Source(Column(name or None, unit, group), array, position, origin)]
    names = [f"{name}[{index}]" if name else None for index in range(array.shape[1])]
    columns = [Column(one, unit, group) for one in names]
    return array.shape[0], [_Source(one, array, index, origin) for index, one in enumerate(columns)]


def _whole(array: Stored) -> NDArray[Any]:
    return np.asarray(array.read(0, 1))


def _table(
    path: Path,
    sources: Sequence[_Source],
    length: int,
    attrs: Mapping[str, Any],
    dialect: Mapping[str, Any],
    name: str,
    remarks: Sequence[str],
) -> Table:
    def block(indices: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
        result = np.empty((len(indices), stop - start))
        raw: dict[int, NDArray[Any]] = {}
        for row, index in enumerate(indices):
            source = sources[index]
            if id(source.stored) not in raw:
                raw[id(source.stored)] = source.stored.read(start, stop)
            result[row] = _numbers(_cells(raw[id(source.stored)], source), source, place(index), start + 1)
        return result

    def place(index: int) -> str:
        label = sources[index].column.joined or f"@{index + 1}"
        return f"{path}, {name}, array {label!r}" if name else f"{path}, array {label!r}"

    def batches(indices: Sequence[int]) -> Iterator[Sequence[NDArray[np.float64]]]:
        for start in range(0, length, BLOCK_ROWS):
            yield list(block(indices, start, min(start + BLOCK_ROWS, length)))

    def texts(index: int, stop: int | None = None) -> list[str]:
        source = sources[index]
        wanted = length if stop is None else max(0, min(stop, length))
        return _texts(_cells(source.stored.read(0, wanted), source))

    return Table(
        path=path,
        columns=[source.column for source in sources],
        rows=range(1, length + 1),
        numbers=lambda indices: block(indices, 0, length),
        texts=texts,
        attrs=attrs,
        dialect=dialect,
        name=name,
        remarks=remarks,
        batches=batches if length > BLOCK_ROWS else None,
        noun="row",
    )


def _cells(rows: NDArray[Any], source: _Source) -> NDArray[Any]:
    return rows if source.position is None else rows[:, source.position]


def _numbers(cells: NDArray[Any], source: _Source, place: str, first_row: int) -> NDArray[np.float64]:
    kind = source.stored.dtype.kind
    if kind in "UST":
        shown = printable(cells[0])[:MAX_SHOWN] if len(cells) else ""
        raise ReadError(
            f"{place}, row {first_row}: {shown!r} is text, not a number; "
            "map the array to a label such as device, or store it as numbers"
        )
    if source.origin is not None and np.isnat(source.origin):
        raise ReadError(f"{place}, row 1: the first date is missing (NaT), so nothing can be counted from it")
    if kind in "Mm":
        with foreign(place, "an array of dates"):
            spans = cells - source.origin if kind == "M" else cells
            return spans / np.timedelta64(1, "s")
    return floats(cells, place, first_row)


def _texts(cells: NDArray[Any]) -> list[str]:
    if cells.dtype.kind == "f":
        return ["" if cell != cell else repr(cell).removesuffix(".0") for cell in cells.tolist()]
    if cells.dtype.kind == "b":
        cells = cells.astype(np.int8)
    if cells.dtype.kind in "Mm":
        cells = cells.astype("U")
    return [printable(cell) for cell in cells.tolist()]


def _line(named: _Named, units: Mapping[str, str]) -> str:
    group, name, array = named
    key = f"{group}.{name}" if group else name
    cell = _texts(np.asarray(array.read(0, 1)).reshape(-1))[0]
    return " ".join(part for part in (f"{key}: {cell}", units.get(key)) if part)


def _dated(source: _Source) -> str:
    called = source.column.joined or "the array"
    return f"{called} holds dates: read as seconds since the first, {source.origin}"


def _size(shape: Sequence[int]) -> int:
    # Not numpy's product, which overflows on the shapes of damaged files.
    size = 1
    for length in shape:
        size *= int(length)
    return size
