"""The best cut of a sequence into two parts: Otsu's criterion at every cut point, not over a histogram."""

import numpy as np
from numpy.typing import NDArray


def between_variance(values: NDArray[np.float64], count: NDArray[np.intp]) -> NDArray[np.float64]:
    """Between-class variance of every cut, up to a constant factor.

    With k values before the cut of n, and means m0 and m1 of both parts::

        B(k) = k (n - k) (m1 - m0)²

    Parameters
    ----------
    values : array, shape (rows, size)
        The first `count` of each row are finite and count.
    count : array of int, shape (rows,)

    Returns
    -------
    array, shape (rows, size - 1)
        Element i is the cut after the values 0..i; -inf where a part would be empty.
    """
    position = np.arange(1, values.shape[1])
    inside = np.arange(values.shape[1]) < count[:, None]
    # Centred, because sums of thousands of nearly equal numbers lose the digits that tell the parts apart.
    centre = np.where(inside, values, 0.0).sum(axis=1) / np.maximum(count, 1)
    total = np.cumsum(np.where(inside, values - centre[:, None], 0.0), axis=1)
    rest = count[:, None] - position
    possible = rest > 0
    after = np.where(possible, rest, 1)
    difference = (total[:, -1:] - total[:, :-1]) / after - total[:, :-1] / position
    return np.where(possible, position * after * difference**2, -np.inf)


def otsu(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact Otsu split of each row: the cut between two different sorted values that parts them best.

    Parameters
    ----------
    values : array, shape (rows, size)
        NaN does not count.

    Returns
    -------
    below, above : array, shape (rows,)
        The largest value of the lower part and the smallest of the upper one; NaN where a row has no two
        different values.
    """
    ordered = np.sort(values, axis=1)
    if values.shape[1] < 2:
        nothing = np.full(values.shape[0], np.nan)
        return nothing, nothing
    score = between_variance(ordered, np.isfinite(ordered).sum(axis=1))
    score = np.where(ordered[:, 1:] > ordered[:, :-1], score, -np.inf)
    best = np.argmax(score, axis=1)
    row = np.arange(values.shape[0])
    found = np.isfinite(score[row, best])
    return np.where(found, ordered[row, best], np.nan), np.where(found, ordered[row, best + 1], np.nan)
