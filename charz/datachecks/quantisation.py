"""Resolution: how many distinct values there are, and how far apart against the noise."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import head_rows, quantiles
from charz.datachecks.rows import device_rows, response_name, where, worst

FEW_LEVELS = 8
MIN_POINTS = 50
POINTS_PER_LEVEL = 5
# Rounding to steps of g adds the variance g²/12: 1 % of that of the noise at this ratio.
STEP_OVER_NOISE = 0.12**0.5


class Distinct(NamedTuple):
    """Points looked at in each row, their distinct values, and the median distance of neighbouring ones."""

    points: NDArray[np.int64]
    levels: NDArray[np.int64]
    step: NDArray[np.float64]


def distinct(values: NDArray[np.floating]) -> Distinct:
    """Count the distinct values of each row, over at most its first 65536 points."""
    ordered = np.sort(head_rows(values), axis=1)
    points = np.isfinite(ordered).sum(axis=1)
    gap = np.diff(ordered, axis=1)
    apart = gap > 0
    (step,) = quantiles(np.where(apart, gap, np.nan), 0.5)
    return Distinct(points, apart.sum(axis=1) + (points > 0), step)


def check_quantisation(dataset: xr.Dataset) -> list[Finding]:
    """Find readings whose resolution is coarse against their noise.

    Flagged where each distinct value occurs five times or more on average and the step between them is at
    least 0.35 of the noise, so that rounding adds 1 % or more to its variance (Sheppard's g²/12). The noise
    is the median difference of neighbours, 1.4826 median|x[i+1] - x[i]| / √2, which a few jumps leave alone.
    """
    rows = device_rows(dataset, response_name(dataset))
    found = distinct(rows.values)
    (half,) = quantiles(np.abs(np.diff(head_rows(rows.values), axis=1)), 0.5)
    noise = 1.4826 * half / np.sqrt(2)
    coarse = found.step >= STEP_OVER_NOISE * noise
    flagged = (
        coarse
        & (found.points >= MIN_POINTS)
        & (found.levels > FEW_LEVELS)
        & (found.points >= POINTS_PER_LEVEL * found.levels)
    )
    if not flagged.any():
        return []
    first = worst(flagged, -found.levels.astype(float))[0]
    seen = (
        f"{found.levels[first]} levels in {found.points[first]} points, {quantity(found.step[first], rows.unit)} "
        f"apart; noise between neighbours {quantity(noise[first], rows.unit)}"
    )
    meaning = "the resolution is part of the noise: a fitted noise cannot be below step/sqrt(12)"
    if dataset.attrs["experiment"] == "ramp_switching":
        meaning = (
            "thresholds are known to one step only: mark them as interval-censored, with lower and upper"
        )
    return [Finding("quantisation", where(rows, flagged, -found.levels.astype(float)), seen, meaning, "note")]


def check_stimulus(dataset: xr.Dataset) -> list[Finding]:
    """Find responses of at most 8 distinct values over 50 points or more: perhaps the programme, not the answer."""
    rows = device_rows(dataset, response_name(dataset))
    found = distinct(rows.values)
    flagged = (found.points >= MIN_POINTS) & (found.levels <= FEW_LEVELS)
    if not flagged.any():
        return []
    first = worst(flagged, -found.levels.astype(float))[0]
    seen = f"{found.levels[first]} distinct values in {found.points[first]} points"
    meaning = (
        "an analog reading has noise: this looks like a stimulus or a digitised state, not a measured answer"
    )
    return [
        Finding("stimulus_only", where(rows, flagged, -found.levels.astype(float)), seen, meaning, "warning")
    ]
