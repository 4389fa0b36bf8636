"""Settings and inputs that occur twice."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.finding import Finding, quantity
from charz.datachecks.rows import device_rows, where

_SETTING = ("amplitude", "width", "initial_state")


def check_duplicates(dataset: xr.Dataset) -> list[Finding]:
    """Find equal settings of one device (``pulse_switching``) or equal rows of inputs (``transfer``)."""
    return _inputs(dataset) if dataset.attrs["experiment"] == "transfer" else _settings(dataset)


def _settings(dataset: xr.Dataset) -> list[Finding]:
    names = [name for name in _SETTING if name in dataset]
    used = dataset["num_trials"].values > 0
    rows = device_rows(dataset, "amplitude")
    devices = np.nonzero(used)[0]
    # One whole number a setting: unique values are numbered for each variable, then joined.
    code = devices
    for name in names:
        _, inverse = np.unique(dataset[name].values[used], return_inverse=True)
        code = code * (inverse.max(initial=0) + 1) + inverse
    _, first, count = np.unique(code, return_index=True, return_counts=True)
    twice = count > 1
    if not twice.any():
        return []
    extra = np.bincount(devices[first[twice]], weights=count[twice] - 1, minlength=len(used))
    example = first[twice][0]
    shown = ", ".join(
        f"{name} {quantity(dataset[name].values[used][example], dataset[name].attrs['units'])}"
        for name in names
        if np.isfinite(dataset[name].values[used][example])
    )
    seen = f"{int(extra.sum())} settings more than differ, for example {shown} {count[twice][0]} times"
    meaning = (
        "if one is a copy, its trials count twice and the interval is too narrow; if both were measured, the "
        "device may have changed between them"
    )
    return [Finding("duplicates", where(rows, extra > 0, extra), seen, meaning, "warning")]


def _inputs(dataset: xr.Dataset) -> list[Finding]:
    voltage, current = dataset["voltage"].values, dataset["current"].values
    order, equal = _equal_neighbours(voltage)
    count = int(equal.sum())
    if not count:
        return []
    change = np.abs(np.diff(current[order]))[equal]
    spread = np.sqrt(np.mean(change[np.isfinite(change)] ** 2) / 2) if np.isfinite(change).any() else np.nan
    seen = (
        f"{count} of {len(voltage)} rows of inputs occur before; sd between their outputs "
        f"{quantity(float(spread), dataset['current'].attrs['units'])}"
    )
    meaning = (
        "equal inputs in training and validation data make the error of a surrogate look smaller than it is; "
        "their spread is the noise that no surrogate can explain"
    )
    return [Finding("duplicates", "voltage", seen, meaning, "note")]


def _equal_neighbours(table: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Order in which equal rows are neighbours, and which row equals the one before it in that order."""
    weights = np.random.default_rng(0).standard_normal((table.shape[1],))
    # Summed column by column: a matrix product may round equal rows differently.
    mixed = np.zeros(len(table))
    for column, weight in zip(table.T, weights.tolist(), strict=True):
        mixed += column * weight
    order = np.argsort(mixed, kind="stable")
    candidates = np.flatnonzero(np.diff(mixed[order]) == 0)
    equal = np.zeros(max(len(table) - 1, 0), dtype=bool)
    equal[candidates] = (table[order[candidates]] == table[order[candidates + 1]]).all(axis=1)
    return order, equal
