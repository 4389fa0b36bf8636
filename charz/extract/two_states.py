"""What is known of a two-level trace once its samples have states: levels, dwells, correlation, separation."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Labelled, device_name, labelled
from charz.extract.runs import dwell_table

_DEVICE = ("device",)
SIDES = ("low", "high")

Floats = NDArray[np.float64]


def interval(dataset: xr.Dataset) -> tuple[Floats, str, str]:
    """Time between samples of each device, its unit, and where it comes from.

    Raises
    ------
    SchemaError
        When some device has no interval, or two samples without time between them.
    """
    num_devices = dataset.sizes["device"]
    if "sample_interval" in dataset:
        step = dataset["sample_interval"].values
        how = "from sample_interval"
    elif "elapsed" in dataset:
        step, how = _mean_step(dataset["elapsed"].values), "from the mean step of elapsed"
    else:
        return np.ones(num_devices), "1", "in samples, as the sample interval is not known"
    wrong = ~(step > 0)
    if wrong.any():
        raise SchemaError(
            f"dwells: the time between samples {how} is {step[np.argmax(wrong)]:g} s for device "
            f"{device_name(dataset, int(np.argmax(wrong)))}; it must be above zero for every device, or be left out "
            "for all, so that dwell times are counted in samples"
        )
    return step, "s", how


def _mean_step(elapsed: Floats) -> Floats:
    """Mean, because rounded time stamps make the median step a wrong one."""
    known = np.isfinite(elapsed)
    first = np.argmax(known, axis=1)
    last = elapsed.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    row = np.arange(elapsed.shape[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        return (elapsed[row, last] - elapsed[row, first]) / (last - first)


def statistics(
    values: Floats, state: NDArray[np.int64], step: Floats, units: tuple[str, str], logarithmic: bool
) -> dict[str, Labelled]:
    """Variables over (device,), NaN where a state or an exit never occurs.

    Parameters
    ----------
    values : array, shape (device, time)
        Signal, or ln signal.
    state : array, shape (device, time)
    step : array, shape (device,)
    units : tuple of str
        Of the signal and of times.
    logarithmic : bool
        Whether `values` is ln signal.
    """
    signal_units, time_units = units
    inside = [state == side for side in (0, 1)]
    size = [mask.sum(axis=1) for mask in inside]
    mean = [_ratio(np.where(mask, values, 0.0).sum(axis=1), n) for mask, n in zip(inside, size, strict=True)]
    squares = [
        np.where(mask, (values - centre[:, None]) ** 2, 0.0).sum(axis=1)
        for mask, centre in zip(inside, mean, strict=True)
    ]
    pooled = np.sqrt(_ratio(squares[0] + squares[1], size[0] + size[1] - 2))
    pair = (state[:, 1:] >= 0) & (state[:, :-1] >= 0)
    changed = pair & (state[:, 1:] != state[:, :-1])
    table = dwell_table(state)
    found: dict[str, tuple[NDArray, str, str]] = {
        "num_switches": (changed.sum(axis=1).astype(np.int64), "1", "number of switches"),
        "fraction_high": (_ratio(size[1], size[0] + size[1]), "1", "fraction of samples in the high state"),
        "lag1_correlation": (
            _correlation(values, pair), "1", f"correlation of successive {'ln signals' if logarithmic else 'signals'}"
        ),
        "separation": (
            _ratio(mean[1] - mean[0], pooled), "1", "difference of the levels / pooled sd within the states"
        ),
    }  # fmt: skip
    for side, name in enumerate(SIDES):
        level = np.exp(mean[side]) if logarithmic else mean[side]
        complete = (table.state == side) & (table.complete == 1)
        mean_complete = _ratio((table.length * complete).sum(axis=1), complete.sum(axis=1)) * step
        leaving = inside[side][:, :-1]
        ml = _ratio((pair & leaving).sum(axis=1), (changed & leaving).sum(axis=1)) * step
        found[f"level_{name}"] = (
            level,
            signal_units,
            f"{'geometric ' * logarithmic}mean of the {name} state",
        )
        found[f"mean_complete_dwell_{name}"] = (
            mean_complete, time_units, f"mean of the complete dwells in the {name} state"
        )  # fmt: skip
        found[f"ml_dwell_{name}"] = (ml, time_units, f"maximum-likelihood mean dwell in the {name} state")
    return {name: labelled(_DEVICE, *entry) for name, entry in found.items()}


def _ratio(numerator: NDArray, denominator: NDArray) -> Floats:
    """Quotient, NaN where there is nothing to divide by."""
    good = denominator > 0
    return np.where(good, numerator / np.where(good, denominator, 1), np.nan)


def _correlation(values: Floats, pair: NDArray[np.bool_]) -> Floats:
    """Pearson correlation of each sample with its successor, each side with its own mean."""
    count = pair.sum(axis=1)
    sides = []
    for part in (values[:, :-1], values[:, 1:]):
        centre = _ratio(np.where(pair, part, 0.0).sum(axis=1), count)
        sides.append(np.where(pair, part - centre[:, None], 0.0))
    spread = np.sqrt((sides[0] ** 2).sum(axis=1) * (sides[1] ** 2).sum(axis=1))
    return _ratio((sides[0] * sides[1]).sum(axis=1), spread)
