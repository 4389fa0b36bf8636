"""Records split into levels by a threshold: what starts the search and tells how often a device switched."""

from typing import NamedTuple

import numpy as np

from charz.fitting.contract import Observations
from charz.otsu import otsu

# A threshold needs no more samples than this; they are taken evenly over the record.
MAX_SPLIT_SAMPLES = 20_000


class Split(NamedTuple):
    """Two levels of each device, (device,).

    Parameters
    ----------
    low, high : array
        Means below and above the threshold.
    noise : array
        Standard deviation within the two parts.
    """

    low: np.ndarray
    high: np.ndarray
    noise: np.ndarray


def thinned(signal: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Evenly spaced samples of each record, (device, sample), NaN where missing."""
    stride = -(-signal.shape[1] // MAX_SPLIT_SAMPLES)
    return np.where(measured[:, ::stride], signal[:, ::stride], np.nan)


def otsu_split(values: np.ndarray) -> Split:
    """Split at Otsu's threshold."""
    below, above = otsu(values)
    return at_threshold(values, (below + above) / 2)


def middle_split(values: np.ndarray) -> Split:
    """Split in the middle of the range: finds a rare level where Otsu parts the noise."""
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    return at_threshold(values, (low + high) / 2)


def at_threshold(values: np.ndarray, threshold: np.ndarray) -> Split:
    """Means and scatter of the parts of each row, NaN not counting; a part that is empty gets the threshold."""
    present = np.isfinite(values)
    parts = [present & (values > threshold[:, None]), present & (values <= threshold[:, None])]
    high, low = (_mean(values, part, threshold) for part in parts)
    square = sum(
        np.where(part, (values - level[:, None]) ** 2, 0.0).sum(1)
        for part, level in zip(parts, (high, low), strict=True)
    )
    scatter = np.sqrt(square / np.maximum(present.sum(1), 1))
    # Two equal values a level have no scatter: the noise is then at most a small part of the distance.
    return Split(low, high, np.maximum(scatter, 1e-3 * np.maximum(high - low, np.finfo(float).tiny)))


def switches(signal: np.ndarray, measured: np.ndarray, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Number of passages of the middle up and down of each device; missing samples are passed over.

    Noise that crosses the middle is counted, too: the numbers are upper limits, as in some cells dwells of a sample
    or two hardly pass the middle.
    """
    high = signal > ((split.low + split.high) / 2)[:, None]
    if not measured.all():
        place = np.maximum.accumulate(np.where(measured, np.arange(signal.shape[1]), 0), axis=1)
        high = np.take_along_axis(high, place, 1)
    # What precedes the first sample takes its state.
    first = np.argmax(measured, axis=1)
    before = np.arange(signal.shape[1]) < first[:, None]
    high = np.where(before, np.take_along_axis(high, first[:, None], 1), high)
    return (high[:, 1:] & ~high[:, :-1]).sum(1), (~high[:, 1:] & high[:, :-1]).sum(1)


def without_trend(observations: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Signal less its least-squares line (device, time), and the change of the line over the record (device,)."""
    signal, measured = observations.arrays["signal"], observations.measured
    share = observations.arrays.get("passed")  # of the segments of a stand-in
    if share is None:
        share = np.arange(signal.shape[1]) / observations.arrays["length"][:, None] - 0.5
    weight = measured.astype(float)
    count = np.maximum(weight.sum(1, keepdims=True), 1)
    time = share - (share * weight).sum(1, keepdims=True) / count
    level = signal - (signal * weight).sum(1, keepdims=True) / count
    square = np.maximum((weight * time**2).sum(1), np.finfo(float).tiny)
    slope = (weight * time * level).sum(1) / square
    return signal - slope[:, None] * share, slope


def _mean(values: np.ndarray, part: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    count = part.sum(1)
    total = np.where(part, values, 0.0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), otherwise)
