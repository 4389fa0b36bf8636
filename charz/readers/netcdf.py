"""netCDF of any origin (QCoDeS exports): variables of the same dimensions are a table in long form."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import Stored, tables_of_arrays
from charz.readers.contract import Reader, Table
from charz.readers.hdf5 import SIGNATURE, UNIT_NAMES, lines_of, unit_of
from charz.readers.netcdf_variables import Contents, Variable, read_netcdf3, read_netcdf4

# What only netCDF writes into an HDF5 file; one of them stands near its beginning or end.
_MARKS = (b"_NCProperties", b"_Netcdf4Dimid", b"This is a netCDF dimension")
_CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_SINCE = " since "
SEARCHED = 1 << 20


class _Space(NamedTuple):
    """What a table in long form is spanned by."""

    group: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        dims = " x ".join(dim.rpartition("/")[2] for dim in self.dims)
        return f"{self.group}/{dims}" if self.group else dims


def open_netcdf(path: Path) -> list[Table]:
    """Read a netCDF file.

    Variables with the same dimensions share a table, called after them (``dac_ch1 x dac_ch2``): a row an
    element, in C order, the coordinates repeated in front. A dimension without coordinate counts from 0.
    ``_FillValue`` and ``missing_value`` are NaN, packed integers are unpacked, times stay numbers.

    Raises
    ------
    ReadError
        When the file is damaged, of the CDF-5 kind, or no variable can be a column.
    """
    with path.open("rb") as stream:
        head = stream.read(len(SIGNATURE))
    if head.startswith(b"CDF\x05"):
        raise ReadError(
            f"{path}: netCDF of the kind CDF-5, which is not read; convert it with nccopy -k netCDF-4 IN OUT"
        )
    contents = read_netcdf3(path) if head.startswith(b"CDF") else read_netcdf4(path)
    if not contents.variables:
        reason = contents.remarks[0] if contents.remarks else "it has none"
        raise ReadError(f"{path}: no variable can be read: {reason}")
    return _tables(path, contents)


def _tables(path: Path, contents: Contents) -> list[Table]:
    metadata = [*contents.metadata, *(line for one in contents.variables for line in _described(one))]
    attrs = {"metadata": metadata} if metadata else {}
    scalars = [variable for variable in contents.variables if not variable.dims]
    alone = _Space("", (), ())
    tables: list[Table] = []
    reasons: list[str] = []
    for space, members in (_spaces(contents.variables) or {alone: []}).items():
        arrays, remarks = _long_form(space, members)
        arrays |= {variable.key: variable.stored for variable in scalars if variable.key not in arrays}
        named = {_column(one, space): one for one in members} | {one.key: one for one in scalars}
        units = {name: unit for name, one in named.items() if (unit := _unit(one))}
        said = (*contents.remarks, *remarks)
        try:
            tables += tables_of_arrays(
                path, arrays, units, attrs, space.name, remarks=said, dialect={"format": contents.form}
            )
        except ReadError as error:
            reasons.append(str(error))
    if not tables:
        raise ReadError(reasons[0])
    return tables


def _spaces(variables: Sequence[Variable]) -> dict[_Space, list[Variable]]:
    """The tables: data variables by their dimensions, behind the coordinates that lie along these."""
    auxiliary = {key for variable in variables for key in variable.listed}
    places = {one.key: one for one in variables if one.dims and (one.is_coordinate or one.key in auxiliary)}
    data: dict[_Space, list[Variable]] = {}
    for variable in variables:
        if variable.dims and variable.key not in places:
            space = _Space(variable.group, variable.dims, variable.stored.shape)
            data.setdefault(space, []).append(variable)
    spaces: dict[_Space, list[Variable]] = {}
    used: set[str] = set()
    for space, members in data.items():
        wanted = dict.fromkeys((*space.dims, *(key for one in members for key in one.listed)))
        along = [places[key] for key in wanted if key in places and _lies_along(places[key], space)]
        used.update(variable.key for variable in along)
        spaces[space] = [*along, *members]
    # A coordinate of nothing is data itself.
    for variable in places.values():
        if variable.key not in used:
            space = _Space(variable.group, variable.dims, variable.stored.shape)
            spaces.setdefault(space, []).append(variable)
    return spaces


def _lies_along(coordinate: Variable, space: _Space) -> bool:
    """Whether a coordinate says where the elements lie: same dimensions, same lengths, each dimension once."""
    lengths = dict(zip(space.dims, space.shape, strict=True))
    own = zip(coordinate.dims, coordinate.stored.shape, strict=True)
    return len(lengths) == len(space.dims) and all(lengths.get(dim) == length for dim, length in own)


def _long_form(space: _Space, members: Sequence[Variable]) -> tuple[dict[str, Stored], list[str]]:
    """Columns of one table, each of shape (number of elements,), and remarks."""
    arrays: dict[str, Stored] = {}
    remarks = []
    known = {variable.key for variable in members}
    for axis, dim in enumerate(space.dims if len(space.dims) > 1 else ()):
        if dim not in known:
            called = dim.rpartition("/")[2]
            column = called if space.dims.count(dim) == 1 else f"{called}[{axis}]"
            arrays[column] = _counted(axis, space.shape)
            remarks.append(
                f"dimension {called!r} has no coordinate that fits; the column {column!r} counts from 0"
            )
    for variable in members:
        whole = variable.dims == space.dims
        axes = tuple(space.dims.index(dim) for dim in variable.dims)
        stored = _raveled(variable.stored) if whole else _repeated(variable.stored, axes, space.shape)
        arrays[_column(variable, space)] = stored
    return arrays, remarks


def _raveled(array: Stored) -> Stored:
    """Elements in C order, of which only the slices that are wanted are read."""
    inner = max(1, math.prod(array.shape[1:]))

    def read(start: int, stop: int) -> NDArray[Any]:
        first, last = start // inner, -(-stop // inner)
        return np.asarray(array.read(first, last)).reshape(-1)[start - first * inner : stop - first * inner]

    return Stored((math.prod(array.shape),), array.dtype, read)


def _repeated(array: Stored, axes: tuple[int, ...], shape: tuple[int, ...]) -> Stored:
    """Elements of a coordinate along `axes`, repeated over the other axes of `shape`, in C order."""

    def read(start: int, stop: int) -> NDArray[Any]:
        values = np.asarray(array.read(0, array.shape[0]))
        return values[tuple(_positions(axis, shape, start, stop) for axis in axes)]

    return Stored((math.prod(shape),), array.dtype, read)


def _counted(axis: int, shape: tuple[int, ...]) -> Stored:
    return Stored(
        (math.prod(shape),), np.dtype(np.int64), lambda start, stop: _positions(axis, shape, start, stop)
    )


def _positions(axis: int, shape: tuple[int, ...], start: int, stop: int) -> NDArray[np.int64]:
    """Index along one axis of the elements start..stop in C order."""
    return (np.arange(start, stop) // math.prod(shape[axis + 1 :])) % shape[axis]


def _column(variable: Variable, space: _Space) -> str:
    return variable.name if variable.group == space.group else variable.key


def _unit(variable: Variable) -> str | None:
    """Unit of a variable; that of ``seconds since 2026-01-01`` is the second, its origin stays in the metadata."""
    unit = unit_of(variable.attrs)
    return unit.partition(_SINCE)[0].strip() if unit else None


def _described(variable: Variable) -> list[str]:
    """Attributes as lines, the unit only where it says more than a unit."""
    stated = unit_of(variable.attrs)
    dated = stated is not None and _SINCE in stated
    return lines_of(variable.key, variable.attrs, skip=lambda name: name in UNIT_NAMES and not dated)


def _is_netcdf(path: Path, head: bytes) -> bool:
    if head.startswith(_CLASSIC):
        return True
    if not head.startswith(SIGNATURE):
        return False
    try:
        with path.open("rb") as stream:
            begin = stream.read(SEARCHED)
            stream.seek(max(0, path.stat().st_size - SEARCHED))
            found = begin + stream.read(SEARCHED)
    except OSError:
        return False
    return any(mark in found for mark in _MARKS)


READER = Reader("netcdf", "netCDF-3 and -4, also those of QCoDeS", _is_netcdf, open_netcdf)
