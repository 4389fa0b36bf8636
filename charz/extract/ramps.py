"""Thresholds out of programme-and-verify logs: rising pulses without a reset between them are one ramp."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, Labelled, device_name, labelled, new_kind
from charz.extract.options import condition, nearest
from charz.kinds import DRIVE, FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT
from charz.units import ARBITRARY

_PULSE = ("device", "cycle", "pulse")
_CYCLE = ("device", "cycle")
FLAG_NAME = "censoring: 0 none, 1 left, 2 right, 3 interval"


class _Pulses(NamedTuple):
    """All pulses one after the other, in time order within each device; `ramp` counts ramps over all devices."""

    drive: NDArray[np.float64]
    crossed: NDArray[np.bool_]
    ramp: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


def ramps(
    dataset: xr.Dataset, crossed: str, started: str | None = None, drive: str = "amplitude"
) -> xr.Dataset:
    """Cut pulse trains into ramps and find where each ramp first switched its device.

    A ramp begins with each record and wherever the drive falls. The pulses of a ramp are not independent
    trials: what is observed is the first drive d_k at which `crossed` holds, so that the threshold lies in
    (d_j, d_k] with d_j the last smaller drive (interval-censored), at or below d_k where there is no smaller
    drive or the device was switched before (left), or above the last drive where it never switched (right).

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``pulse_train``.
    crossed : str
        Expression that says that a pulse left the device switched.
    started : str, optional
        Expression that says, at the first pulse of a ramp, that the device was switched before it.
    drive : str
        Variable that is ramped.

    Returns
    -------
    xarray.Dataset
        Of kind ``ramp_switching``, ramps numbered from 1 in each device: ``threshold``, ``lower``, ``upper``
        (unit of the drive, magnitudes), ``censored``, ``started``, ``num_pulses``, ``num_returns``.

    Raises
    ------
    SchemaError
        When the drive is missing, has no ramp, or has both signs.
    """
    values, units = _drive(dataset, drive)
    valid = np.isfinite(values)
    flags = condition(dataset, crossed, "crossed", _PULSE, valid)
    before = np.zeros_like(valid)
    device, cycle, _ = np.nonzero(valid)
    pulses = _cut(values[valid], flags[valid], device * dataset.sizes["cycle"] + cycle)
    if started is not None:
        opening = np.zeros(pulses.ramp.size, dtype=bool)
        opening[pulses.first] = True
        firsts = np.zeros_like(valid)
        firsts[valid] = opening
        before = condition(dataset, started, "started", _PULSE, firsts)
    begun = before[valid][pulses.first]
    owner = device[pulses.first]
    table = _reduce(pulses, begun)
    number = np.arange(owner.size) - np.searchsorted(owner, owner)
    shape = (dataset.sizes["device"], int(number.max()) + 1)

    def spread(name: str) -> NDArray[Any]:
        column = table[name]
        padded = np.full(shape, np.nan if column.dtype.kind == "f" else 0, dtype=column.dtype)
        padded[owner, number] = column
        return padded

    labels = {
        "threshold": (units, f"{drive} at the first switching of the ramp"),
        "lower": (units, "lower bound of the threshold"),
        "upper": (units, "upper bound of the threshold"),
        "censored": ("1", FLAG_NAME),
        "started": ("1", "whether the device was switched before the ramp, 0 or 1"),
        "num_pulses": ("1", "number of pulses of the ramp"),
        "num_returns": ("1", "how often the device came back after its first switching"),
    }
    variables: dict[str, Labelled] = {
        name: labelled(_CYCLE, spread(name), unit, long_name) for name, (unit, long_name) in labels.items()
    }
    count = [int((table["censored"] == flag).sum()) for flag in (FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL)]
    rule = (
        f"a ramp begins where |{drive}| falls; threshold = |{drive}| at its first pulse with {crossed}; "
        f"{'no rule for devices switched before the ramp' if started is None else f'switched before it: {started}'}; "
        f"{owner.size} ramps: {count[0]} left-, {count[1]} right-, {count[2]} interval-censored"
    )
    result = new_kind(dataset, "ramp_switching", rule, variables, ("device",))
    return result.assign_coords(
        cycle=("cycle", np.arange(1, shape[1] + 1), {"long_name": "number of the ramp in its device"})
    )


def _drive(dataset: xr.Dataset, name: str) -> tuple[NDArray[np.float64], str]:
    """Magnitude of the drive over (device, cycle, pulse), and its unit."""
    candidates = [
        str(one)
        for one, array in dataset.data_vars.items()
        if array.dims == _PULSE and array.attrs.get("units") in (*DRIVE, ARBITRARY)
    ]
    if name not in candidates:
        raise SchemaError(
            f"ramps: {name!r} is no drive of this dataset{nearest(name, candidates)}; a drive has dims {_PULSE} and "
            f"the unit {' or '.join(DRIVE)}; here: {', '.join(candidates) or 'none'}"
        )
    values = dataset[name].values
    missing = np.isnan(values) & np.isfinite(dataset["conductance"].values)
    if missing.any():
        device, cycle, pulse = np.argwhere(missing)[0]
        raise SchemaError(
            f"ramps: {name} is NaN at device {device_name(dataset, device)}, cycle {cycle}, pulse {pulse} although "
            "there is a conductance; without its drive a pulse belongs to no ramp, complete or leave out such rows"
        )
    if np.isnan(values).all():
        raise SchemaError(f"ramps: {name} is NaN throughout; there is no pulse to look at")
    if (values > 0).any() and (values < 0).any():
        raise SchemaError(
            f"ramps: {name} has both signs, from {np.nanmin(values):g} to {np.nanmax(values):g}; a ramp has one "
            "polarity, because SET and RESET obey different laws: keep one of them when the file is converted"
        )
    return np.abs(values), str(dataset[name].attrs["units"])


def _cut(drive: NDArray[np.float64], crossed: NDArray[np.bool_], record: NDArray[np.intp]) -> _Pulses:
    new = np.concatenate([[True], (np.diff(record) != 0) | (np.diff(drive) < 0)])
    first = np.flatnonzero(new)
    last = np.concatenate([first[1:], [drive.size]]) - 1
    return _Pulses(drive, crossed, np.cumsum(new) - 1, first, last)


def _reduce(pulses: _Pulses, started: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """One row a ramp."""
    position = np.arange(pulses.drive.size)
    hit = np.minimum.reduceat(np.where(pulses.crossed, position, pulses.drive.size), pulses.first)
    never = hit == pulses.drive.size
    at = np.where(never, pulses.last, hit)
    # Start of the run of equal drives: a pulse repeated at one drive gives no narrower bound.
    step = np.concatenate([[True], np.diff(pulses.drive) != 0])
    step[pulses.first] = True
    run = np.maximum.accumulate(np.where(step, position, 0))[at]
    lowest = run == pulses.first
    left = started | (~never & lowest)
    right = never & ~left
    inner = ~left & ~right
    # Started, but never seen switched after a pulse: what is known is only that it was so at the first drive.
    threshold = pulses.drive[np.where(started & never, pulses.first, at)]
    back = pulses.crossed & ~np.append(pulses.crossed[1:], True)
    back[pulses.last] = False
    lower = np.where(inner, pulses.drive[np.maximum(run - 1, 0)], np.where(right, threshold, np.nan))
    return {
        "threshold": threshold,
        "lower": lower,
        "upper": np.where(right, np.nan, threshold),
        "censored": np.select([left, right, inner], [FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL], FLAG_NONE).astype(
            np.int64
        ),
        "started": started.astype(np.int64),
        "num_pulses": (pulses.last - pulses.first + 1).astype(np.int64),
        "num_returns": np.add.reduceat(back.astype(np.int64), pulses.first),
    }


EXTRACTOR = Extractor(
    "ramps",
    "thresholds of ramps of pulses without a reset between them",
    ("pulse_train",),
    "ramp_switching",
    {
        "crossed": "expression that says that a pulse left the device switched, such as 'r_after < 20e3'",
        "started": "expression, at the first pulse of a ramp, that says that the device was switched before it",
        "drive": "variable that is ramped (default amplitude)",
    },
    ramps,
    required=("crossed",),
)
