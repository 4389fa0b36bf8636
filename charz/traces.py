"""Rows in the order of a file to padded arrays by device, cycle and position."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import ReadError, SchemaError
from charz.kinds import Kind
from charz.trials import MAX_COUNT, Rows


def to_traces(kind: Kind, rows: Rows, labels: Mapping[str, NDArray[np.float64]]) -> xr.Dataset:
    """Arrange rows along the dims of their kind.

    The last dim counts the rows of one device (and cycle) in the order of the file; shorter traces are padded
    with NaN, or 0 for integers. Without a ``cycle`` column all rows of a device are one cycle; in
    ``ramp_switching`` every row is a cycle.

    Parameters
    ----------
    kind : Kind
        Any but ``pulse_switching``.
    rows : Rows
    labels : mapping of str to array
        The column ``cycle`` where there is one.

    Raises
    ------
    ReadError
        When the kind needs a description that columns alone cannot give.
    SchemaError
        When a value that belongs to the device or cycle changes within it.
    """
    if kind.dims[0] != "device":
        raise ReadError(
            f"{kind.name} has one column an electrode; this version does not read it from a table yet: "
            "build the "
            f"Dataset with dims {kind.dims} and save it with charz.save"
        )
    names, first_seen = np.unique(rows.device, return_index=True)
    names = names[np.argsort(first_seen)]
    position = {str(name): index for index, name in enumerate(names)}
    axes = [np.asarray([position[str(name)] for name in rows.device], dtype=np.intp)]
    coords: dict[str, tuple[str, NDArray[np.generic], dict[str, str]]] = {
        "device": ("device", names, {"long_name": "device"})
    }
    sizes = [names.size]
    if "cycle" in kind.dims and ("cycle" in labels or len(kind.dims) == 3):
        cycles, cycle = np.unique(labels.get("cycle", np.zeros(rows.line.size)), return_inverse=True)
        axes.append(cycle.reshape(-1))
        sizes.append(cycles.size)
        coords["cycle"] = ("cycle", _whole(cycles), {"long_name": "cycle"})
    if len(axes) < len(kind.dims):
        axes.append(_count_within(axes, sizes))
        sizes.append(int(axes[-1].max()) + 1)
    _refuse_repeated(kind, rows, axes, sizes)
    variables = {}
    for name, values in rows.values.items():
        variable = kind.variable(name)
        dims = variable.dims if variable else kind.dims
        integer = variable is not None and variable.values == "integer"
        chosen = tuple(axes[kind.dims.index(dim)] for dim in dims)
        shape = tuple(sizes[kind.dims.index(dim)] for dim in dims)
        table = np.full(shape, 0 if integer else np.nan, dtype=np.int64 if integer else np.float64)
        odd = ~(np.abs(values) <= MAX_COUNT) | (values != np.round(values))
        if integer and odd.any():
            row = int(np.argmax(odd))
            raise SchemaError(f"{rows.place(row)}: {name} = {values[row]:g}; it must be a whole number")
        table[chosen] = values
        changed = table[chosen] != values
        if changed.any():
            row = int(np.argmax(changed))
            raise SchemaError(
                f"{rows.place(row)}: {name} = {values[row]:g} differs from another row of the same "
                f"{' and '.join(dims)}; it must be one value there"
            )
        attrs = {"units": rows.units[name], "long_name": variable.long_name if variable else name}
        variables[name] = (dims, table, attrs)
    return xr.Dataset(variables, coords=coords)


def _whole(values: NDArray[np.float64]) -> NDArray[np.generic]:
    if (np.abs(values) <= MAX_COUNT).all() and (values == np.round(values)).all():
        return values.astype(np.int64)
    return values


def _count_within(axes: list[NDArray[np.intp]], sizes: list[int]) -> NDArray[np.intp]:
    """Position of each row among the rows of its own device (and cycle), in the order of the file."""
    group = np.ravel_multi_index(tuple(axes), tuple(sizes))
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.searchsorted(ordered, ordered)
    count = np.empty_like(group)
    count[order] = np.arange(group.size) - starts
    return count


def _refuse_repeated(kind: Kind, rows: Rows, axes: list[NDArray[np.intp]], sizes: list[int]) -> None:
    cell = np.ravel_multi_index(tuple(axes), tuple(sizes))
    _, first, counts = np.unique(cell, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = int(np.flatnonzero(cell == cell[first[np.argmax(counts > 1)]])[1])
        raise SchemaError(
            f"{rows.place(row)}: a second row for the same {' and '.join(kind.dims)}; {kind.name} has one "
            "row each"
        )
