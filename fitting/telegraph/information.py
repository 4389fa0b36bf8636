"""What a record must show before levels and rates can be learnt from it."""

import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.telegraph.long_records import LongObservations
from charz.fitting.telegraph.splits import Split, otsu_split, switches, thinned, without_trend

MIN_DEVICES_IN_POPULATION = 3
MIN_DWELLS = 5
# Otsu's split of one Gaussian level gives parts 2.65 of their standard deviations apart.
ONE_LEVEL_BELOW = 3.2
# Standard errors of the lag-1 correlation of a white record.
CORRELATED_ABOVE = 3.0
MAX_CORRELATED_SAMPLES = 100_000


def require_information(observations: Observations, model: Model, pool: str) -> None:
    """Refuse records that cannot tell the levels or the rates of a model.

    Raises
    ------
    FitError
        When drives or temperatures are missing or all the same, when a record shows one level with white noise,
        and when there are fewer than five dwells in a level.
    """
    for setting, name in (("drive", "growth_up"), ("temperature", "stability_up")):
        if any(p.name == name for p in model.free):
            _require_setting(observations, model, pool, setting)
    signal, measured = observations.arrays["signal"], observations.measured
    if any(p.name == "drift" for p in model.free):
        signal = without_trend(observations)[0]
    split = otsu_split(thinned(signal, measured))
    # One device stands for all, or all share their rates: together they must have dwelt often enough.
    together = pool == "complete" or any(p.shared for p in model.free)
    _require_two_levels(observations, signal, split, together)
    _require_dwells(observations, _counted(observations, signal, split), together)


def _counted(observations: Observations, signal: np.ndarray, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Passages of the middle up and down; of a long record without drift those of all its chunks."""
    if not isinstance(observations, LongObservations) or signal is not observations.arrays["signal"]:
        return switches(signal, observations.measured, split)
    counts = np.zeros((2, len(observations.devices)), int)
    for device in range(len(observations.devices)):
        own = Split(*(np.asarray(level)[device : device + 1] for level in split))
        for _, samples in observations.record.chunks(device):
            seen = np.isfinite(samples)[None]
            if seen.any():
                found = switches(np.where(seen, samples, np.inf), seen, own)
                counts[:, device] += [int(number[0]) for number in found]
    return counts[0], counts[1]


def _require_setting(observations: Observations, model: Model, pool: str, setting: str) -> None:
    where = f"one value a record, as a variable or coordinate {setting!r} along device"
    if setting not in observations.arrays:
        raise FitError(
            f"model {model.name!r} needs the {setting} of each record, and the dataset has none; give it ({where})"
        )
    value = observations.arrays[setting]
    if np.ptp(value) == 0:
        raise FitError(
            f"all records were measured at {setting} = {value[0]:g}; model {model.name!r} learns how rates follow "
            f"the {setting}, which takes at least two values of it"
        )
    if pool == "none":
        raise FitError(
            f"pool='none' leaves each record by itself at one {setting}, which tells no slope of the rates; fit "
            f"model {model.name!r} with pool='complete' or 'hierarchical'"
        )


def _require_two_levels(observations: Observations, signal: np.ndarray, split: Split, together: bool) -> None:
    measured = observations.measured
    apart = (split.high - split.low) / split.noise
    leading = slice(0, MAX_CORRELATED_SAMPLES)
    lag, error = _lag_correlation(signal[:, leading], measured[:, leading])
    white = (apart < ONE_LEVEL_BELOW) & (lag < CORRELATED_ABOVE * error)
    if white.all() if together else white.any():
        index = int(np.argmax(white))
        raise FitError(
            f"no switching seen in device {observations.devices[index]}: its signal is one level with white noise "
            f"(lag-1 correlation {lag[index]:.2g} ± {error[index]:.2g}), in which two levels cannot be told apart; "
            "leave the device out, or measure with less noise or until it switches"
        )


def _require_dwells(
    observations: Observations, counted: tuple[np.ndarray, np.ndarray], together: bool
) -> None:
    up, down = counted
    # A level is entered once more than is seen where the record begins in it; that dwell is cut off.
    dwells = np.minimum(up, down)
    if together:
        dwells = dwells.sum(keepdims=True)
    few = dwells < MIN_DWELLS
    if few.any():
        index = int(np.argmax(few))
        whose = "all records together" if together else f"device {observations.devices[index]}"
        raise FitError(
            f"too few dwells: {whose} enters a level {dwells[index]} times, at least {MIN_DWELLS} entries into each "
            "level are needed, because a rate is learnt from how often a state is left; measure longer, or leave "
            "the device out"
        )


def _lag_correlation(signal: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of successive samples of each device, and its standard error for a white record."""
    count = np.maximum(measured.sum(1, keepdims=True), 1)
    centred = np.where(measured, signal - np.where(measured, signal, 0.0).sum(1, keepdims=True) / count, 0.0)
    square = np.maximum((centred**2).sum(1), np.finfo(float).tiny)
    return (centred[:, 1:] * centred[:, :-1]).sum(1) / square, 1 / np.sqrt(count[:, 0])
