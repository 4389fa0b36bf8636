"""Loops of a response against a swept drive: polarity, closure, and the response at zero drive."""

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.chance import beyond_chance
from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import quantiles
from charz.datachecks.rows import Rows, record_rows, where, worst

ONE_SIDED = 0.01
OPEN = 0.05
NOT_CLOSED = 0.05
OFFSET = 0.05


class _Loop(NamedTuple):
    """Drive and response of each cycle, their noise between neighbours, and range of the response."""

    drive: Rows
    response: Rows
    noise: NDArray[np.float64]
    reach: NDArray[np.float64]


def check_loops(dataset: xr.Dataset) -> list[Finding]:
    """Look at every cycle of ``iv_sweep`` or ``hysteresis``.

    Found are: drives of one polarity (the other side below 1 % of this one); drives that end more than 5 %
    of their range, and three median steps, from where they began; responses that do not come back although
    the drive does, or are not zero at zero drive (mean over the branches), each by more than 3 standard
    errors (as `beyond_chance` allows) and 5 % of their range. The noise is that of second differences,
    1.4826 median|x[i-1] - 2x[i] + x[i+1]| / √6, to which a smooth curve adds little.
    """
    names = ("voltage", "current") if dataset.attrs["experiment"] == "iv_sweep" else ("field", "signal")
    drive, response = (record_rows(dataset, name) for name in names)
    if drive.values.shape[1] < 8:
        return []
    (half,) = quantiles(np.abs(np.diff(response.values, n=2, axis=1)), 0.5)
    low, high = _range(response.values)
    loop = _Loop(drive, response, 1.4826 * half / np.sqrt(6), high - low)
    electrical = dataset.attrs["experiment"] == "iv_sweep"
    return _polarity(loop) + _closure(loop) + _offset(loop, "warning" if electrical else "note")


def _polarity(loop: _Loop) -> list[Finding]:
    low, high = _range(loop.drive.values)
    larger, smaller = np.fmax(high, -low), np.fmin(high, -low)
    flagged = (larger > 0) & (smaller < ONE_SIDED * larger)
    if not flagged.any():
        return []
    first = worst(flagged, larger)[0]
    unit = loop.drive.unit
    seen = f"{loop.drive.variable} from {quantity(low[first], unit)} to {quantity(high[first], unit)}: one polarity"
    meaning = "nothing can be said about the other polarity, and a loop shift cannot be told from an offset"
    return [Finding("loops", where(loop.drive, flagged, larger), seen, meaning, "note")]


def _closure(loop: _Loop) -> list[Finding]:
    start, end = _ends(loop.drive.values)
    low, high = _range(loop.drive.values)
    (step,) = quantiles(np.abs(np.diff(loop.drive.values, axis=1)), 0.5)
    apart = np.abs(end - start)
    opened = apart > np.fmax(OPEN * (high - low), 3 * step)
    findings = []
    if opened.any():
        first = worst(opened, apart)[0]
        unit = loop.drive.unit
        begin, stop = quantity(start[first], unit), quantity(end[first], unit)
        seen = f"{loop.drive.variable} begins at {begin} and ends at {stop}"
        meaning = "not a whole loop: one branch is cut or missing"
        findings.append(Finding("loops", where(loop.drive, opened, apart), seen, meaning, "note"))
    first_value, last_value = _ends(loop.response.values)
    change = np.abs(last_value - first_value)
    (usual,) = quantiles(np.abs(np.diff(loop.response.values, axis=1)), 0.5)
    # Ends that are up to three steps of the drive apart may differ by three steps of the response.
    z = np.where(opened, np.nan, (change - 3 * usual) / np.fmax(loop.noise * np.sqrt(2), 1e-300))
    flagged = beyond_chance(np.fmax(z, 0.0) * ~opened) & ~opened & (change > NOT_CLOSED * loop.reach)
    if flagged.any():
        first = worst(flagged, change)[0]
        unit = loop.response.unit
        seen = (
            f"{loop.response.variable} begins at {quantity(first_value[first], unit)} and ends at "
            f"{quantity(last_value[first], unit)} at the same {loop.drive.variable}"
        )
        meaning = "the loop does not close: the device or the baseline changed during the sweep"
        findings.append(Finding("loops", where(loop.response, flagged, change), seen, meaning, "warning"))
    return findings


def _offset(loop: _Loop, severity: Literal["note", "warning"]) -> list[Finding]:
    value, number = at_zero_drive(loop.drive.values, loop.response.values)
    size = np.abs(value)
    z = np.where(number > 0, size * np.sqrt(number) / np.fmax(loop.noise, 1e-300), np.nan)
    flagged = beyond_chance(z) & (size > OFFSET * loop.reach)
    if not flagged.any():
        return []
    size = np.nan_to_num(size)
    first = worst(flagged, size)[0]
    unit = loop.response.unit
    seen = (
        f"{loop.response.variable} {quantity(value[first], unit)} at zero {loop.drive.variable}; its range is "
        f"{quantity(loop.reach[first], unit)}"
    )
    meaning = "an offset of the instrument or a baseline: fit it, or conductances and remanence are shifted"
    return [Finding("loops", where(loop.response, flagged, size), seen, meaning, severity)]


def at_zero_drive(
    drive: NDArray[np.floating], response: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Response where the drive crosses zero, and the number of crossings.

    Both directions count alike: the mean of the rising crossings and that of the falling ones are averaged,
    so that a remanence of either sign cancels. NaN and zero where the drive crosses in one direction only.
    """
    first, second = drive[:, :-1], drive[:, 1:]
    step = second - first
    with np.errstate(divide="ignore", invalid="ignore"):
        place = -first / step
        value = response[:, :-1] + place * np.diff(response, axis=1)
    crossing = (step != 0) & (place >= 0) & (place <= 1) & np.isfinite(value)
    sums, counts = [], []
    for direction in (step > 0, step < 0):
        here = crossing & direction
        counts.append(here.sum(axis=1))
        sums.append(np.where(here, value, 0.0).sum(axis=1))
    both = (counts[0] > 0) & (counts[1] > 0)
    means = [total / np.maximum(count, 1) for total, count in zip(sums, counts, strict=True)]
    number = counts[0] + counts[1]
    return np.where(both, 0.5 * (means[0] + means[1]), np.nan), np.where(both, number, 0)


def _range(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)


def _ends(values: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """First and last finite value of each row."""
    finite = np.isfinite(values)
    last = values.shape[1] - 1 - finite[:, ::-1].argmax(axis=1)
    first = finite.argmax(axis=1)
    start, end = (np.take_along_axis(values, index[:, None], axis=1)[:, 0] for index in (first, last))
    return start, end
