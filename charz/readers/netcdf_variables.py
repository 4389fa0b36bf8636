"""Variables of netCDF-3 and netCDF-4 files in one form: dimensions by name, values decoded where they lie."""

import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.readers import hdf5_probe
from charz.readers.arrays import Stored, floats
from charz.readers.containers import printable, refuse_larger
from charz.readers.guard import foreign
from charz.readers.hdf5 import MAX_EXTRA, MAX_RATIO, lines_of, opened, stored_dataset

_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"


@dataclass(frozen=True)
class Variable:
    """One variable.

    Parameters
    ----------
    group, name : str
        Path of its group (the root is empty), and its name there.
    dims : tuple of str
        Dimensions, each with the path of its group.
    attrs : mapping
    stored : Stored
        Decoded: ``_FillValue`` and ``missing_value`` are NaN, packed integers unpacked, characters joined.
    """

    group: str
    name: str
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]
    stored: Stored

    @property
    def key(self) -> str:
        """Name with the path of its group."""
        return _joined(self.group, self.name)

    @property
    def is_coordinate(self) -> bool:
        """Whether it gives the places along the dimension of its own name."""
        return self.dims == (self.key,)

    @property
    def listed(self) -> list[str]:
        """Keys of the variables that its attribute ``coordinates`` names."""
        names = printable(self.attrs["coordinates"]).split() if "coordinates" in self.attrs else []
        return [_joined(self.group, name) for name in names]


@dataclass
class Contents:
    """What a file holds: variables, attributes of its groups as lines, and what was left out."""

    form: str
    variables: list[Variable] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_netcdf3(path: Path) -> Contents:
    """Read a classic file; its values are copied, so the memory is that of the file.

    Raises
    ------
    ReadError
        When it is damaged.
    """
    from scipy.io import netcdf_file

    contents = Contents("netCDF-3")
    # A mapped file hands out what is there, where a stream would first allocate what the header promises.
    with (
        foreign(path, "a netCDF-3 file"),
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        file = netcdf_file(mapped, "r", mmap=False)
        contents.metadata += [f"{printable(k)}: {printable(v)}" for k, v in file._attributes.items()]
        for name, variable in file.variables.items():
            array = np.asarray(variable.data)
            rows = Stored(array.shape, array.dtype, _slices(array))
            _add(contents, path, "", str(name), tuple(variable.dimensions), variable._attributes, rows)
    return contents


def read_netcdf4(path: Path) -> Contents:
    """Read a netCDF-4 file, which is HDF5 with named dimensions; values stay in the file.

    Raises
    ------
    ReadError
        When it is damaged, or would take far more memory than its size.
    """
    import h5py

    contents = Contents("netCDF-4")
    with opened(path) as file:
        found: list[tuple[str, str, Any]] = []
        waiting, seen = [("", file)], set()
        while waiting:
            group, item = waiting.pop(0)
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            contents.metadata += _attributes(group, item)
            for name in hdf5_probe.hard_links(item):
                if isinstance(member := item[name], h5py.Group):
                    waiting.append((_joined(group, name), member))
                elif isinstance(member, h5py.Dataset) and member.shape is not None:
                    found.append((group, name, member))
        names = _dimension_names(found)
        size = 0
        for group, name, dataset in found:
            if printable(dataset.attrs.get("NAME", b"")).startswith(_NO_VARIABLE):
                continue
            if reason := hdf5_probe.elsewhere(dataset):
                contents.remarks.append(f"variable {_joined(group, name)!r} is left out: {reason}")
                continue
            size += hdf5_probe.num_bytes(dataset)
            attrs = {key: dataset.attrs[key] for key in dataset.attrs}
            _add(contents, path, group, name, _dims(dataset, names), attrs, stored_dataset(path, dataset))
        refuse_larger(path, size, MAX_RATIO, MAX_EXTRA, "its variables")
    return contents


def _add(
    contents: Contents,
    path: Path,
    group: str,
    name: str,
    dims: tuple[str, ...],
    attrs: Mapping[str, Any],
    rows: Stored,
) -> None:
    # What netCDF-4 calls a variable with the name of a dimension that it does not lie along.
    name = name.removeprefix("_nc4_non_coord_")
    if rows.dtype == np.dtype("S1") and rows.shape and rows.shape[-1]:
        rows, dims = _joined_characters(rows), dims[:-1]
    stored, remark = _decoded(rows, attrs, f"{path}, variable {_joined(group, name)!r}")
    if remark:
        contents.remarks.append(f"variable {_joined(group, name)!r} {remark}")
    contents.variables.append(Variable(group, name, dims, attrs, stored))


def _decoded(rows: Stored, attrs: Mapping[str, Any], place: str) -> tuple[Stored, str]:
    """Missing values to NaN and packed integers to what they stand for, as the conventions say."""
    if rows.dtype.kind not in "iuf":
        return rows, ""
    absent = [_flat(attrs[key]) for key in ("_FillValue", "missing_value") if key in attrs]
    scale, offset = (float(_flat(attrs.get(key, start))[0]) for key, start in _PACKING)
    unsigned = printable(attrs.get("_Unsigned", "")).lower() == "true" and rows.dtype.kind == "i"
    if not absent and (scale, offset) == (1.0, 0.0) and not unsigned:
        return rows, ""

    def read(start: int, stop: int) -> NDArray[np.float64]:
        raw = np.asarray(rows.read(start, stop))
        missing = np.zeros(raw.shape, dtype=bool)
        for values in absent:
            missing |= np.isin(raw, values)
        if unsigned:
            raw = raw.view(raw.dtype.str.replace("i", "u"))
        numbers = floats(np.where(missing, 0, raw).reshape(-1), place).reshape(raw.shape) * scale + offset
        return np.where(missing, np.nan, numbers)

    remark = "" if (scale, offset) == (1.0, 0.0) else f"is unpacked: {scale!r} * stored + {offset!r}"
    return Stored(rows.shape, np.dtype(np.float64), read), remark


_PACKING = (("scale_factor", 1.0), ("add_offset", 0.0))


def _flat(value: Any) -> NDArray[Any]:
    return np.asarray(value).reshape(-1)


def _joined_characters(rows: Stored) -> Stored:
    """Strings of an array of characters, along its last axis."""
    length = rows.shape[-1]

    def read(start: int, stop: int) -> NDArray[Any]:
        letters = rows.read(start, stop) if len(rows.shape) > 1 else rows.read(0, length)
        strings = np.ascontiguousarray(letters).view(f"S{length}")
        return strings.reshape(np.shape(letters)[:-1])

    return Stored(rows.shape[:-1], np.dtype(f"S{length}"), read)


def _slices(array: NDArray[Any]) -> Callable[[int, int], NDArray[Any]]:
    return lambda start, stop: array[start:stop] if array.ndim else array


def _dimension_names(found: Sequence[tuple[str, str, Any]]) -> dict[Any, str]:
    """Names of the dimensions: by their number, which netCDF keeps in ``_Netcdf4Dimid``, and by HDF5 path."""
    names: dict[Any, str] = {}
    for group, name, dataset in found:
        if printable(dataset.attrs.get("CLASS", b"")) == "DIMENSION_SCALE":
            names[dataset.name] = _joined(group, name)
            if "_Netcdf4Dimid" in dataset.attrs:
                names[int(dataset.attrs["_Netcdf4Dimid"])] = _joined(group, name)
    return names


def _dims(dataset: Any, names: Mapping[Any, str]) -> tuple[str, ...]:
    """Dimensions of a variable; those of a file that names none are called by their length."""
    if dataset.name in names and dataset.ndim == 1:
        return (names[dataset.name],)
    attached = [axis[0].name if len(axis) else None for axis in dataset.dims]
    numbers = _flat(dataset.attrs.get("_Netcdf4Coordinates", ())).tolist()
    if len(numbers) == dataset.ndim and None in attached:
        attached = [names.get(number) for number in numbers]
        return tuple(name or f"axis of {n}" for name, n in zip(attached, dataset.shape, strict=True))
    return tuple(names.get(name, f"axis of {n}") for name, n in zip(attached, dataset.shape, strict=True))


def _attributes(group: str, item: Any) -> list[str]:
    if group:
        return lines_of(f"/{group}", item.attrs)
    return [line.removeprefix("@") for line in lines_of("", item.attrs)]


def _joined(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name
