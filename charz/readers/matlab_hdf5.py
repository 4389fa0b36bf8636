"""MATLAB files of version 7.3, which are HDF5: axes in reverse order, characters as integers, cells as references."""

from pathlib import Path
from typing import Any

import numpy as np

from charz.readers import hdf5_probe
from charz.readers.arrays import MAX_DEPTH
from charz.readers.containers import printable, refuse_larger
from charz.readers.hdf5 import MAX_EXTRA, MAX_RATIO, opened
from charz.readers.matlab_values import DEEP, MAX_CELLS, OBJECT, SPARSE, Refused, Value, strings

# Where MATLAB keeps the cells that references lead to, and its objects.
_OWN = ("#refs#", "#subsystem#")
_NUMERIC = (
    "double",
    "single",
    "logical",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)


def read_matlab73(path: Path) -> dict[str, Value]:
    """Read the variables of a file of version 7.3.

    Raises
    ------
    ReadError
        When the file is damaged, or would take far more memory than its size.
    """
    with opened(path) as file:
        names = [
            name for name in hdf5_probe.hard_links(file) if name not in _OWN and not name.startswith("__")
        ]
        budget = _Budget(path)
        return {name: _value(file, file[name], budget, 0) for name in names}


class _Budget:
    """Counts what has been read; references may lead to one array again and again."""

    def __init__(self, path: Path) -> None:
        self.path, self.size, self.cells = path, 0, 0

    def spend(self, dataset: Any) -> None:
        self.size += hdf5_probe.num_bytes(dataset)
        refuse_larger(self.path, self.size, MAX_RATIO, MAX_EXTRA, "its variables")


def _value(file: Any, item: Any, budget: _Budget, depth: int) -> Value:
    import h5py

    if depth > 2 * MAX_DEPTH:
        return Refused(DEEP)
    if "MATLAB_sparse" in item.attrs:
        return Refused(SPARSE)
    kind = printable(item.attrs.get("MATLAB_class", b""))
    if isinstance(item, h5py.Group):
        if kind not in ("struct", ""):
            return Refused(OBJECT)
        return _struct(file, item, budget, depth)
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        return Refused("it is no array")
    if reason := hdf5_probe.elsewhere(item):
        return Refused(reason)
    budget.spend(item)
    if "MATLAB_empty" in item.attrs:
        return Refused("it is empty")
    if kind == "cell" or (not kind and item.dtype == h5py.ref_dtype):
        return _cells(file, item, budget, depth)
    if kind == "char":
        return _characters(item)
    if kind not in (*_NUMERIC, ""):
        return Refused(OBJECT)
    array = np.asarray(item[()]).T
    return array.astype(bool) if kind == "logical" and array.dtype.kind in "iu" else array


def _struct(file: Any, group: Any, budget: _Budget, depth: int) -> Value:
    """A struct; where its fields hold references without a class, a struct array."""
    import h5py

    members = {name: group[name] for name in hdf5_probe.hard_links(group)}
    many = [
        isinstance(member, h5py.Dataset)
        and member.dtype == h5py.ref_dtype
        and "MATLAB_class" not in member.attrs
        for member in members.values()
    ]
    values = {name: _value(file, member, budget, depth + 1) for name, member in members.items()}
    if not values or not all(many):
        return values
    lists = [value for value in values.values() if isinstance(value, list)]
    if len(lists) < len(values) or len({len(value) for value in lists}) > 1:
        return Refused("the fields of the struct array have different lengths; the file is damaged")
    return [dict(zip(values, row, strict=True)) for row in zip(*lists, strict=True)]


def _cells(file: Any, dataset: Any, budget: _Budget, depth: int) -> Value:
    """What the references lead to, in MATLAB's order, which is that of the file."""
    references = np.asarray(dataset[()]).reshape(-1)
    budget.cells += references.size
    if budget.cells > MAX_CELLS:
        return Refused(f"the file has more than {MAX_CELLS} cells; store columns as vectors")
    return [
        _value(file, file[one], budget, depth + 1) if one else Refused("a cell leads nowhere")
        for one in references
    ]


def _characters(dataset: Any) -> Value:
    """Rows of a matrix of characters, as strings; numbers are UTF-16 code units."""
    codes = np.asarray(dataset[()])
    if codes.dtype.kind not in "iu" or codes.ndim > 2:
        return Refused("its characters are not stored as integers")
    return strings(codes.T)
