"""MATLAB files: variables, the fields of structs and the cells of cell arrays as columns."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import tables_of_arrays
from charz.readers.contract import Reader, Table
from charz.readers.hdf5 import SIGNATURE
from charz.readers.matlab_classic import read_classic
from charz.readers.matlab_hdf5 import read_matlab73
from charz.readers.matlab_values import Refused, flattened

_TEXT = b"MATLAB "


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
    variables = read_matlab73(path) if _is_73(head) else read_classic(path)
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


def _is_73(head: bytes) -> bool:
    return head.startswith(_TEXT) and head.startswith(SIGNATURE, 512)


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
