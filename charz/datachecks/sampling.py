"""Time stamps: gaps, uneven steps, and stamps that repeat."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import head_rows, moments, quantiles, spans
from charz.datachecks.rows import Rows, device_rows, where, worst

GAP = 1.5
# Spread of the steps over their mean. Time stamps in double precision are even to 1e-9 and better.
UNEVEN = 1e-3
# Share of the steps within 10 % of the median above which a record is meant to be even; times of a retention
# record are often spaced by their logarithm, where a longer step is no gap.
MOSTLY = 0.9


def check_sampling(dataset: xr.Dataset) -> list[Finding]:
    """Find steps of ``elapsed`` above 1.5 times the median step, and uneven steps.

    A step between 0.5 and 1.5 times the median is a rounded or jittered stamp; beyond it at least one sample
    is missing. Records that are not meant to be even (fewer than 90 % of the steps within 10 % of the median)
    are looked at for neither, unless they are ``telegraph``, whose rates need even steps.
    """
    if "elapsed" not in dataset:
        return []
    rows = device_rows(dataset, "elapsed")
    if rows.values.shape[1] < 3:
        return []
    telegraph = dataset.attrs["experiment"] == "telegraph"
    heads = np.diff(head_rows(rows.values), axis=1)
    (median,) = quantiles(heads, 0.5)
    near = np.abs(heads - median[:, None]) <= 0.1 * median[:, None]
    share = near.sum(axis=1) / np.maximum(np.isfinite(heads).sum(axis=1), 1)
    usable = (median > 0) & ((share >= MOSTLY) | telegraph)
    return _gaps(rows, median, usable) + (_uneven(rows, median, usable) if telegraph else [])


def _gaps(rows: Rows, median: NDArray[np.float64], usable: NDArray[np.bool_]) -> list[Finding]:
    count = np.zeros(len(median), dtype=np.int64)
    longest = np.zeros(len(median))
    for step in _steps(rows):
        count += (step > GAP * median[:, None]).sum(axis=1)
        longest = np.fmax(longest, np.fmax.reduce(step, axis=1))
    flagged = usable & (count > 0)
    if not flagged.any():
        return []
    first = worst(flagged, longest)[0]
    seen = (
        f"{count[flagged].sum()} steps above {GAP} x the median step of {quantity(median[first], 's')}, "
        f"the longest {quantity(longest[first], 's')}"
    )
    meaning = "samples are missing: dwell times and drifts across a gap are too long or too short"
    return [Finding("sampling", where(rows, flagged, longest), seen, meaning, "warning")]


def _uneven(rows: Rows, median: NDArray[np.float64], usable: NDArray[np.bool_]) -> list[Finding]:
    number, sums, squares = np.zeros(len(median)), np.zeros(len(median)), np.zeros(len(median))
    for step in _steps(rows):
        # Gaps are told apart; they would hide how even the rest is.
        inside = step <= GAP * median[:, None]
        number += inside.sum(axis=1)
        part = np.where(inside, step - median[:, None], 0.0)
        sums += part.sum(axis=1)
        squares += np.einsum("ij,ij->i", part, part)
    excess = sums / np.maximum(number, 1)
    mean = median + excess
    sd = np.sqrt(np.maximum(squares / np.maximum(number, 1) - excess**2, 0.0))
    flagged = usable & (mean > 0) & (sd > UNEVEN * mean)
    if not flagged.any():
        return []
    first = worst(flagged, sd / mean)[0]
    seen = (
        f"steps without gaps: mean {quantity(mean[first], 's')}, median {quantity(median[first], 's')}, "
        f"sd {quantity(sd[first], 's')}"
    )
    meaning = (
        "the time stamps are rounded or the clock jitters: use the mean step as sample interval, neither the "
        "first nor the median"
    )
    return [Finding("sampling", where(rows, flagged, sd / mean), seen, meaning, "note")]


def check_time_order(dataset: xr.Dataset) -> list[Finding]:
    """Find time stamps that repeat; `charz.schema.validate` refuses those that run backwards."""
    if "elapsed" not in dataset:
        return []
    rows = device_rows(dataset, "elapsed")
    if rows.values.shape[1] < 2:
        return []
    count = np.zeros(rows.values.shape[0], dtype=np.int64)
    for step in _steps(rows):
        count += (step <= 0).sum(axis=1)
    flagged = count > 0
    if not flagged.any():
        return []
    number = moments(rows.values).number
    first = worst(flagged, count)[0]
    seen = f"{count[first]} of {number[first]} time stamps equal the one before"
    meaning = "no time passes between two samples: rates per second of that interval are not defined"
    return [Finding("time_order", where(rows, flagged, count), seen, meaning, "warning")]


def _steps(rows: Rows) -> Iterator[NDArray[np.floating]]:
    values = rows.values
    shape = (values.shape[0], values.shape[1] - 1)
    return (np.diff(values[:, span.start : span.stop + 1], axis=1) for span in spans(shape))
