"""netCDF of any origin (QCoDeS exports): variables of the same dimensions are a table in long form."""

import math
from collections.abc import Mapping, Sequence
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
    tables: list[Table] = []
    reasons: list[str] = []
    for space, members in _spaces(contents.variables).items() or {_Space("", (), ()): []}.items():
        arrays, remarks = _long_form(space, members)
        arrays.update({variable.key: variable.stored for variable in scalars})
        units = {name: unit for one in (*members, *scalars) if (unit := _unit(one)) for name in _names(one, space)}
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
    data: dict[_Space, list[Variable]] = {}
    for variable in variables:
        if variable.dims and not variable.is_coordinate and variable.key not in auxiliary:
            space = _Space(variable.group, variable.dims, variable.stored.shape)
            data.setdefault(space, []).append(variable)
    places = {v.key: v for v in variables if v.dims and (v.is_coordinate or v.key in auxiliary)}
    spaces, used = {}, set()
    for space, members in data.items():
        wanted = dict.fromkeys((*space.dims, *(key for one in members for key in one.listed)))
        along = [places[key] for key in wanted if key in places and set(places[key].dims) <= set(space.dims)]
        used.update(variable.key for variable in along)
        spaces[space] = [*along, *members]
    # A coordinate of nothing is data itself.
    for variable in places.values():
        if variable.key not in used:
            space = _Space(variable.group, variable.dims, variable.stored.shape)
            spaces.setdefault(space, []).append(variable)
    return spaces


def _long_form(space: _Space, members: Sequence[Variable]) -> tuple[dict[str, Stored], list[str]]:
    """Columns of one table, each of shape (number of elements,)."""
    arrays: dict[str, Stored] = {}
    remarks = []
    known = {variable.key for variable in members}
    if len(space.dims) > 1:
        for axis, dim in enumerate(space.dims):
            if dim not in known:
                called = dim.rpartition("/")[2]
                arrays[called] = _repeated(Stored((), np.dtype(np.int64), _no_read), (axis,), space.shape)
                remarks.append(f"dimension {called!r} has no coordinate; its column counts from 0")
    for variable in members:
        axes = tuple(space.dims.index(dim) for dim in variable.dims)
        whole = axes == tuple(range(len(space.dims))) and variable.stored.shape == space.shape
        stored = _raveled(variable.stored) if whole else _repeated(variable.stored, axes, space.shape)
        arrays[_names(variable, space)[0]] = stored
    return arrays, remarks
