"""The best split of a trace into two levels, and how often it is crossed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.datachecks.moments import sample_rows, spans
from charz.otsu import otsu


class Split(NamedTuple):
    """Two levels of each row.

    Parameters
    ----------
    threshold, low, high : array, shape (rows,)
        Cut, and mean of the values below and above it.
    noise : array, shape (rows,)
        Standard deviation within the two levels, pooled.
    share : array, shape (rows,)
        Of the values above the cut.
    """

    threshold: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    noise: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def separation(self) -> NDArray[np.float64]:
        """Distance of the levels over the noise; infinite without noise, zero where there is one value."""
        distance = self.high - self.low
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(distance > 0, distance / self.noise, 0.0)


def two_levels(values: NDArray[np.floating]) -> Split:
    r"""Split each row at the cut that explains most of its variance (Otsu, IEEE Trans. SMC 9, 62 (1979)).

    .. math:: \max_k\; w_k (1 - w_k) (\mu_{>k} - \mu_{\le k})^2

    over all cuts k between two different values. Long rows are represented by every k-th of their values.
    """
    rows = sample_rows(values).astype(np.float64)
    below, above = otsu(rows)
    threshold = 0.5 * (below + above)
    high = rows > threshold[:, None]
    low = np.isfinite(rows) & ~high
    levels = [_mean(rows, part) for part in (low, high)]
    squares = sum(
        np.where(part, (rows - level[:, None]) ** 2, 0.0).sum(axis=1)
        for part, level in zip((low, high), levels, strict=True)
    )
    number, upper = (low | high).sum(axis=1), high.sum(axis=1)
    noise = np.sqrt(squares / np.maximum(number, 1))
    found = np.isfinite(threshold)
    parts = (threshold, *levels, noise, upper / np.maximum(number, 1))
    return Split(*(np.where(found, item, np.nan) for item in parts))


def _mean(rows: NDArray[np.float64], part: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(part, rows, 0.0).sum(axis=1) / np.maximum(part.sum(axis=1), 1)


class Occupancy(NamedTuple):
    """Of each row: samples and samples above the cut in either half (2, rows), and crossings of the cut."""

    number: NDArray[np.int64]
    above: NDArray[np.int64]
    crossings: NDArray[np.int64]


def occupancy(values: NDArray[np.floating], threshold: NDArray[np.float64]) -> Occupancy:
    """Count in blocks how often each row is above its cut, in its first and second half, and how it crosses."""
    rows = values.shape[0]
    number, above = np.zeros((2, rows), dtype=np.int64), np.zeros((2, rows), dtype=np.int64)
    crossings = np.zeros(rows, dtype=np.int64)
    half = np.isfinite(values).sum(axis=1) // 2
    for span in spans(values.shape):
        part = values[:, max(span.start - 1, 0) : span.stop]
        finite, state = np.isfinite(part), part > threshold[:, None]
        crossings += ((state[:, 1:] != state[:, :-1]) & finite[:, 1:] & finite[:, :-1]).sum(axis=1)
        skip = 1 if span.start else 0
        early = np.arange(span.start, span.stop) < half[:, None]
        for index, mask in enumerate((early, ~early)):
            here = mask & finite[:, skip:]
            number[index] += here.sum(axis=1)
            above[index] += (here & state[:, skip:]).sum(axis=1)
    return Occupancy(number, above, crossings)
