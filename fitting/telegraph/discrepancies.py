r"""What records of the right model look like: dwells, stationarity, and what the levels leave over.

Every draw assigns each sample to the nearest of its levels (its drift removed) and looks at the runs of equal states
and at the residuals :math:`e = (y - \mu)/\sigma`. Measured and replicated records are treated alike, so noise that
crosses the middle shortens dwells in both. Long records are represented by their first 20,000 samples
(`charz.fitting.telegraph.records.leading`).
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from charz.fitting.contract import Discrepancy, Model, Observations

NUM_BINS = 48
WIDEST = 6.0
TINY = np.finfo(float).tiny


class Situation:
    """What a discrepancy sees.

    Parameters
    ----------
    signal : array (sample, device, time)
        Measured or replicated, without the drift of the draw.
    levels : array (sample, device, level)
        Rising.
    noise : array (sample, device)
    measured : array of bool (device, time)
    """

    def __init__(
        self, signal: np.ndarray, levels: np.ndarray, noise: np.ndarray, measured: np.ndarray
    ) -> None:
        self.measured = measured
        middles = (levels[..., 1:] + levels[..., :-1]) / 2
        self.state = sum((signal > middles[..., k, None]).astype(np.int8) for k in range(middles.shape[-1]))
        self.num_levels = levels.shape[-1]
        nearest = np.take_along_axis(levels, self.state.reshape(*levels.shape[:2], -1).astype(np.intp), -1)
        self.residual = np.where(measured, (signal - nearest) / noise[..., None], 0.0)
        self.signal = signal

    @cached_property
    def count(self) -> np.ndarray:
        """Samples of each device."""
        return self.measured.sum(1)

    @cached_property
    def runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Row (sample × device), state, length in samples and beginning of every run of equal states."""
        num_samples = self.state.shape[-1]
        state = np.where(self.measured, self.state, -1).reshape(-1, num_samples)
        starts = np.ones(state.shape, bool)
        starts[:, 1:] = state[:, 1:] != state[:, :-1]
        place = np.flatnonzero(starts)
        length = np.diff(np.append(place, state.size))
        return place // num_samples, state.ravel()[place], length, place % num_samples

    def in_state(self, level: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Number, mean and longest of the dwells in a level, (sample, device)."""
        row, state, length, _ = self.runs
        shape = self.state.shape[:2]
        size = shape[0] * shape[1]
        inside = state == level
        number = np.bincount(row[inside], minlength=size)
        total = np.bincount(row[inside], length[inside], minlength=size)
        longest = np.zeros(size)
        np.maximum.at(longest, row[inside], length[inside])
        mean = total / np.maximum(number, 1)
        return number.reshape(shape), mean.reshape(shape), longest.reshape(shape)


def situation(
    model: Model, data: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray], observations: Observations
) -> Situation:
    """States and residuals of measured or replicated records under every draw."""
    del model
    signal, measured = data["signal"], observations.measured
    signal = np.where(measured, signal, observations.arrays["centre"][:, None])
    if "drift" in values:
        share = np.arange(measured.shape[1]) / observations.arrays["length"][:, None] - 0.5
        signal = signal - values["drift"][..., None] * share
    signal = np.broadcast_to(signal, (*values["low"].shape, measured.shape[1]))
    if "separation" in values:
        levels = [values["low"], values["low"] + values["separation"]]
    else:
        middle = values["low"] + values["lower_separation"]
        levels = [values["low"], middle, middle + values["upper_separation"]]
    return Situation(signal, np.stack(levels, -1), values["noise"], measured)


def _several(observations: Observations) -> bool:
    return len(observations.devices) > 1


def _crossings(s: Situation) -> np.ndarray:
    pair = s.measured[:, 1:] & s.measured[:, :-1]
    return ((s.state[..., 1:] != s.state[..., :-1]) & pair).sum((1, 2))


def _devices(s: Situation) -> np.ndarray:
    """Largest difference between devices in ln(switches), to which rates that follow a law must stick."""
    pair = s.measured[:, 1:] & s.measured[:, :-1]
    changed = ((s.state[..., 1:] != s.state[..., :-1]) & pair).sum(2)
    logs = np.log((changed + 0.5) / np.maximum(pair.sum(1), 1))
    return logs.max(1) - logs.min(1)


def _longest(level: int) -> Discrepancy:
    """Longest dwell of any device over the mean one; a single time scale bounds it."""

    def function(s: Situation) -> np.ndarray:
        _, mean, longest = s.in_state(level if level == 0 else s.num_levels - 1)
        return (longest / np.maximum(mean, 1)).max(1)

    name = "longest low dwell" if level == 0 else "longest high dwell"
    return Discrepancy(name, "dwells with one time scale: longest over mean dwell", function)


def _dwell_spread(s: Situation) -> np.ndarray:
    """Variance of ln dwell, which grows where dwells have several time scales."""
    row, state, length, _ = s.runs
    size = s.state.shape[0] * s.state.shape[1]
    logs, total = np.log(length), np.zeros(size)
    for level in range(s.num_levels):
        inside = state == level
        number = np.bincount(row[inside], minlength=size)
        first = np.bincount(row[inside], logs[inside], minlength=size)
        square = np.bincount(row[inside], logs[inside] ** 2, minlength=size)
        total += square - first**2 / np.maximum(number, 1)
    return total.reshape(s.state.shape[:2]).sum(1) / np.maximum(
        np.bincount(row, minlength=size).reshape(s.state.shape[:2]).sum(1), 1
    )


def _switching_drift(s: Situation) -> np.ndarray:
    """Switches of the first half less those of the second, over their root."""
    pair = s.measured[:, 1:] & s.measured[:, :-1]
    changed = (s.state[..., 1:] != s.state[..., :-1]) & pair
    half = changed.shape[-1] // 2
    early, late = changed[..., :half].sum((1, 2)), changed[..., half:].sum((1, 2))
    return (early - late) / np.sqrt(np.maximum(early + late, 1))


def _occupation_drift(s: Situation) -> np.ndarray:
    """Largest change of the share of time in the highest level between the halves of a record."""
    high = (s.state == s.num_levels - 1) & s.measured
    half = high.shape[-1] // 2
    parts = [
        high[..., part].sum(2) / np.maximum(s.measured[:, part].sum(1), 1)
        for part in (slice(0, half), slice(half, None))
    ]
    return np.abs(parts[0] - parts[1]).max(1)


def _level_drift(s: Situation) -> np.ndarray:
    """Mean residual of the last third less that of the first, the largest of the devices in size."""
    third = s.residual.shape[-1] // 3
    means = [
        s.residual[..., part].sum(2) / np.maximum(s.measured[:, part].sum(1), 1)
        for part in (slice(0, third), slice(-third, None))
    ]
    change = means[1] - means[0]
    return np.take_along_axis(change, np.abs(change).argmax(1)[:, None], 1)[:, 0]


def _neighbours(s: Situation) -> np.ndarray:
    square = np.maximum((s.residual**2).sum((1, 2)), TINY)
    return (s.residual[..., 1:] * s.residual[..., :-1]).sum((1, 2)) / square


def _tails(s: Situation) -> np.ndarray:
    """Kurtosis of the residuals."""
    total = s.count.sum()
    square = (s.residual**2).sum((1, 2)) / total
    return (s.residual**4).sum((1, 2)) / total / np.maximum(square, TINY) ** 2


def _largest(s: Situation) -> np.ndarray:
    return np.abs(s.residual).max((1, 2))


def _shape(s: Situation) -> np.ndarray:
    """Distance of the residuals' distribution from the normal one, largest over a grid."""
    num_draws = s.residual.shape[0]
    edges = np.linspace(-WIDEST, WIDEST, NUM_BINS + 1)
    scaled = (np.clip(s.residual, -WIDEST, WIDEST * (1 - 1e-9)) + WIDEST) * (NUM_BINS / (2 * WIDEST))
    place = scaled.astype(np.int64) + NUM_BINS * np.arange(num_draws)[:, None, None]
    weights = np.broadcast_to(s.measured, s.residual.shape)
    counts = np.bincount(place[weights], minlength=NUM_BINS * num_draws).reshape(num_draws, NUM_BINS)
    share = np.cumsum(counts, 1) / s.count.sum()
    return np.abs(share - ndtr(edges[1:])).max(1)


def _lag_correlation(s: Situation) -> np.ndarray:
    """Correlation of successive signals, mean over the devices."""
    centred = np.where(s.measured, s.signal, 0.0)
    centred = np.where(s.measured, s.signal - (centred.sum(2) / s.count)[..., None], 0.0)
    square = np.maximum((centred**2).sum(2), TINY)
    return ((centred[..., 1:] * centred[..., :-1]).sum(2) / square).mean(1)


DISCREPANCIES = (
    Discrepancy("devices", "differences between devices: ln of their rates of crossing", _devices, _several),
    Discrepancy("crossings", "how often the signal passes from level to level", _crossings),
    _longest(0),
    _longest(1),
    Discrepancy("dwell spread", "dwells with one time scale: scatter of ln dwell", _dwell_spread),
    Discrepancy(
        "switching drift", "rates that stay: switches of the first against the second half", _switching_drift
    ),
    Discrepancy(
        "occupation drift", "rates that stay: share of the high level, half against half", _occupation_drift
    ),
    Discrepancy(
        "level drift", "levels that stay: residuals of the last against the first third", _level_drift
    ),
    Discrepancy("neighbours", "read noise without memory: lag-1 correlation of residuals", _neighbours),
    Discrepancy("tails", "Gaussian read noise: kurtosis of residuals", _tails),
    Discrepancy("largest residual", "the sample that fits worst", _largest),
    Discrepancy(
        "residual shape", "number of levels: distribution of residuals against the normal one", _shape
    ),
    Discrepancy("lag-1 correlation", "memory: correlation of successive signals", _lag_correlation),
)
