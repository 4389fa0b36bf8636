"""Telegraph traces: whether there are two levels, and whether both halves of the trace are alike."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.chance import beyond_chance
from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import sample_rows
from charz.datachecks.rows import Rows, device_rows, where, worst
from charz.datachecks.split import Split, occupancy, two_levels

# Splitting one normal peak at its middle gives levels 2.65 standard deviations (of the halves) apart, an even
# spread of values 3.46: what is not above 4 is one peak or a drift as far as the histogram can tell.
TWO = 4.0
MORE = 6.0
RARE = 0.05
VALLEY = 0.1
MIN_CROSSINGS = 20
MIN_CHANGE = 0.05


def check_levels(dataset: xr.Dataset) -> list[Finding]:
    """Find traces without two separate levels, and with more than two.

    The trace is split in two at Otsu's cut. No two levels: they lie less than 4 pooled standard deviations
    apart. More than two: one of them, split again, gives two that lie 6 or more of theirs apart, each holding
    5 % of the samples, with a valley between them: the middle 30 % of their distance holds less than a tenth
    of the smaller one's samples (two normal levels 6 apart leave 1.8 % of each there). Rarer levels are left.
    """
    rows = device_rows(dataset, "signal")
    values = sample_rows(rows.values)
    split = two_levels(values)
    more = np.zeros(len(values), dtype=bool)
    for above in (False, True):
        inside = (values > split.threshold[:, None]) == above
        again = two_levels(np.where(inside, values, np.nan))
        share = np.minimum(again.share, 1 - again.share) * (split.share if above else 1 - split.share)
        more |= (again.separation >= MORE) & (share >= RARE) & (_valley(values, again) < VALLEY * share)
    few = (split.separation < TWO) & ~more
    return _one(rows, split, few) + _many(rows, split, more)


def _valley(values: NDArray[np.floating], split: Split) -> NDArray[np.float64]:
    """Share of all samples in the middle 30 % between the two levels."""
    middle, reach = 0.5 * (split.low + split.high), 0.15 * (split.high - split.low)
    inside = (np.abs(values - middle[:, None]) < reach[:, None]).sum(axis=1)
    return inside / np.maximum(np.isfinite(values).sum(axis=1), 1)


def _one(rows: Rows, split: Split, flagged: NDArray[np.bool_]) -> list[Finding]:
    if not flagged.any():
        return []
    first = worst(flagged, -split.separation)[0]
    seen = (
        f"best split {quantity(split.low[first], rows.unit)} / {quantity(split.high[first], rows.unit)}: only "
        f"{split.separation[first]:.2g} noise sd apart (one normal peak gives 2.7)"
    )
    meaning = "one broad peak, a drift, or levels that overlap: dwell times from a threshold count noise"
    return [Finding("levels", where(rows, flagged, -split.separation), seen, meaning, "warning")]


def _many(rows: Rows, split: Split, flagged: NDArray[np.bool_]) -> list[Finding]:
    if not flagged.any():
        return []
    seen = f"one of the two levels consists of two that are {MORE:.0f} or more noise sd apart"
    meaning = "more than two levels: a two-state model puts the third into noise and rates"
    return [Finding("levels", where(rows, flagged, split.separation), seen, meaning, "warning")]


def check_stationarity(dataset: xr.Dataset) -> list[Finding]:
    r"""Compare the occupancy of the upper level in the first and the second half of a trace.

    The standard error of each half's share p is that of a two-state chain,
    √(p (1 − p)/n · (1 + r)/(1 − r)), whose r follows from the crossings c of n samples:
    c = 2 n p (1 − p)(1 − r). Flagged beyond 3 standard errors of the difference (as `beyond_chance`
    allows) and 0.05. Traces with fewer than 20 crossings cannot tell and are left out.
    """
    rows = device_rows(dataset, "signal")
    split = two_levels(rows.values)
    found = occupancy(rows.values, split.threshold)
    number = np.maximum(found.number, 1)
    total = number.sum(axis=0)
    share, halves = found.above.sum(axis=0) / total, found.above / number
    variance = np.maximum(share * (1 - share), 1e-12)
    changes = np.clip(found.crossings / (total * variance), 1e-9, 2.0)
    # (1 + r)/(1 - r) with 1 - r = changes / 2
    error = np.sqrt(variance * np.maximum(4 / changes - 1, 1e-3) * (1 / number).sum(axis=0))
    difference = halves[1] - halves[0]
    usable = (found.crossings >= MIN_CROSSINGS) & (np.abs(difference) > MIN_CHANGE)
    usable &= split.separation >= TWO
    z = np.where(found.crossings >= MIN_CROSSINGS, difference / error, np.nan)
    flagged = beyond_chance(z) & usable
    if not flagged.any():
        return []
    size = np.abs(np.nan_to_num(z))
    first = worst(flagged, size)[0]
    seen = (
        f"upper level holds {halves[0, first]:.0%} of the first half and {halves[1, first]:.0%} of the second "
        f"({size[first]:.1f} standard errors)"
    )
    meaning = "not stationary: one pair of rates does not describe the whole trace"
    return [Finding("stationarity", where(rows, flagged, size), seen, meaning, "warning")]
