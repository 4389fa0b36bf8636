"""Serial correlation: between cycles, between samples, and how many independent ones there are."""

import numpy as np
import xarray as xr

from charz.datachecks.chance import beyond_chance, inflation
from charz.datachecks.finding import Finding
from charz.datachecks.moments import lag_one
from charz.datachecks.rows import Rows, cycle_rows, device_rows, response_name, where, worst

MIN_CYCLES = 10
MIN_SAMPLES = 30


def check_serial_correlation(dataset: xr.Dataset) -> list[Finding]:
    r"""Find cycles (or samples of a ``transfer`` record) that remember the one before.

    Of n independent values the lag-1 correlation has the mean −1/n and the standard error 1/√n, whatever
    their distribution (Moran, Biometrika 35, 255 (1948)). Flagged are devices beyond 3 standard errors in
    numbers that chance does not give (`beyond_chance`), or all devices when their mean correlation is beyond
    3 standard errors 1/√(sum of n). Both together alarm on independent data in at most 0.54 % of datasets.
    """
    if dataset.attrs["experiment"] == "transfer":
        return _found(device_rows(dataset, "current"), "samples", MIN_SAMPLES)
    return _found(cycle_rows(dataset), "cycles", MIN_CYCLES)


def check_independent_samples(dataset: xr.Dataset) -> list[Finding]:
    """Report how many independent samples a correlated trace is worth: n (1 − r)/(1 + r).

    Traces of ``telegraph`` and ``retention`` are expected to be correlated; said only where the correlation
    is significant, as in `check_serial_correlation`. A spectrum that is not that of a first-order process
    leaves fewer.
    """
    rows = device_rows(dataset, response_name(dataset))
    correlation, pairs = lag_one(rows.values)
    flagged = _significant(correlation, pairs, MIN_SAMPLES) & (correlation > 0)
    if not flagged.any():
        return []
    effective = (pairs + 1) / inflation(correlation)
    first = worst(flagged, -effective)[0]
    seen = (
        f"lag-1 correlation {correlation[first]:.4f}: {pairs[first] + 1} samples are worth at most "
        f"{max(effective[first], 1.0):.3g} independent ones"
    )
    meaning = "an error of a mean or a level is that of the smaller number"
    return [Finding("effective_samples", where(rows, flagged, -effective), seen, meaning, "note")]


def _found(rows: Rows, noun: str, least: int) -> list[Finding]:
    correlation, pairs = lag_one(rows.values)
    flagged = _significant(correlation, pairs, least)
    if not flagged.any():
        return []
    first = worst(flagged, np.abs(correlation))[0]
    number = int(pairs[first]) + 1
    factor = float(np.sqrt(inflation(correlation[first])))
    seen = f"lag-1 correlation {correlation[first]:.3g} between {number} {noun} (chance: +-{1 / number**0.5:.2g})"
    if flagged.sum() > 1:
        seen += f"; mean of all {correlation[pairs >= least - 1].mean():.3g}"
    size = "small" if factor > 1 else "large"
    meaning = f"i.i.d. standard errors are too {size} by sqrt((1+r)/(1-r)) = {factor:.2g}"
    return [
        Finding("serial_correlation", where(rows, flagged, np.abs(correlation)), seen, meaning, "warning")
    ]


def _significant(correlation: np.ndarray, pairs: np.ndarray, least: int) -> np.ndarray:
    enough = pairs >= least - 1
    number = np.maximum(pairs + 1, 2)
    z = np.where(enough & (correlation != 0), (correlation + 1 / number) * np.sqrt(number), np.nan)
    flagged = beyond_chance(z)
    used = np.isfinite(z)
    if used.sum() > 1 and abs(np.sum(z[used])) > 3 * np.sqrt(used.sum()):
        flagged |= used & (z * np.sign(np.sum(z[used])) > 0)
    return flagged
