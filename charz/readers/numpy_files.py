"""NumPy's own files, .npy and .npz; pickles in them are named and never opened."""

import contextlib
import math
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import Stored, tables_of_arrays
from charz.readers.containers import refuse_larger
from charz.readers.contract import Reader, Table
from charz.readers.guard import foreign

MAX_RATIO = 20
MAX_EXTRA = 400_000_000
_MAGIC = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
_WHY = "is a Python pickle and is never opened: loading one runs the code in it"


def open_numpy(path: Path) -> list[Table]:
    """Read a ``.npy`` (one array, mapped and not loaded) or a ``.npz`` (named arrays).

    Raises
    ------
    ReadError
        When the file is damaged, holds only pickles, or would unpack to more than ``MAX_RATIO`` times its
        size and ``MAX_EXTRA`` bytes.
    """
    with path.open("rb") as stream:
        magic = stream.read(len(_MAGIC))
    if magic == _MAGIC:
        return _open_npy(path)
    with foreign(path, "an npz file of NumPy"), zipfile.ZipFile(path) as archive:
        arrays, remarks = _members(path, archive)
    return tables_of_arrays(path, arrays, remarks=remarks, dialect={"format": "npz"})


def _open_npy(path: Path) -> list[Table]:
    with foreign(path, "an npy file of NumPy"), path.open("rb") as stream, _quiet():
        shape, dtype = _header(stream)
        _refuse_shape(path, shape, dtype, path.stat().st_size - stream.tell())
    if dtype.hasobject:
        raise ReadError(f"{path}: the array {_WHY}; save numbers with numpy.save, or columns as text")

    def read(start: int, stop: int) -> NDArray[Any]:
        with foreign(path, "an npy file of NumPy"), _quiet():
            return np.load(path, mmap_mode="r", allow_pickle=False)[start:stop]

    # A single value or an empty array cannot be mapped in part.
    if not shape:
        with foreign(path, "an npy file of NumPy"), _quiet():
            return tables_of_arrays(path, {"": np.load(path, allow_pickle=False).reshape(1)})
    with foreign(path, "an npy file of NumPy"), _quiet():
        # Read once more by NumPy itself, which knows how version 3 spells the names of fields.
        dtype = np.load(path, mmap_mode="r", allow_pickle=False).dtype
    return tables_of_arrays(path, {"": Stored(shape, dtype, read)}, dialect={"format": "npy"})


def _members(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Arrays of an archive, and a sentence for each member that is none."""
    members = archive.infolist()
    refuse_larger(path, sum(member.file_size for member in members), MAX_RATIO, MAX_EXTRA, "the archive")
    arrays, remarks, pickles = {}, [], []
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name == member.filename:
            remarks.append(f"member {name!r} is no array (its name does not end in .npy) and is left out")
            continue
        with foreign(f"{path}, member {name!r}", "an array of NumPy"), _quiet():
            array = _array(path, archive, member, name)
        if array is None:
            pickles.append(name)
            remarks.append(f"member {name!r} {_WHY}; save it as numbers if it is needed")
        elif name in arrays:
            raise ReadError(
                f"{path}: two members are called {name!r}; rename one, it is not clear which counts"
            )
        else:
            arrays[name] = array
    if not arrays and pickles:
        names = ", ".join(map(repr, pickles[:8]))
        raise ReadError(
            f"{path}: nothing is left to read: member {names} {_WHY}; save the arrays as numbers with numpy.savez"
        )
    return arrays, remarks


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any] | None:
    """One member; None when it is a pickle."""
    with archive.open(member) as stream:
        shape, dtype = _header(stream)
        if dtype.hasobject:
            return None
        # A shape that promises more than there is would be allocated before the first byte is read.
        _refuse_shape(f"{path}, member {name!r}", shape, dtype, member.file_size - stream.tell())
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type as an npy header states them."""
    version = np.lib.format.read_magic(stream)
    # Version 3 differs from 2 in the encoding of field names only.
    old = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def _refuse_shape(place: Path | str, shape: tuple[int, ...], dtype: np.dtype[Any], present: int) -> None:
    needed = math.prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape) or (needed > present and not dtype.hasobject):
        raise ReadError(
            f"{place}: the header promises shape {shape} of {dtype}, {needed} bytes, and {present} are there; "
            "the file is cut short or damaged, write it again"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Damaged headers make Python's parser warn about escapes; they are refused or read, not discussed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _is_numpy(path: Path, head: bytes) -> bool:
    if head.startswith(_MAGIC):
        return True
    if not head.startswith(_ZIP):
        return False
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if first.endswith(b".npy"):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except Exception:  # a damaged archive is for the reader that knows its format
        return False


READER = Reader("numpy", "NumPy array files (.npy, .npz without pickles)", _is_numpy, open_numpy)
