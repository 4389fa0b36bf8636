"""Two-level traces cut into dwells: states, dwell times, levels, and how far the two states are told apart."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, Labelled, device_name, labelled, same_kind
from charz.extract.options import choice, quantity, whole
from charz.extract.runs import dwell_table, merge_short
from charz.extract.two_states import interval, statistics
from charz.otsu import otsu

_TIME = ("device", "time")
_DEVICE = ("device",)
OTSU = "otsu"

Floats = NDArray[np.float64]


def dwells(
    dataset: xr.Dataset, threshold: Any = OTSU, scale: str = "linear", min_dwell: Any = 1
) -> xr.Dataset:
    """Cut each device's trace at one threshold into dwells in a low and a high state.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``telegraph``.
    threshold : quantity in the unit of the signal, or "otsu"
        Otsu's cut maximises k (n-k) (m1-m0)² over all cuts of the sorted values of each device.
    scale : {"linear", "log"}
        ``log``: cut, correlation and separation are those of ln signal, and levels are geometric means.
    min_dwell : int
        In samples. A shorter dwell is counted to the dwell before it; the first and last of a stretch are kept
        whatever their length, because it is not known.

    Returns
    -------
    xarray.Dataset
        The dataset with ``state`` over (device, time): 0 low, 1 high, -1 missing; ``dwell_time``, ``dwell_state``
        and ``dwell_complete`` over (device, dwell); and of each device ``state_threshold``, ``level_low``,
        ``level_high``, ``num_switches``, ``fraction_high``, ``mean_complete_dwell_low`` and ``_high`` (biased
        short, since long dwells are cut off the likelier), ``ml_dwell_low`` and ``_high`` (samples of the state
        that have a successor / exits from it, so that open dwells count), ``lag1_correlation`` and
        ``separation`` (difference of the levels / pooled sd within the states).
        Times are in s, or in samples (unit 1) where neither ``sample_interval`` nor ``elapsed`` tells.

    Raises
    ------
    SchemaError
        For a device without two values, or values at or below zero on the log scale.
    """
    logarithmic = choice(scale, "scale", ("linear", "log")) == "log"
    least = whole(min_dwell, "min_dwell")
    signal = dataset["signal"].values
    units = str(dataset["signal"].attrs["units"])
    values = _scaled(dataset, signal, logarithmic)
    high, split = _split(dataset, values, threshold, units, logarithmic)
    raw = np.where(np.isfinite(values), high, -1).astype(np.int64)
    state, merged = merge_short(raw, least)
    step, time_units, how = interval(dataset)
    variables: dict[str, Labelled] = {
        "state": labelled(_TIME, state, "1", "state: 0 low, 1 high, -1 missing"),
        "state_threshold": labelled(_DEVICE, split, units, "threshold between the states"),
        **_dwell_variables(state, step, time_units),
        **statistics(values, state, step, (units, time_units), logarithmic),
    }
    cut = "exact Otsu cut" if threshold == OTSU else "given"
    rule = (
        f"high where the signal is above {_range(split)} {units} ({cut}, {scale} scale); "
        f"{_merging(least, merged)}; times {how}"
    )
    return same_kind(dataset, rule, variables)


def _scaled(dataset: xr.Dataset, signal: Floats, logarithmic: bool) -> Floats:
    empty = ~np.isfinite(signal).any(axis=1)
    if empty.any():
        raise SchemaError(
            f"dwells: device {device_name(dataset, int(np.argmax(empty)))} has no sample; leave it out"
        )
    if not logarithmic:
        return signal
    wrong = signal <= 0
    if wrong.any():
        device, time = np.argwhere(wrong)[0]
        raise SchemaError(
            f"dwells: signal = {signal[device, time]:g} of device {device_name(dataset, device)} at time {time} has no "
            f"logarithm ({int(wrong.sum())} such samples); use scale = 'linear', or leave such samples out"
        )
    return np.log(signal)


def _split(
    dataset: xr.Dataset, values: Floats, threshold: Any, units: str, logarithmic: bool
) -> tuple[NDArray[np.bool_], Floats]:
    """Which samples are high, and the threshold of each device in the unit of the signal."""
    if threshold != OTSU:
        given = quantity(threshold, "threshold", units, positive=logarithmic)
        return values > (np.log(given) if logarithmic else given), np.full(values.shape[0], given)
    below, above = otsu(values)
    flat = np.isnan(below)
    if flat.any():
        raise SchemaError(
            f"dwells: all samples of device {device_name(dataset, int(np.argmax(flat)))} are equal; one value has no "
            "two levels to part, leave the device out or give a threshold"
        )
    middle = below + (above - below) / 2
    # Compared with the upper neighbour: the middle of two adjacent floats may round to either of them.
    return values >= above[:, None], np.exp(middle) if logarithmic else middle


def _dwell_variables(state: NDArray[np.int64], step: Floats, units: str) -> dict[str, Labelled]:
    table = dwell_table(state)
    dims = ("device", "dwell")
    padded = np.where(table.length > 0, table.length * step[:, None], np.nan)
    return {
        "dwell_time": labelled(dims, padded, units, "dwell time"),
        "dwell_state": labelled(dims, table.state, "1", "state of the dwell: 0 low, 1 high, -1 padding"),
        "dwell_complete": labelled(
            dims, table.complete, "1", "1 complete, 0 cut off by the record or by missing samples"
        ),
    }


def _merging(least: int, merged: int) -> str:
    if least == 1:
        return "every excursion is a dwell"
    return f"dwells below {least} samples counted to the dwell before them ({merged} of them)"


def _range(values: Floats) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


EXTRACTOR = Extractor(
    "dwells",
    "states, dwell times and levels of two-level traces",
    ("telegraph",),
    "telegraph",
    {
        "threshold": "quantity between the two levels such as '20 kohm', or otsu (default: the exact best cut)",
        "scale": "linear (default) or log: cut and levels on ln signal",
        "min_dwell": "samples; shorter dwells are counted to the dwell before them (default 1: none)",
    },
    dwells,
)
