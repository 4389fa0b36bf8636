"""Thresholds that are bounds: limits taken for values, and the few that dominate a spread."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.chance import TAIL
from charz.datachecks.extremes import PileUp, pile_up
from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import moments
from charz.datachecks.rows import Rows, device_rows, where, worst
from charz.kinds import FLAG_LEFT, FLAG_NONE

WIDER = 1.2


def check_unflagged(dataset: xr.Dataset) -> list[Finding]:
    """Find thresholds that pile up at the largest or smallest value without being marked as censored.

    Flagged where at least three cycles of a device share its extreme value with flag 0 and chance gives so
    many with a probability below 0.27 % over all devices (`pile_up`). All devices together are tested too:
    a limit of the sweep is the same for all.
    """
    rows = device_rows(dataset, "threshold")
    values = _with_flag(dataset, rows.values, FLAG_NONE)
    together = values.reshape(1, -1)
    return [*_piled(rows, values, together, 1), *_piled(rows, values, together, -1)]


def _piled(
    rows: Rows, values: NDArray[np.floating], together: NDArray[np.floating], side: int
) -> list[Finding]:
    found, shared = pile_up(values, side), pile_up(together, side)
    flagged = _improbable(found)
    if _improbable(shared).any():
        flagged |= (values == shared.value[0]).any(axis=1)
        found, looked_at, first = shared, together, 0
    elif flagged.any():
        looked_at, first = values, int(worst(flagged, found.readings)[0])
    else:
        return []
    extreme = looked_at[first][None]
    spread = moments(extreme).sd[0], moments(np.where(extreme == found.value[first], np.nan, extreme)).sd[0]
    name, flag = ("largest", "right") if side > 0 else ("smallest", "left")
    seen = (
        f"{found.readings[first]} cycles at exactly the {name} value, {quantity(found.value[first], rows.unit)}, "
        f"flag 0; sd {quantity(spread[0], rows.unit)}, without them {quantity(spread[1], rows.unit)}"
    )
    meaning = f"probably the sweep limit: mark as censored ({flag}); as values they bias centre and spread"
    badness = (values == found.value[first]).sum(axis=1)
    return [Finding("unflagged_limit", where(rows, flagged, badness), seen, meaning, "warning")]


def _improbable(found: PileUp) -> NDArray[np.bool_]:
    """At least three, at 0.27 % over both sides, and over devices alone and together."""
    return (found.readings >= 3) & (found.probability < TAIL / 4 / len(found.readings))


def check_left_censored(dataset: xr.Dataset) -> list[Finding]:
    """Find devices whose few left-censored thresholds dominate the spread.

    Flagged where the standard deviation with them is more than 1.2 times that without them, and they are
    fewer than half. Devices that were switched before the ramp began say nothing about their threshold but
    that it is lower.
    """
    if "censored" not in dataset:
        return []
    rows = device_rows(dataset, "threshold")
    left = (dataset["censored"].values == FLAG_LEFT) & np.isfinite(rows.values)
    everything = moments(rows.values)
    rest = moments(np.where(left, np.nan, rows.values))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(everything.sd / rest.sd, nan=0.0, posinf=0.0)
    few = (left.sum(axis=1) > 0) & (2 * left.sum(axis=1) < everything.number)
    flagged = few & (ratio > WIDER)
    if not flagged.any():
        return []
    first = worst(flagged, ratio)[0]
    seen = (
        f"{left[first].sum()} of {everything.number[first]} thresholds are left-censored; sd "
        f"{quantity(everything.sd[first], rows.unit)} with them, {quantity(rest.sd[first], rows.unit)} without"
    )
    meaning = "taken as values they make the spread: use a likelihood that knows the flags"
    return [Finding("left_censored", where(rows, flagged, ratio), seen, meaning, "note")]


def _with_flag(dataset: xr.Dataset, values: NDArray[np.floating], flag: int) -> NDArray[np.floating]:
    """Only values of a flag; without flags all of them are values."""
    if "censored" not in dataset:
        return values
    return np.where(dataset["censored"].values == flag, values, np.nan)
