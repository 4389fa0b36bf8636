"""Runs of equal states in many records at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class DwellTable(NamedTuple):
    """Dwells over (record, dwell): samples (0 where padded), state (-1), and whether both ends were seen."""

    length: Integers
    state: Integers
    complete: Integers


class _Runs(NamedTuple):
    """Runs of all records one after the other; `first` and `last` begin and end a stretch without gaps."""

    record: Integers
    state: Integers
    length: Integers
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]


def merge_short(state: Integers, least: int) -> tuple[Integers, int]:
    """Count dwells of fewer than `least` samples to the dwell before them.

    Parameters
    ----------
    state : array, shape (records, time)
        0, 1, or -1 where missing. The first and last dwell of a stretch are kept whatever their length.

    Returns
    -------
    merged : array, shape (records, time)
    count : int
        How many short dwells there were.
    """
    runs = _runs(state)
    short = (runs.state >= 0) & (runs.length < least) & ~runs.first & ~runs.last
    kept = np.maximum.accumulate(np.where(short, 0, np.arange(short.size)))
    return np.repeat(runs.state[kept], runs.length).reshape(state.shape), int(short.sum())


def dwell_table(state: Integers) -> DwellTable:
    """Dwells of each record in time order, padded to the longest table.

    Parameters
    ----------
    state : array, shape (records, time)
    """
    runs = _runs(state)
    real = runs.state >= 0
    record = runs.record[real]
    number = np.arange(record.size) - np.searchsorted(record, record)
    shape = (state.shape[0], int(number.max()) + 1)
    length, states, complete = (
        np.zeros(shape, np.int64),
        np.full(shape, -1, np.int64),
        np.zeros(shape, np.int64),
    )
    length[record, number] = runs.length[real]
    states[record, number] = runs.state[real]
    complete[record, number] = ~(runs.first | runs.last)[real]
    return DwellTable(length, states, complete)


def _runs(state: Integers) -> _Runs:
    new = np.ones(state.shape, dtype=bool)
    new[:, 1:] = state[:, 1:] != state[:, :-1]
    start = np.flatnonzero(new)
    length = np.diff(np.append(start, state.size))
    record = start // state.shape[1]
    value = state.ravel()[start]
    # A dwell has an unseen end where its neighbour is of another record or missing.
    apart = np.ones(start.size + 1, dtype=bool)
    apart[1:-1] = (record[1:] != record[:-1]) | (value[1:] < 0) | (value[:-1] < 0)
    return _Runs(record, value, length, apart[:-1], apart[1:])
