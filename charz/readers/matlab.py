"""MATLAB files: variables, the fields of structs and the cells of cell arrays as columns; v4 to v7 here."""

import warnings
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import MAX_DEPTH, tables_of_arrays
from charz.readers.containers import printable, refuse_larger
from charz.readers.contract import Reader, Table
from charz.readers.guard import foreign
from charz.readers.hdf5 import SIGNATURE
from charz.readers.matlab_hdf5 import read_matlab73
from charz.readers.matlab_values import DEEP, OBJECT, SPARSE, Refused, Value, flattened

NOUN = "a MATLAB file"
MAX_RATIO = 100
MAX_EXTRA = 400_000_000
_HEADER = 128
_COMPRESSED = 15
_CHUNK = 1 << 20
_TEXT = b"MATLAB "
_V73 = b"MATLAB 7.3 MAT-file"


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
    with path.open("rb") as stream:
        head = stream.read(1024)
    variables, remarks = (read_matlab73(path), []) if _is_73(head) else _read_classic(path)
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in variables.items():
        for key, part in flattened(name, value):
            if isinstance(part, Refused):
                remarks.append(f"variable {key!r} is left out: {part.reason}")
            else:
                arrays[key] = part
    if not arrays and remarks:
        raise ReadError(f"{path}: nothing in it can be read as a column: {'; '.join(remarks[:3])}")
    return tables_of_arrays(path, arrays, remarks=remarks, dialect={"format": "MATLAB"})


def _read_classic(path: Path) -> tuple[dict[str, Value], list[str]]:
    """Variables of a file of version 4 to 7, and what scipy warned of while it read them."""
    import scipy.io

    with foreign(path, NOUN), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        refuse_larger(path, _unpacked(path), MAX_RATIO, MAX_EXTRA, "its variables")
        # Not mat_dtype: it would drop the imaginary part of complex numbers, with a warning.
        found = scipy.io.loadmat(path, struct_as_record=True, squeeze_me=False, appendmat=False)
        values = {name: _value(value) for name, value in found.items() if not name.startswith("__")}
    return values, [printable(" ".join(str(one.message).split())) for one in warned]


def _value(value: Any, depth: int = 0) -> Value:
    """Turn what scipy loads into a `Value`."""
    from scipy.io import matlab
    from scipy.sparse import issparse

    if depth > 2 * MAX_DEPTH:
        return Refused(DEEP)
    if issparse(value):
        return Refused(SPARSE)
    if isinstance(value, matlab.MatlabFunction | matlab.MatlabObject | matlab.MatlabOpaque):
        return Refused(OBJECT)
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
        order: Literal["little", "big"] = "little" if head[126:128] == b"IM" else "big"
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
