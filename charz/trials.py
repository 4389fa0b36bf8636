"""From rows (one trial, or one count, a line) to counts of switching per device and setting."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.kinds import kind_named
from charz.natural import natural
from charz.rows import Rows

_KIND = kind_named("pulse_switching")
# Sums of a million such rows still fit 64-bit integers.
MAX_COUNT = 10**12


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
    order = np.array(
        sorted(range(len(rows.names)), key=lambda index: natural(rows.names[index])), dtype=np.intp
    )
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    device, names = rank[rows.device], np.asarray(rows.names)[order]

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
        if name in keys:
            continue
        if name in rows.constant and (of_device := _of_device(values, device, names.size)) is not None:
            variables[name] = (_KIND.dims[:1], of_device, _describe(name, rows.units[name]))
        else:
            attrs = {"units": rows.units[name], "long_name": f"mean of {name} over the rows of the setting"}
            variables[f"{name}_mean"] = (_KIND.dims, spread(add(values) / size, np.nan), attrs)
    return xr.Dataset(variables, coords={"device": ("device", names, {"long_name": "device"})})


def _of_device(
    values: NDArray[np.float64], device: NDArray[np.intp], num_devices: int
) -> NDArray[np.float64] | None:
    """One value a device; None where it differs between the files of a device."""
    table = np.full(num_devices, np.nan)
    table[device] = values
    return table if (table[device] == values).all() else None


def _describe(name: str, units: str) -> dict[str, str]:
    variable = _KIND.variable(name)
    return {"units": units, "long_name": variable.long_name if variable else name}


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
