"""Datasets of every kind as rows of numbers: one row a device, or one a cycle of a device."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.kinds import KINDS, RETAINED

MAX_NAMED = 3
# The variable that a measurement answers with; pulse_switching answers with counts.
RESPONSES = {
    "pulse_switching": ("num_switched",),
    "ramp_switching": ("threshold",),
    "telegraph": ("signal",),
    "pulse_train": ("conductance",),
    "iv_sweep": ("current",),
    "retention": RETAINED,
    "transfer": ("current",),
    "hysteresis": ("signal",),
}


class Rows(NamedTuple):
    """Values of one variable as a table.

    Parameters
    ----------
    variable, unit : str
    values : array, shape (rows, samples)
        NaN where a ragged table is padded.
    devices : array of str
        Empty where the kind has no devices.
    cycles : array
        Labels of the cycles of which each device has one row; empty where it has one row in all.
    """

    variable: str
    unit: str
    values: NDArray[np.floating]
    devices: NDArray[np.str_]
    cycles: NDArray[Any] = np.array([])

    def label(self, row: int) -> str:
        """Name of the device of a row, with the cycle where a device has several rows."""
        if not self.devices.size:
            return ""
        per_device = max(1, self.cycles.size)
        device = str(self.devices[row // per_device])
        return f"{device} cycle {self.cycles[row % per_device]}" if self.cycles.size else device

    @property
    def noun(self) -> str:
        """What a row is."""
        return "cycles" if self.cycles.size else "devices"


def response_name(dataset: xr.Dataset) -> str:
    """Name of the variable with which a measurement of this kind answers."""
    names = RESPONSES[dataset.attrs["experiment"]]
    return next(name for name in names if name in dataset)


def device_rows(dataset: xr.Dataset, name: str) -> Rows:
    """Rows of a variable, one a device (cycles one after the other); one row where there are no devices."""
    array = dataset[name]
    if "device" not in array.dims:
        return Rows(name, _unit(array), array.values.reshape(1, -1), np.array([], dtype=str))
    devices = dataset["device"].values
    return Rows(name, _unit(array), array.values.reshape(devices.size, -1), devices)


def record_rows(dataset: xr.Dataset, name: str) -> Rows:
    """Rows of a variable of (device, cycle, point) or (device, cycle, pulse), one a cycle."""
    array = dataset[name]
    devices, cycles, points = array.shape
    values = array.values.reshape(devices * cycles, points)
    labels = dataset["cycle"].values if "cycle" in dataset.coords else np.arange(cycles)
    return Rows(name, _unit(array), values, dataset["device"].values, labels)


def cycle_rows(dataset: xr.Dataset) -> Rows:
    """One number a cycle, one row a device: the threshold, or the mean of the response over the cycle.

    The mean of the magnitude is taken of a current, whose two polarities would cancel.
    """
    kind = KINDS[dataset.attrs["experiment"]]
    name = response_name(dataset)
    if kind.dims[-1] == "cycle":
        return device_rows(dataset, name)
    values = dataset[name].values
    if kind.name == "iv_sweep":
        values = np.abs(values)
    finite = np.isfinite(values)
    number = finite.sum(axis=-1)
    total = np.where(finite, values, 0.0).sum(axis=-1)
    means = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    what = f"mean |{name}| of a cycle" if kind.name == "iv_sweep" else f"mean {name} of a cycle"
    return Rows(what, _unit(dataset[name]), means, dataset["device"].values)


def where(rows: Rows, flagged: NDArray[np.bool_], badness: NDArray[Any]) -> str:
    """Name the variable and the worst of the flagged rows.

    Parameters
    ----------
    rows : Rows
    flagged : array of bool, shape (rows,)
        At least one.
    badness : array, shape (rows,)
        The larger, the worse.
    """
    if not rows.devices.size:
        return rows.variable
    found = worst(flagged, badness)
    named = ", ".join(rows.label(int(row)) for row in found[:MAX_NAMED])
    total = len(flagged)
    if total == 1:
        return f"{rows.variable}, device {named}"
    more = f" and {found.size - MAX_NAMED} more" if found.size > MAX_NAMED else ""
    return f"{rows.variable}, {found.size} of {total} {rows.noun}: {named}{more}"


def worst(flagged: NDArray[np.bool_], badness: NDArray[Any]) -> NDArray[np.intp]:
    """Indices of the flagged rows, the worst first."""
    found = np.flatnonzero(flagged)
    return found[np.argsort(-badness[found], kind="stable")]


def _unit(array: xr.DataArray) -> str:
    return str(array.attrs.get("units", "arb"))
