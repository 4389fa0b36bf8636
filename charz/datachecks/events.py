"""Too few events: switches, cycles, devices, decades."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import moments
from charz.datachecks.rows import device_rows, where, worst
from charz.datachecks.split import occupancy, two_levels
from charz.kinds import FLAG_INTERVAL, FLAG_NONE

MIN_SWITCHES = 10
MIN_UNCENSORED = 10
MIN_DEVICES = 3
MIN_TRIALS = 10
INSIDE = (0.05, 0.95)


def check_pulse_events(dataset: xr.Dataset) -> list[Finding]:
    """Find devices that never or always switched, or were not measured where the curve rises.

    A curve needs a setting between 5 % and 95 % for its width: without one only a bound follows. With n
    trials a fraction near one half has the standard error 0.5/√n, 0.16 at n = 10; below that it is said.
    """
    trials, switched = dataset["num_trials"].values, dataset["num_switched"].values
    rows = device_rows(dataset, "num_switched")
    used = trials > 0
    total, events = trials.sum(axis=1), switched.sum(axis=1)
    share = switched / np.maximum(trials, 1)
    inside = (used & (share >= INSIDE[0]) & (share <= INSIDE[1])).any(axis=1)
    # Single trials have no fraction: events on both sides of each other are the rise.
    low = np.where(used & (switched > 0), dataset["amplitude"].values, np.inf).min(axis=1)
    high = np.where(used & (switched < trials), dataset["amplitude"].values, -np.inf).max(axis=1)
    overlap = (trials.max(axis=1) < MIN_TRIALS) & (low < high)
    never, always = (total > 0) & (events == 0), (total > 0) & (events == total)
    steep = (total > 0) & ~never & ~always & ~inside & ~overlap
    findings = []
    for flagged, seen, meaning in (
        (
            never,
            "no pulse switched it",
            "its curve lies above every amplitude that was tried: only a bound follows",
        ),
        (
            always,
            "every pulse switched it",
            "its curve lies below every amplitude that was tried: only a bound",
        ),
        (
            steep,
            "no setting between 5 % and 95 % switched",
            "the curve rises between two settings: its width is only bounded from above",
        ),
    ):
        if flagged.any():
            first = worst(flagged, total)[0]
            seen = f"{seen} ({events[first]} of {total[first]} trials)"
            findings.append(Finding("pulse_events", where(rows, flagged, total), seen, meaning, "warning"))
    median = float(np.median(trials[used]))
    if median < MIN_TRIALS:
        seen = f"median of {median:.3g} trials a setting; the standard error of a fraction is {0.5 / median**0.5:.2g}"
        meaning = "single fractions say little: the curve comes from all settings together"
        findings.append(Finding("pulse_events", "num_trials", seen, meaning, "note"))
    return findings


def check_cycles(dataset: xr.Dataset) -> list[Finding]:
    """Find devices with fewer than 10 thresholds: the error of a spread is 1/√(2(n − 1)), 24 % at 10.

    One known within a step of the ramp is a threshold; one censored on the left or right is only a bound.
    """
    rows = device_rows(dataset, "threshold")
    seen_at_all = np.isfinite(rows.values)
    if "censored" in dataset:
        seen_at_all = seen_at_all & np.isin(dataset["censored"].values, (FLAG_NONE, FLAG_INTERVAL))
    number = seen_at_all.sum(axis=1)
    flagged = number < MIN_UNCENSORED
    if not flagged.any():
        return []
    first = worst(flagged, -number)[0]
    seen = f"{number[first]} thresholds that are not censored; {MIN_UNCENSORED} are the least"
    meaning = "too few for a spread of its own: pool devices, or measure more cycles"
    return [Finding("cycle_events", where(rows, flagged, -number), seen, meaning, "warning")]


def check_switches(dataset: xr.Dataset) -> list[Finding]:
    """Find traces that cross the cut between their levels fewer than 10 times.

    A rate from n dwells has the relative error 1/√n; 10 switches are 5 dwells a level and 45 %.
    """
    rows = device_rows(dataset, "signal")
    crossings = occupancy(rows.values, two_levels(rows.values).threshold).crossings
    flagged = crossings < MIN_SWITCHES
    if not flagged.any():
        return []
    first = worst(flagged, -crossings)[0]
    seen = f"{crossings[first]} switches; {MIN_SWITCHES} are the least"
    meaning = "rates are uncertain by half of their value or more: a longer trace, or a bound"
    return [Finding("switch_events", where(rows, flagged, -crossings), seen, meaning, "warning")]


def check_devices(dataset: xr.Dataset) -> list[Finding]:
    """Find fewer than 3 devices: the spread of a population has no error bar from two."""
    number = dataset.sizes["device"]
    if number >= MIN_DEVICES:
        return []
    seen = f"{number} {'device' if number == 1 else 'devices'}; {MIN_DEVICES} are the least"
    meaning = "no population: device-to-device spread comes from the prior alone"
    return [Finding("devices", "device", seen, meaning, "note")]


def check_decades(dataset: xr.Dataset) -> list[Finding]:
    """Find retention records that span less than one decade of time: no law of drift can be told from another."""
    rows = device_rows(dataset, "elapsed")
    last = moments(rows.values).high
    first_time = _first_positive(rows.values)
    with np.errstate(divide="ignore", invalid="ignore"):
        decades = np.where(first_time < last, np.log10(last / first_time), 0.0)
    flagged = decades < 1
    if not flagged.any():
        return []
    first = worst(flagged, -decades)[0]
    seen = f"{decades[first]:.2g} decades of time, up to {quantity(last[first], 's')}"
    meaning = "power law, logarithm and stretched exponential look alike: an extrapolation is not identified"
    return [Finding("decades", where(rows, flagged, -decades), seen, meaning, "warning")]


def _first_positive(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.where(values > 0, values, np.inf).min(axis=1)
