"""MATLAB files: variables, the fields of structs and the cells of cell arrays as columns; v4 to v7 here."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
import warnings

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import MAX_DEPTH, refuse_larger, tables_of_arrays
from charz.readers.contract import Reader, Table
from charz.readers.guard import foreign
from charz.readers.hdf5 import SIGNATURE

NOUN = "a MATLAB file"
MAX_RATIO = 100
MAX_EXTRA = 400_000_000
_HEADER = 128
_COMPRESSED = 15
_CHUNK = 1 << 20
_TEXT = b"MATLAB "
_V73 = b"MATLAB 7.3 MAT-file"


@dataclass(frozen=True)
class Refused:
    """A value that is no column; `reason` says what it is and what would mend it."""

    reason: str


# What a MATLAB variable is, from whichever version of the format: a struct is a mapping, a cell array a list.
Value = NDArray[Any] | Mapping[str, Any] | list[Any] | Refused


def open_matlab(path: Path) -> list[Table]:
    """Read a MATLAB file of any version.

    The field ``x`` of a struct ``s`` is the array ``s.x``, of a struct array ``s(1).x``; a struct array of
    single values is a column a field. Cells of one kind are a column (single values, strings) or one column
    each (vectors, ``c{1}``). Sparse matrices, objects and function handles are left out with a remark.

    Raises
    ------
    ReadError
        When the file is damaged, unpacks to far more than its size, or holds nothing that can be a column.
    """
    from charz.readers.matlab_hdf5 import read_matlab73

    with path.open("rb") as stream:
        head = stream.read(1024)
    variables = read_matlab73(path) if _is_73(head) else _read_classic(path)
    arrays: dict[str, NDArray[Any]] = {}
    remarks = []
    for name, value in variables.items():
        for key, part in flattened(name, value):
            if isinstance(part, Refused):
                remarks.append(f"variable {key!r} is left out: {part.reason}")
            else:
                arrays[key] = part
    if not arrays and remarks:
        raise ReadError(f"{path}: nothing in it can be read as a column: {'; '.join(remarks[:3])}")
    return tables_of_arrays(path, arrays, remarks=remarks, dialect={"format": "MATLAB"})


def flattened(name: str, value: Value, depth: int = 0) -> Iterator[tuple[str, NDArray[Any] | Refused]]:
    """Arrays of a variable by their MATLAB names, or why there are none."""
    if depth > MAX_DEPTH:
        yield name, Refused(f"it is nested more than {MAX_DEPTH} levels deep")
    elif isinstance(value, Mapping):
        for field, part in value.items():
            yield from flattened(f"{name}.{field}", part, depth + 1)
    elif isinstance(value, list):
        yield from _listed(name, value, depth)
    else:
        yield name, value


def _listed(name: str, cells: list[Any], depth: int) -> Iterator[tuple[str, NDArray[Any] | Refused]]:
    """A cell array or struct array."""
    if cells and all(isinstance(cell, Mapping) and cell.keys() == cells[0].keys() for cell in cells):
        for field in cells[0]:
            values = [cell[field] for cell in cells]
            if (column := _column(values)) is not None:
                yield f"{name}.{field}", column
            else:
                for number, value in enumerate(values, start=1):
                    yield from flattened(f"{name}({number}).{field}", value, depth + 1)
    elif (column := _column(cells)) is not None:
        yield name, column
    elif cells and all(_is_vector(cell) and cell.size == cells[0].size for cell in cells):
        for number, cell in enumerate(cells, start=1):
            yield f"{name}{{{number}}}", cell
    else:
        yield name, Refused(
            "its cells are neither single numbers, nor strings, nor vectors of one length; store each cell as a "
            "variable of its own"
        )


def _column(cells: Sequence[Any]) -> NDArray[Any] | None:
    """One column of single values of the same kind, or None."""
    if not cells or not all(isinstance(cell, np.ndarray) and cell.size == 1 for cell in cells):
        return None
    kinds = {"U" if cell.dtype.kind in "US" else cell.dtype.kind for cell in cells}
    if len(kinds) > 1 and not kinds <= set("biuf"):
        return None
    return np.concatenate([cell.reshape(1) for cell in cells])


def _is_vector(cell: Any) -> bool:
    return isinstance(cell, np.ndarray) and cell.dtype.kind in "biuf" and cell.size == max(cell.shape, default=0)


def _read_classic(path: Path) -> dict[str, Value]:
    """Variables of a file of version 4 to 7."""
    import scipy.io

    with foreign(path, NOUN), warnings.catch_warnings():
        # Two variables of one name; the library warns, and takes the later.
        warnings.simplefilter("error")
        refuse_larger(path, _unpacked(path), MAX_RATIO, MAX_EXTRA, "its variables")
        # MATLAB packs numbers into small integers where they fit; their class says what they are.
        found = scipy.io.loadmat(path, struct_as_record=True, squeeze_me=False, mat_dtype=True, appendmat=False)
        return {name: _value(value) for name, value in found.items() if not name.startswith("__")}


def _value(value: Any, depth: int = 0) -> Value:
    """Turn what scipy loads into a `Value`."""
    from scipy.io import matlab
    from scipy.sparse import issparse

    if depth > 2 * MAX_DEPTH:
        return Refused("it is nested too deep")
    if issparse(value):
        return Refused("it is a sparse matrix; store full(...)")
    if isinstance(value, matlab.MatlabFunction | matlab.MatlabObject | matlab.MatlabOpaque):
        return Refused("it is an object, a table or a function handle of MATLAB; store its columns as vectors")
    array = np.asarray(value)
    if array.dtype.names is not None:
        elements = [
            {field: _value(element[field], depth + 1) for field in array.dtype.names}
            for element in array.reshape(-1, order="F")
        ]
        return elements[0] if len(elements) == 1 else elements
    if array.dtype.kind == "O":
        return [_value(element, depth + 1) for element in array.reshape(-1, order="F")]
    return array


def _unpacked(path: Path) -> int:
    """Bytes of a version 5 file after decompression, counted as far as the limit without keeping them."""
    size = path.stat().st_size
    limit = MAX_RATIO * size + MAX_EXTRA
    total = 0
    with path.open("rb") as stream:
        head = stream.read(_HEADER)
        if not head.startswith(_TEXT):
            return size
        order = "little" if head[126:128] == b"IM" else "big"
        while len(tag := stream.read(8)) == 8 and total <= limit:
            kind, length = (int.from_bytes(tag[n : n + 4], order) for n in (0, 4))
            if kind == _COMPRESSED:
                total += _inflated(stream.read(min(length, size)), limit)
            else:
                total += length
                stream.seek(length, 1)
    return total


def _inflated(packed: bytes, limit: int) -> int:
    stream, total = zlib.decompressobj(), 0
    while packed and total <= limit and not stream.eof:
        total += len(stream.decompress(packed, _CHUNK))
        packed = stream.unconsumed_tail
    return total


def _is_73(head: bytes) -> bool:
    return head.startswith(_V73) and head.startswith(SIGNATURE, 512)


def _is_matlab4(head: bytes) -> bool:
    """Version 4 has no signature; five integers and a name must make sense together."""
    for order in ("little", "big"):
        kind, rows, columns, imaginary, length = (
            int.from_bytes(head[n : n + 4], order) for n in range(0, 20, 4)
        )
        machine, zero, precision, form = kind // 1000, kind // 100 % 10, kind // 10 % 10, kind % 10
        name = head[20 : 20 + length]
        if (
            len(head) > 20
            and machine == (0 if order == "little" else 1)
            and zero == 0
            and precision <= 5
            and form <= 2
            and imaginary <= 1
            and 2 <= length <= 64
            and max(rows, columns) < 1 << 31
            and name.endswith(b"\x00")
            and name[:-1].decode("latin-1").isidentifier()
        ):
            return True
    return False


def _is_matlab(path: Path, head: bytes) -> bool:
    if head.startswith(_TEXT):
        return _is_73(head) or head[126:128] in (b"IM", b"MI")
    return _is_matlab4(head)


READER = Reader("matlab", "MATLAB files of version 4 to 7.3", _is_matlab, open_matlab)
