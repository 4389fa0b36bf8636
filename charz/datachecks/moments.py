"""Moments, quantiles and correlations of rows with NaN, in blocks, so that long traces need little memory."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]
BLOCK = 1 << 21
SAMPLE = 1 << 22
SAMPLE_A_ROW = 1 << 16


class Moments(NamedTuple):
    """Number, mean, standard deviation (n - 1), minimum and maximum of the finite values of each row."""

    number: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def spans(shape: tuple[int, ...], block: int = BLOCK) -> Iterator[slice]:
    """Slices along the second axis that hold about `block` values each."""
    rows, size = shape
    step = max(1, block // max(1, rows))
    return (slice(first, min(first + step, size)) for first in range(0, size, step))


def moments(values: Values) -> Moments:
    """Moments of each row; mean, sd, minimum and maximum are NaN where there are too few values."""
    rows = values.shape[0]
    number = np.zeros(rows, dtype=np.int64)
    sums, squares = np.zeros(rows), np.zeros(rows)
    low, high = np.full(rows, np.nan), np.full(rows, np.nan)
    shift = _shift(values)
    for span in spans(values.shape):
        low = np.fmin(low, np.fmin.reduce(values[:, span], axis=1))
        high = np.fmax(high, np.fmax.reduce(values[:, span], axis=1))
        part = values[:, span] - shift[:, None]
        finite = np.isfinite(part)
        part[~finite] = 0.0
        number += finite.sum(axis=1)
        sums += part.sum(axis=1)
        squares += np.einsum("ij,ij->i", part, part)
    count = np.maximum(number, 1)
    variance = np.maximum(squares - sums**2 / count, 0.0) / np.maximum(number - 1, 1)
    some, several = number > 0, number > 1
    return Moments(
        number,
        np.where(some, shift + sums / count, np.nan),
        np.where(several, np.sqrt(variance), np.nan),
        low,
        high,
    )


def lag_one(values: Values) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    r"""Correlation of neighbours of each row, and the number of pairs.

    .. math:: r = \mathrm{corr}(x_1 \ldots x_{n-1},\; x_2 \ldots x_n)

    Zero where a row is constant or has fewer than three pairs.
    """
    rows, size = values.shape
    number = np.zeros(rows, dtype=np.int64)
    sums = np.zeros((5, rows))
    shift = _shift(values)[:, None]
    for span in spans((rows, size - 1)):
        part = values[:, span.start : span.stop + 1] - shift
        first, second = part[:, :-1], part[:, 1:]
        both = np.isfinite(first) & np.isfinite(second)
        if not both.all():
            first, second = np.where(both, first, 0.0), np.where(both, second, 0.0)
        number += both.sum(axis=1)
        sums += np.stack(
            [
                first.sum(axis=1),
                second.sum(axis=1),
                np.einsum("ij,ij->i", first, first),
                np.einsum("ij,ij->i", second, second),
                np.einsum("ij,ij->i", first, second),
            ]
        )
    return _correlation(number, *sums), number


def trend(values: Values) -> tuple[NDArray[np.float64], Values]:
    """Correlation of each row's values with their place in the row, and what a line leaves of them."""
    finite = np.isfinite(values)
    number = np.maximum(finite.sum(axis=1, keepdims=True), 1)
    place = np.where(finite, np.arange(values.shape[1]), 0.0)
    place -= np.where(finite, place.sum(axis=1, keepdims=True) / number, 0.0)
    centred = np.where(finite, values - _shift(values)[:, None], 0.0)
    centred -= np.where(finite, centred.sum(axis=1, keepdims=True) / number, 0.0)
    squares, products = np.einsum("ij,ij->i", place, place), np.einsum("ij,ij->i", place, centred)
    zero, spread = np.zeros(len(values)), np.einsum("ij,ij->i", centred, centred)
    found = _correlation(finite.sum(axis=1), zero, zero, squares, spread, products)
    slope = products / np.where(squares > 0, squares, 1.0)
    return found, np.where(finite, centred - slope[:, None] * place, np.nan)


def sample_rows(values: Values) -> Values:
    """Whole rows where they are short, else every k-th value, so that a sort of the result is quick."""
    wanted = max(256, min(SAMPLE_A_ROW, SAMPLE // max(1, values.shape[0])))
    return values[:, :: max(1, -(-values.shape[1] // wanted))]


def head_rows(values: Values) -> Values:
    """First values of each row, neighbours kept together, as many as `sample_rows` would take."""
    return values[:, : max(256, min(SAMPLE_A_ROW, SAMPLE // max(1, values.shape[0])))]


def quantiles(values: Values, *levels: float) -> list[NDArray[np.float64]]:
    """Quantiles of the finite values of each row (the lower neighbour, no interpolation); NaN where none."""
    if not values.shape[1]:
        return [np.full(values.shape[0], np.nan) for _ in levels]
    ordered = np.sort(values, axis=1)
    number = np.isfinite(values).sum(axis=1)
    return [_at(ordered, number, level) for level in levels]


def _at(ordered: Values, number: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    index = np.floor(np.maximum(number - 1, 0) * level).astype(np.intp)
    found = np.take_along_axis(ordered, index[:, None], axis=1)[:, 0]
    return np.where(number > 0, found, np.nan)


def _shift(values: Values) -> NDArray[np.float64]:
    """Return a value near the middle of each row: sums around it do not lose digits."""
    if not values.shape[1]:
        return np.zeros(values.shape[0])
    return np.nan_to_num(quantiles(sample_rows(values)[:, :1024], 0.5)[0], nan=0.0)


def _correlation(
    number: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    xx: NDArray[np.float64],
    yy: NDArray[np.float64],
    xy: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Pearson correlation from sums."""
    count = np.maximum(number, 1)
    square_x, square_y = xx - x * x / count, yy - y * y / count
    # Below rounding, a row is constant.
    varies = (square_x > 1e-12 * xx) & (square_y > 1e-12 * yy) & (number >= 3)
    scale = np.sqrt(np.where(varies, square_x * square_y, 1.0))
    return np.where(varies, np.clip((xy - x * y / count) / scale, -1.0, 1.0), 0.0)
