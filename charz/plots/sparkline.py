"""Traces and histograms in one line of text, and the thinning of long traces that keeps every peak."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-:=+*#"
MISSING = " "
DEFAULT_WIDTH = 60


def sparkline(values: ArrayLike, width: int = DEFAULT_WIDTH, *, ascii_only: bool = False) -> str:
    """Draw a trace in order, from its smallest (lowest block) to its largest value (highest block).

    Parameters
    ----------
    values : array_like, shape (n,)
        NaN is drawn as a blank.
    width : int
        Largest number of characters; longer traces are thinned by `extreme_indices`, so that no peak is lost.
    ascii_only : bool
        Use ``_.-:=+*#`` where a terminal has no block characters.

    Returns
    -------
    str
        Empty where there are no values; of the middle block where all are equal.

    Examples
    --------
    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7])
    '▁▂▃▄▅▆▇█'
    """
    trace = np.asarray(values).ravel()
    return _draw(trace[extreme_indices(trace, width)], ascii_only)


def histogram_line(values: ArrayLike, width: int = DEFAULT_WIDTH, *, ascii_only: bool = False) -> str:
    """Draw how often values occur, from the smallest (left) to the largest (right), in `width` bins.

    Parameters
    ----------
    values : array_like, shape (n,)
        NaN is left out.
    width : int
        Number of bins; fewer where there are fewer than 4 values a bin.
    ascii_only : bool
        As for `sparkline`.

    Returns
    -------
    str
        An empty bin is a blank. Empty where there are no values; one full block where all are equal.

    Examples
    --------
    >>> histogram_line([0] * 8 + [1] * 4, width=2)
    '█▄'
    """
    trace = np.asarray(values, dtype=np.float64).ravel()
    trace = trace[np.isfinite(trace)]
    characters = ASCII if ascii_only else BLOCKS
    if not trace.size:
        return ""
    low, high = trace.min(), trace.max()
    # The width of a bin must be a number above zero: neither rounding nor overflow.
    if not 0 < (high - low) / width < np.inf:
        return characters[-1]
    counts, _ = np.histogram(trace, bins=max(1, min(width, trace.size // 4)), range=(low, high))
    level = np.ceil(counts / counts.max() * len(characters)).astype(int)
    return "".join(MISSING if one == 0 else characters[one - 1] for one in level.tolist())


def extreme_indices(values: NDArray[Any], number: int) -> NDArray[np.intp]:
    """Indices that thin a trace to at most `number` points and keep the extremes of every stretch.

    Parameters
    ----------
    values : array, shape (n,)
    number : int
        At least 2.

    Returns
    -------
    array of int
        Rising. All of them where n ≤ number; otherwise the place of the smallest and of the largest value of
        each of number/2 stretches, in the order in which they occur. A stretch without values gives two
        places of NaN.
    """
    size = values.size
    if size <= number:
        return np.arange(size)
    stretches = max(1, number // 2)
    length = -(-size // stretches)
    whole = size // length * length
    found = [_extremes(values[:whole].reshape(-1, length), 0)]
    if whole < size:
        rest = _extremes(values[whole:].reshape(1, -1), whole)
        found.append(rest[: size - whole])
    return np.concatenate(found)


def _extremes(table: NDArray[Any], start: int) -> NDArray[np.intp]:
    low, high = np.fmin.reduce(table, axis=1), np.fmax.reduce(table, axis=1)
    # Where a row is all NaN nothing is equal and argmax gives its first place, which is NaN as it should be.
    first = (table == low[:, None]).argmax(axis=1)
    second = (table == high[:, None]).argmax(axis=1)
    places = np.sort(np.stack([first, second], axis=1), axis=1)
    return (places + table.shape[1] * np.arange(len(table))[:, None] + start).ravel()


def _draw(trace: NDArray[Any], ascii_only: bool) -> str:
    characters = ASCII if ascii_only else BLOCKS
    finite = np.isfinite(trace)
    if not finite.any():
        return MISSING * trace.size
    # Halved: the difference of two huge values of opposite sign would overflow.
    half = np.where(finite, trace, trace[finite][0]).astype(np.float64) / 2
    low, reach = half.min(), np.ptp(half)
    share = (half - low) / reach if reach > 0 else np.full(trace.size, 0.5)
    level = np.minimum((share * len(characters)).astype(int), len(characters) - 1)
    return "".join(
        characters[one] if here else MISSING
        for one, here in zip(level.tolist(), finite.tolist(), strict=True)
    )
