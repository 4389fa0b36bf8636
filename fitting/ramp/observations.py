"""From a `ramp_switching` dataset to plain arrays: thresholds, what is known of censored ones, and the order of cycles.

Which ramps a limit or a grid *would* have censored is a setting that files do not state; it is read off those that
were: the start of the ramps from left-censored thresholds, their end from right-censored ones, the grid from intervals.
Only simulated outcomes depend on it; the likelihood takes each ramp as it was recorded.
"""

from typing import Any

import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.contract import Observations
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

DIMS = ("device", "cycle")
# Stands for a limit that there is not; far beyond any drive, and finite.
NO_LIMIT = 1e30
WHOLE_NUMBERS = ("censored", "present", "previous", "following", "gap", "gap_after")
LONG_NAMES = {
    "threshold": "drive at switching",
    "censored": "censoring: 0 none, 1 left, 2 right, 3 interval",
    "lower": "lower bound of an interval-censored threshold",
    "upper": "upper bound of an interval-censored threshold",
    "ramp_rate": "ramp rate",
    "present": "1 where a ramp was recorded",
    "kilocycles": "thousands of cycles from the middle of the record",
    "previous": "position of the recorded cycle before",
    "following": "position of the recorded cycle after",
    "gap": "number of cycles since the recorded one before, 0 for the first",
    "gap_after": "number of cycles to the recorded one after, 0 for the last",
    "start": "drive at or below which a threshold is left-censored",
    "end": "drive above which a threshold is right-censored",
    "step": "step of the grid of drives, 0 where thresholds are exact",
    "origin": "a drive on the grid",
}


def observe(dataset: xr.Dataset) -> Observations:
    """Take thresholds and censoring out of a dataset.

    Raises
    ------
    FitError
        When the dataset is of another kind, holds no threshold, an interval has no bounds, cycles are not in order,
        or some ramps have no ramp rate.
    """
    kind = dataset.attrs.get("experiment")
    if kind != "ramp_switching":
        raise FitError(f"the dataset is of kind {kind!r}; thresholds are fitted to 'ramp_switching'")
    threshold = _values(dataset, "threshold")
    flags = _values(dataset, "censored") if "censored" in dataset else np.zeros(threshold.shape)
    lower, upper = _bounds(dataset, threshold, flags)
    present = np.isfinite(threshold)
    if not present.any():
        raise FitError("the dataset holds no threshold: every one is missing, so there is nothing to fit")
    stand_in = float(np.median(threshold[present]))
    threshold, lower, upper = (np.where(present, array, stand_in) for array in (threshold, lower, upper))
    flags = np.where(present, flags, FLAG_NONE)
    arrays = {"threshold": threshold, "present": present.astype(float)}
    observed = ["threshold"]
    if "censored" in dataset:
        arrays["censored"] = flags
        observed.append("censored")
    if (flags == FLAG_INTERVAL).any():
        arrays |= {"lower": lower, "upper": upper}
        observed += ["lower", "upper"]
    arrays |= _order(_cycle_numbers(dataset), present)
    arrays |= _limits(threshold, flags, lower, upper)
    if "ramp_rate" in dataset:
        arrays["ramp_rate"] = _ramp_rate(dataset, present)
    return Observations(
        devices=tuple(str(name) for name in dataset["device"].to_numpy()),
        arrays=arrays,
        observed=tuple(observed),
        dims=("cycle",),
        measured=present,
        units=_units(dataset, arrays),
        long_names={name: LONG_NAMES[name] for name in arrays},
        # Where a file pads these, it pads with 0.
        integers=tuple(name for name in WHOLE_NUMBERS if name in arrays),
        remarks=_remarks(flags, present),
    )


def _values(dataset: xr.Dataset, name: str) -> np.ndarray:
    return dataset[name].broadcast_like(dataset["threshold"]).transpose(*DIMS).to_numpy().astype(np.float64)


def _bounds(dataset: xr.Dataset, threshold: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds where a threshold lies between two; elsewhere both are the recorded value."""
    inside = (flags == FLAG_INTERVAL) & np.isfinite(threshold)
    if not inside.any():
        return threshold, threshold
    if "lower" not in dataset or "upper" not in dataset:
        raise FitError(
            f"{int(inside.sum())} thresholds are interval-censored, but the dataset has no variables 'lower' and"
            " 'upper': without its bounds an interval says nothing; 'charz extract censoring --step' adds them"
        )
    lower, upper = _values(dataset, "lower"), _values(dataset, "upper")
    wrong = inside & ~(lower < upper)
    if wrong.any():
        device, cycle = np.argwhere(wrong)[0]
        raise FitError(
            f"an interval-censored threshold of device {str(dataset['device'].to_numpy()[device])!r} lies between"
            f" {lower[device, cycle]:g} and {upper[device, cycle]:g}; the lower bound must be a number below the upper"
            " one, or the interval has no probability"
        )
    return np.where(inside, lower, threshold), np.where(inside, upper, threshold)


def _cycle_numbers(dataset: xr.Dataset) -> np.ndarray:
    """Number of each cycle: the coordinate where it counts, else the position."""
    if "cycle" not in dataset.coords or dataset["cycle"].dtype.kind not in "iuf":
        return np.arange(dataset.sizes["cycle"], dtype=np.float64)
    numbers = dataset["cycle"].to_numpy().astype(np.float64)
    if not (np.diff(numbers) >= 1).all():
        raise FitError(
            "the coordinate 'cycle' does not count upwards by whole cycles; drift and serial correlation need the order"
            " in which the ramps were run: sort the cycles, or drop the coordinate"
        )
    return numbers


def _order(cycle: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Neighbours in time of each recorded cycle, over missing ones."""
    num_cycles = cycle.size
    place = np.broadcast_to(np.arange(num_cycles), present.shape)
    before = np.maximum.accumulate(np.where(present, place, -1), axis=1)
    before = np.concatenate([np.full_like(before[:, :1], -1), before[:, :-1]], axis=1)
    after = np.minimum.accumulate(np.where(present, place, num_cycles)[:, ::-1], axis=1)[:, ::-1]
    after = np.concatenate([after[:, 1:], np.full_like(after[:, :1], num_cycles)], axis=1)
    previous, following = np.maximum(before, 0), np.minimum(after, num_cycles - 1)
    gap = np.where(present & (before >= 0), np.rint(cycle[place] - cycle[previous]), 0)
    gap_after = np.where(present & (after < num_cycles), np.rint(cycle[following] - cycle[place]), 0)
    recorded = cycle[present.any(0)]
    middle = (recorded[0] + recorded[-1]) / 2
    return {
        "kilocycles": np.broadcast_to((cycle - middle) / 1000, present.shape).copy(),
        "previous": previous.astype(np.float64),
        "following": following.astype(np.float64),
        "gap": gap,
        "gap_after": gap_after,
    }


def _limits(
    threshold: np.ndarray, flags: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> dict[str, np.ndarray]:
    """Start, end and grid of each ramp, read off the censored ones of its device, or else of all."""
    left, right, inside = (flags == flag for flag in (FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL))
    start = _of_device(np.where(left, threshold, np.nan), np.nanmin, -NO_LIMIT)
    end = _of_device(np.where(right, threshold, np.nan), np.nanmax, NO_LIMIT)
    step = _of_device(np.where(inside, upper - lower, np.nan), np.nanmedian, 0.0)
    origin = _of_device(np.where(inside, lower, np.nan), np.nanmin, 0.0)
    exact = flags == FLAG_NONE
    return {
        "start": np.where(left, threshold, start),
        "end": np.where(right, threshold, end),
        # Where a device has both, those that were recorded exactly would be so again.
        "step": np.select([inside, exact], [upper - lower, 0.0], step),
        "origin": np.where(inside, lower, origin),
    }


def _of_device(values: np.ndarray, reduce: Any, otherwise: float) -> np.ndarray:
    """Reduce the numbers of each device, (device, 1); of all devices where one has none."""
    known = np.isfinite(values)
    if not known.any():
        return np.full((len(values), 1), otherwise)
    overall = float(reduce(values[known]))
    filled = np.where(known.any(1)[:, None], values, overall)
    return reduce(filled, axis=1)[:, None]


def _ramp_rate(dataset: xr.Dataset, present: np.ndarray) -> np.ndarray:
    rate = _values(dataset, "ramp_rate")
    missing = present & ~(rate > 0)
    if missing.any():
        raise FitError(
            f"{int(missing.sum())} of {int(present.sum())} ramps have no ramp rate above zero; a thermal threshold"
            " depends on how fast the drive rises: give 'ramp_rate' for every ramp, or leave it out"
        )
    return np.where(present, rate, np.median(rate[present]))


def _units(dataset: xr.Dataset, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    drive = str(dataset["threshold"].attrs.get("units", "arb"))
    units = dict.fromkeys(arrays, "1")
    units |= {
        name: drive
        for name in ("threshold", "lower", "upper", "start", "end", "step", "origin")
        if name in arrays
    }
    if "ramp_rate" in arrays:
        units["ramp_rate"] = str(dataset["ramp_rate"].attrs.get("units", f"{drive}/s"))
    return {**units, "drive": drive}


def _remarks(flags: np.ndarray, present: np.ndarray) -> tuple[str, ...]:
    words = {FLAG_LEFT: "left", FLAG_RIGHT: "right", FLAG_INTERVAL: "interval"}
    counts = {word: int((flags == flag).sum()) for flag, word in words.items()}
    said = ", ".join(f"{count} {word}-censored" for word, count in counts.items() if count)
    total = int(present.sum())
    remarks = (
        [f"{total} thresholds: {said}; a censored one enters by the probability of its range"] if said else []
    )
    missing = int(present.size - total)
    if missing and present.shape[1] > 1:
        remarks.append(
            f"{missing} of {present.size} cycles hold no threshold: serial correlation passes over them"
        )
    return tuple(remarks)
