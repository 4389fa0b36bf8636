"""From rows (one trial, or one count, a line) to counts of switching per device and setting."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.kinds import kind_named

_KIND = kind_named("pulse_switching")
# Sums of a million such rows still fit 64-bit integers.
MAX_COUNT = 10**12


class Rows(NamedTuple):
    """Rows of one experiment in SI, all devices together.

    Parameters
    ----------
    device : array of str, shape (num_rows,)
    values : mapping of str to array of float64, shape (num_rows,)
        ``amplitude`` and whatever else was mapped.
    units : mapping of str to str
        Canonical unit of each of `values`.
    files : tuple of str
    file, line : array of int, shape (num_rows,)
        Where each row stands: index into `files`, and line number. For messages.
    """

    device: NDArray[np.str_]
    values: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, str]
    files: tuple[str, ...]
    file: NDArray[np.int64]
    line: NDArray[np.int64]

    def place(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.files[self.file[row]]}, line {self.line[row]}"


def count_trials(
    rows: Rows, num_trials: NDArray[np.float64], num_switched: NDArray[np.float64]
) -> xr.Dataset:
    r"""Sum trials over the rows of each setting.

    A setting is a distinct (amplitude, width, initial_state) of a device, as far as these are given:
    :math:`n_{ds} = \sum_{r \in (d,s)} n_r`, :math:`k_{ds} = \sum_{r \in (d,s)} k_r`. Settings are sorted, and
    devices with fewer of them are padded with amplitude NaN and no trials. Other columns become the mean over
    the rows of the setting, ``<name>_mean``.

    Parameters
    ----------
    rows : Rows
    num_trials, num_switched : array, shape (num_rows,)
        Counts of each row; one trial a row has ``num_trials`` 1.

    Returns
    -------
    xarray.Dataset
        Variables of ``pulse_switching`` with dims (device, setting), without dataset attributes.

    Raises
    ------
    SchemaError
        Naming the first row whose counts are no counts or whose amplitude is no number.
    """
    _refuse_wrong_rows(rows, num_trials, num_switched)
    keys = [name for name in ("amplitude", "width", "initial_state") if name in rows.values]
    names, device = np.unique(rows.device, return_inverse=True)
    order = np.array(sorted(range(names.size), key=lambda index: _natural(str(names[index]))), dtype=np.intp)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    device, names = rank[device], names[order]

    settings, group = np.unique(
        np.stack([device.astype(np.float64), *(rows.values[key] for key in keys)], axis=1),
        axis=0,
        return_inverse=True,
    )
    group = group.reshape(-1)
    owner = settings[:, 0].astype(np.intp)
    first_of_device = np.searchsorted(owner, np.arange(names.size))
    column = np.arange(owner.size) - first_of_device[owner]
    shape = (names.size, int(column.max()) + 1)

    def spread(values: NDArray[np.generic], fill: float) -> NDArray[np.generic]:
        table = np.full(shape, fill, dtype=values.dtype)
        table[owner, column] = values
        return table

    def add(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(group, weights=values, minlength=owner.size).astype(np.float64)

    variables: dict[str, tuple[tuple[str, ...], NDArray[np.generic], dict[str, str]]] = {}
    for position, key in enumerate(keys):
        table = spread(settings[:, 1 + position], np.nan)
        variables[key] = (_KIND.dims, table, _describe(key, rows.units[key]))
    for name, counts in (("num_trials", num_trials), ("num_switched", num_switched)):
        variables[name] = (_KIND.dims, spread(add(counts).astype(np.int64), 0), _describe(name, "1"))
    size = np.bincount(group, minlength=owner.size)
    for name, values in rows.values.items():
        if name not in keys:
            attrs = {"units": rows.units[name], "long_name": f"mean of {name} over the rows of the setting"}
            variables[f"{name}_mean"] = (_KIND.dims, spread(add(values) / size, np.nan), attrs)
    return xr.Dataset(variables, coords={"device": ("device", names, {"long_name": "device"})})


def _describe(name: str, units: str) -> dict[str, str]:
    variable = _KIND.variable(name)
    return {"units": units, "long_name": variable.long_name if variable else name}


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts wire_9 before wire_10."""
    parts, digits = [], ""
    for letter in name + " ":
        if letter.isascii() and letter.isdigit():
            digits += letter
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, letter))
    return parts


def _refuse_wrong_rows(
    rows: Rows, num_trials: NDArray[np.float64], num_switched: NDArray[np.float64]
) -> None:
    amplitude, width = rows.values["amplitude"], rows.values.get("width")
    state = rows.values.get("initial_state")
    checks = [
        ("num_trials", num_trials, num_trials != np.round(num_trials), "a whole number: it counts pulses"),
        ("num_trials", num_trials, ~(num_trials >= 0), "zero or more: it counts pulses"),
        ("num_trials", num_trials, num_trials > MAX_COUNT, f"at most {MAX_COUNT:g}, to be summed exactly"),
        (
            "num_switched",
            num_switched,
            num_switched != np.round(num_switched),
            "a whole number: it counts pulses",
        ),
        ("num_switched", num_switched, ~(num_switched >= 0), "zero or more: it counts pulses"),
        (
            "num_switched",
            num_switched,
            num_switched > num_trials,
            "at most num_trials: no more pulses can switch than were applied",
        ),
        (
            "amplitude",
            amplitude,
            ~np.isfinite(amplitude),
            "a number: a trial without its drive cannot be fitted",
        ),
    ]
    if width is not None:
        checks.append(
            ("width", width, ~(width > 0) | np.isinf(width), "above zero: it is the duration of a pulse")
        )
    if state is not None:
        checks.append(("initial_state", state, ~np.isfinite(state), "a number"))
    for name, values, wrong, valid in checks:
        if wrong.any():
            first = int(np.argmax(wrong))
            count = int(wrong.sum())
            more = f" ({count} such rows)" if count > 1 else ""
            unit = rows.units.get(name, "1")
            shown = f"{values[first]:g}" + ("" if unit == "1" else f" {unit}")
            raise SchemaError(f"{rows.place(first)}: {name} = {shown}{more}; it must be {valid}")
