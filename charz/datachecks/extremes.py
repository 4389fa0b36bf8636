"""Values that pile up at the largest or smallest reading: saturation, compliance, a sweep limit."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.chance import TAIL, binomial_tail
from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import moments, sample_rows, spans
from charz.datachecks.quantisation import FEW_LEVELS, distinct
from charz.datachecks.rows import Rows, device_rows, response_name, where, worst

NEIGHBOURS = 12
AT_COMPLIANCE = 0.995


class PileUp(NamedTuple):
    """Extreme value of each row, how many readings are exactly there, and how probable that is by chance."""

    value: NDArray[np.float64]
    readings: NDArray[np.int64]
    probability: NDArray[np.float64]


def pile_up(values: NDArray[np.floating], side: int) -> PileUp:
    r"""Count the readings exactly at the largest (`side` +1) or smallest (-1) value of each row.

    A density that does not rise towards its end gives the last of k + 1 grid steps at most 1/(k + 1) of the
    readings in them. With c readings at the extreme and m in the k = 12 steps beside it (fewer where the row
    has fewer), the chance of c or more is at most that of a binomial variable with n = c + m and
    p = 1/(k + 1). The grid step is the smallest difference between two readings: for readings that are not
    on a grid m is zero, and three equal ones have a chance of 1/2197.
    """
    found = moments(values)
    extreme = found.high if side > 0 else found.low
    ordered = np.sort(sample_rows(values), axis=1)
    gap = np.diff(ordered, axis=1)
    step = np.where(gap > 0, gap, np.inf).min(axis=1, initial=np.inf)
    step = np.where(np.isfinite(step), step, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = np.where(step > 0, np.rint((found.high - found.low) / step), 1)
    window = np.clip(cells, 1, NEIGHBOURS)
    bound = extreme - side * (window + 0.5) * step
    count, near = np.zeros((2, len(values)), dtype=np.int64)
    for span in spans(values.shape):
        part = values[:, span]
        count += (part == extreme[:, None]).sum(axis=1)
        near += (part * side >= (bound * side)[:, None]).sum(axis=1)
    probability = binomial_tail(count, np.maximum(near, count), 1 / (window + 1))
    return PileUp(extreme, count, np.where(found.high > found.low, probability, 1.0))


def check_saturation(dataset: xr.Dataset) -> list[Finding]:
    """Find plateaus of equal extreme readings and, for ``iv_sweep``, points at the compliance.

    Flagged where at least three readings equal the extreme and chance gives so many with a probability below
    0.27 % over all rows (`pile_up`). Rows of at most 8 distinct values are left to the check of levels.
    """
    rows = device_rows(dataset, response_name(dataset))
    findings = _compliance(dataset) if "compliance" in dataset else []
    many_levels = distinct(rows.values).levels > FEW_LEVELS
    for side, name in ((1, "largest"), (-1, "smallest")):
        found = pile_up(rows.values, side)
        flagged = many_levels & (found.readings >= 3) & (found.probability < TAIL / 2 / len(found.readings))
        if flagged.any():
            findings.append(_plateau(dataset, rows, found, flagged, name))
    return findings


def _plateau(
    dataset: xr.Dataset, rows: Rows, found: PileUp, flagged: NDArray[np.bool_], name: str
) -> Finding:
    first = worst(flagged, found.readings)[0]
    seen = f"{found.readings[first]} readings exactly at the {name} value, {quantity(found.value[first], rows.unit)}"
    meaning = (
        "a range, gain or compliance limit: these are bounds, and fitted as values they bias level and noise"
    )
    # A magnet saturates by itself, and simulated loops without noise do so exactly.
    physical = dataset.attrs["experiment"] == "hysteresis"
    return Finding(
        "saturation", where(rows, flagged, found.readings), seen, meaning, "note" if physical else "warning"
    )


def _compliance(dataset: xr.Dataset) -> list[Finding]:
    current, limit = np.abs(dataset["current"].values), dataset["compliance"].values[..., None]
    at_limit = (current >= AT_COMPLIANCE * limit).reshape(current.shape[0], -1).sum(axis=1)
    flagged = at_limit >= 3
    if not flagged.any():
        return []
    rows = device_rows(dataset, "current")
    number = int(np.isfinite(current).sum())
    seen = f"{int(at_limit.sum())} of {number} points at the stated compliance"
    meaning = "there the instrument sets the current: leave these points out of a conduction law"
    return [Finding("saturation", where(rows, flagged, at_limit), seen, meaning, "note")]
