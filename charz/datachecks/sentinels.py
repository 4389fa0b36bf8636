"""Codes that instruments write in place of a reading: overload, no bound, lost digits."""

import json

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import moments, quantiles, sample_rows, spans
from charz.datachecks.rows import Rows, device_rows, where, worst
from charz.kinds import KINDS

# 9.9e37 is the overload of SCPI instruments; times a sensitivity of 5e-9 it is 4.95e29. No reading in V, A,
# ohm, S, T or A/m comes near.
OVERLOAD = 1e25
NO_BOUND = 1e10
FAR = 1e6
ALONE = 100.0


def check_sentinels(dataset: xr.Dataset) -> list[Finding]:
    """Find codes among the readings of every variable of the kind.

    Flagged are: a magnitude above 1e25; a resistance or conductance of zero or below; a resistance of exactly
    1e10 ohm; a value more than 1e6 interquartile ranges from the median, when no other value reaches a
    hundredth of its distance; a resistance or conductance below 1e-9 of the median. Of a normal variable
    none is further than 6 interquartile ranges from the median among 1e15 readings, so chance gives none of
    these.
    """
    kind = KINDS[dataset.attrs["experiment"]]
    findings = []
    for variable in kind.variables:
        if variable.name in dataset and variable.values == "float" and variable.units != ("1",):
            findings += _codes(device_rows(dataset, variable.name))
    return findings


def check_masked(dataset: xr.Dataset) -> list[Finding]:
    """Report the values that a conversion masked (attribute ``masked``, one JSON object)."""
    try:
        masked = json.loads(dataset.attrs.get("masked", "{}"))
        entries = [(str(name), str(entry["rule"]), int(entry["count"])) for name, entry in masked.items()]
    except (AttributeError, KeyError, TypeError, ValueError):
        seen = f"attribute masked = {str(dataset.attrs['masked'])[:60]!r}"
        meaning = 'it is not {"variable": {"rule": ..., "count": ...}}: what was masked cannot be told'
        return [Finding("masked", "attribute masked", seen, meaning, "warning")]
    meaning = "these are missing for a fit; if they stand for a limit, censor them instead"
    return [
        Finding("masked", name, f"{count} values masked by the rule {rule!r}", meaning, "note")
        for name, rule, count in entries
        if count
    ]


def _codes(rows: Rows) -> list[Finding]:
    found = moments(rows.values)
    middle, far, small = _limits(rows)
    positive = rows.variable in ("resistance", "conductance")
    reach = np.fmax(found.high - middle, middle - found.low)
    # Most data end here: nothing is far away, so nothing needs counting.
    suspicious = (reach > far) | (positive & (found.low <= small)) | (rows.unit == "ohm")
    if not suspicious.any():
        return []
    count, example = np.zeros(len(middle), dtype=np.int64), np.full(len(middle), np.nan)
    nearest = _reach_of_the_rest(rows, middle, far)
    for span in spans(rows.values.shape):
        part = rows.values[:, span]
        distance = np.abs(part - middle[:, None])
        code = (distance > far[:, None]) & (distance > ALONE * nearest[:, None])
        code |= np.abs(part) > OVERLOAD
        if positive:
            code |= part <= small[:, None]
        if rows.unit == "ohm":
            code |= part == NO_BOUND
        count += code.sum(axis=1)
        here = code.any(axis=1) & np.isnan(example)
        example[here] = part[here, code[here].argmax(axis=1)]
    flagged = count > 0
    if not flagged.any():
        return []
    first = worst(flagged, count)[0]
    seen = (
        f"{int(count.sum())} values, for example {quantity(example[first], rows.unit)}; the median is "
        f"{quantity(middle[first], rows.unit)}"
    )
    meaning = "codes for overload, no bound or no reading: mask them by a rule before anything is averaged"
    return [Finding("sentinels", where(rows, flagged, count), seen, meaning, "warning")]


def _limits(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Median, distance from it beyond which a value is far, and the largest value that is too small."""
    lower, middle, upper = quantiles(sample_rows(rows.values), 0.25, 0.5, 0.75)
    spread = upper - lower
    # More than half of the row may be one value: then its size is the scale.
    spread = np.where(spread > 0, spread, np.abs(middle))
    far = np.where(spread > 0, np.minimum(FAR * spread, OVERLOAD), OVERLOAD)
    return middle, far, np.where(middle > 0, 1e-9 * middle, 0.0)


def _reach_of_the_rest(
    rows: Rows, middle: NDArray[np.float64], far: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest distance from the median among the values that are not far."""
    reach = np.zeros(len(middle))
    for span in spans(rows.values.shape):
        distance = np.abs(rows.values[:, span] - middle[:, None])
        inside = np.where(distance <= far[:, None], distance, 0.0)
        reach = np.maximum(reach, inside.max(axis=1, initial=0.0))
    return reach
