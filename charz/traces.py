"""Rows in the order of a file to padded arrays by device, cycle and position."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import ReadError, SchemaError
from charz.kinds import Kind
from charz.rows import Rows
from charz.trials import MAX_COUNT

# A cell of a padded array costs 8 bytes a variable; one long device among many short ones is a mistake in `device`.
MAX_PADDED = 50


def to_traces(kind: Kind, rows: Rows) -> xr.Dataset:
    """Arrange rows along the dims of their kind.

    The last dim counts the rows of one device (and cycle) in the order of the file; shorter traces are padded
    with NaN, or 0 for integers. Without a ``cycle`` column all rows of a device are one cycle; in
    ``ramp_switching`` every row is a cycle.

    Parameters
    ----------
    kind : Kind
        Any whose first dim is ``device``, but ``pulse_switching``.
    rows : Rows

    Raises
    ------
    ReadError
        When padding would need many times the memory of the data.
    SchemaError
        When a value that belongs to the device or cycle changes within it.
    """
    axes, sizes, coords = _axes(kind, rows)
    variables = {}
    for name, values in rows.values.items():
        variable = kind.variable(name)
        dims = variable.dims if variable else kind.dims
        if variable is None and name in rows.constant:
            dims = constant_dims(kind, values, axes)
        if variable is not None and variable.values == "integer":
            _refuse_odd(rows, name, values)
        chosen = [kind.dims.index(dim) for dim in dims]
        table = _spread(values, [axes[n] for n in chosen], [sizes[n] for n in chosen])
        if dims != kind.dims:
            _refuse_changing(rows, name, values, table, [axes[n] for n in chosen], dims)
        if variable is not None and variable.values == "integer":
            table = np.nan_to_num(table).astype(np.int64)
        attrs = {"units": rows.units[name], "long_name": variable.long_name if variable else name}
        variables[name] = (dims, table, attrs)
    return xr.Dataset(variables, coords=coords)


Axes = list[NDArray[np.intp]]
Coords = dict[str, tuple[str, NDArray[np.generic], dict[str, str]]]


def _axes(kind: Kind, rows: Rows) -> tuple[Axes, list[int], Coords]:
    """Index of each row along every dim, sizes of the dims, and coordinates."""
    axes: Axes = [rows.device]
    sizes = [len(rows.names)]
    coords: Coords = {"device": ("device", np.asarray(rows.names), {"long_name": "device"})}
    if "cycle" in kind.dims and ("cycle" in rows.labels or len(kind.dims) == 3):
        cycles, cycle = np.zeros(1), np.broadcast_to(np.intp(0), rows.num_rows)
        if "cycle" in rows.labels:
            cycles, cycle = np.unique(rows.labels["cycle"], return_inverse=True)
        axes.append(cycle.reshape(-1))
        sizes.append(cycles.size)
        coords["cycle"] = ("cycle", _whole(cycles), {"long_name": "cycle"})
    if len(axes) < len(kind.dims):
        single = all(size == 1 for size in sizes)
        # One record needs no index: its rows are its positions.
        axes.append(np.empty(0, dtype=np.intp) if single else _count_within(axes, sizes))
        sizes.append(rows.num_rows if single else int(axes[-1].max()) + 1)
        _refuse_padding(kind, rows, sizes)
    else:
        _refuse_repeated(kind, rows, axes, sizes)
    return axes, sizes, coords


def constant_dims(kind: Kind, values: NDArray[np.float64], axes: Axes) -> tuple[str, ...]:
    """Dims of a value that a file has but once: (device,), or (device, cycle) where it differs between cycles."""
    table = np.full(int(axes[0].max()) + 1, np.nan)
    table[axes[0]] = values
    same = (table[axes[0]] == values).all()
    return kind.dims[:1] if same or "cycle" not in kind.dims else kind.dims[:2]


def _spread(values: NDArray[np.float64], axes: Axes, sizes: list[int]) -> NDArray[np.float64]:
    if values.size == np.prod(sizes) and all(size == 1 for size in sizes[:-1]):
        return values.reshape(sizes)
    table = np.full(sizes, np.nan)
    table[tuple(axes)] = values
    return table


def _refuse_changing(
    rows: Rows,
    name: str,
    values: NDArray[np.float64],
    table: NDArray[np.float64],
    axes: Axes,
    dims: tuple[str, ...],
) -> None:
    changed = (table[tuple(axes)] != values) & ~np.isnan(values)
    if changed.any():
        row = int(np.argmax(changed))
        raise SchemaError(
            f"{rows.place(row)}: {name} = {values[row]:g} differs from another row of the same "
            f"{' and '.join(dims)}; it must be one value there"
        )


def _refuse_odd(rows: Rows, name: str, values: NDArray[np.float64]) -> None:
    odd = ~(np.abs(values) <= MAX_COUNT) | (values != np.round(values))
    if odd.any():
        row = int(np.argmax(odd))
        raise SchemaError(f"{rows.place(row)}: {name} = {values[row]:g}; it must be a whole number")


def _whole(values: NDArray[np.float64]) -> NDArray[np.generic]:
    if (np.abs(values) <= MAX_COUNT).all() and (values == np.round(values)).all():
        return values.astype(np.int64)
    return values


def _count_within(axes: Axes, sizes: list[int]) -> NDArray[np.intp]:
    """Position of each row among the rows of its own device (and cycle), in the order of the file."""
    group = np.ravel_multi_index(tuple(axes), tuple(sizes))
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.searchsorted(ordered, ordered)
    count = np.empty_like(group)
    count[order] = np.arange(group.size) - starts
    return count


def _refuse_padding(kind: Kind, rows: Rows, sizes: list[int]) -> None:
    cells = float(np.prod([float(size) for size in sizes]))
    if cells > 1e6 and cells > MAX_PADDED * rows.num_rows:
        raise ReadError(
            f"{rows.files[0]}: {rows.num_rows} rows would be padded to {cells:.3g} cells ({', '.join(kind.dims)} = "
            f"{', '.join(map(str, sizes))}); check which column is the device and the cycle"
        )


def _refuse_repeated(kind: Kind, rows: Rows, axes: Axes, sizes: list[int]) -> None:
    _refuse_padding(kind, rows, sizes)
    cell = np.ravel_multi_index(tuple(axes), tuple(sizes))
    _, first, counts = np.unique(cell, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = int(np.flatnonzero(cell == cell[first[np.argmax(counts > 1)]])[1])
        raise SchemaError(
            f"{rows.place(row)}: a second row for the same {' and '.join(kind.dims)}; {kind.name} has one "
            "row each"
        )
