"""Drift over cycles, and a trend that turns round inside one record."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.chance import beyond_chance, inflation
from charz.datachecks.finding import Finding, quantity
from charz.datachecks.moments import lag_one, moments, trend
from charz.datachecks.rows import cycle_rows, record_rows, where, worst

MIN_CYCLES = 20
MIN_SIDE = 4
SIDE = 2.0
WHOLE = 3.5


def check_drift(dataset: xr.Dataset) -> list[Finding]:
    r"""Find devices whose cycles drift.

    Tested is the correlation ρ of the value with the cycle number. Among all orders of n values its variance
    is exactly 1/(n − 1), whatever their distribution; serial correlation r widens it by about
    (1 + r)/(1 − r), so that

    .. math:: z = \rho \sqrt{(n - 1)\,\frac{1 - r}{1 + r}}

    with r that of the residuals of a line, as the drift itself makes neighbours alike; it is corrected for
    its bias −(2 + 4r)/n (Marriott and Pope, Biometrika 41, 390 (1954), with a trend removed) and not below
    zero. Flagged beyond 3 as `beyond_chance` allows. Shown are the means of the first and the last tenth.
    """
    rows = cycle_rows(dataset)
    with_cycle, residuals = trend(rows.values)
    correlation, _ = lag_one(residuals)
    number = moments(rows.values).number
    count = np.maximum(number, 2)
    corrected = np.clip(correlation + (2 + 4 * correlation) / count, 0.0, 0.99)
    z = with_cycle * np.sqrt((count - 1) / inflation(corrected))
    z = np.where(number >= MIN_CYCLES, z, np.nan)
    flagged = beyond_chance(z)
    if not flagged.any():
        return []
    size = np.abs(np.nan_to_num(z))
    first = worst(flagged, size)[0]
    values = rows.values[first][np.isfinite(rows.values[first])]
    tenth = max(1, values.size // 10)
    seen = (
        f"mean {quantity(values[:tenth].mean(), rows.unit)} in the first {tenth} cycles, "
        f"{quantity(values[-tenth:].mean(), rows.unit)} in the last {tenth}; correlation with the cycle "
        f"{with_cycle[first]:.2g} ({size[first]:.1f} standard errors)"
    )
    meaning = "cycle-to-cycle spread contains wear: fit a trend, or only cycles between which nothing changes"
    return [Finding("drift", where(rows, flagged, size), seen, meaning, "warning")]


def check_reversal(dataset: xr.Dataset) -> list[Finding]:
    """Find records of a ``pulse_train`` whose conductance turns round although the pulses do not.

    For every place k the signs of the steps before k minus those after it are summed. Random signs of n
    steps give a sum whose largest size exceeds 3.5 √n with a probability below 0.2 %; each side must itself
    go its own way by 2 √(its steps). Records whose polarity or amplitude changes its sign turn as they
    should and are left out.
    """
    rows = record_rows(dataset, "conductance")
    if rows.values.shape[1] < 2 * MIN_SIDE + 2:
        return []
    step = np.diff(rows.values, axis=1)
    sign = np.sign(np.where(np.isfinite(step), step, 0.0)).astype(np.int32)
    number = (sign != 0).sum(axis=1)
    before, steps_before = np.cumsum(sign, axis=1), np.cumsum(sign != 0, axis=1)
    after, steps_after = before[:, -1:] - before, number[:, None] - steps_before
    sides = np.minimum(steps_before, steps_after) >= MIN_SIDE
    sides &= np.abs(before) >= SIDE * np.sqrt(steps_before)
    sides &= np.abs(after) >= SIDE * np.sqrt(steps_after)
    turn = np.where(sides & (before * after < 0), np.abs(before - after), 0)
    size = turn.max(axis=1) / np.sqrt(np.maximum(number, 1))
    flagged = (size > WHOLE + 0.5 * (len(size) > 1)) & ~_meant_to_turn(dataset)
    if not flagged.any():
        return []
    first = worst(flagged, size)[0]
    place = int(turn[first].argmax())
    ways = ("rises", "falls") if before[first, place] > 0 else ("falls", "rises")
    seen = f"conductance {ways[0]} up to pulse {place + 2}, then {ways[1]}; the pulses are not told apart"
    meaning = "two trains in one column? an increment law of one polarity does not describe both"
    return [Finding("reversal", where(rows, flagged, size), seen, meaning, "warning")]


def _meant_to_turn(dataset: xr.Dataset) -> NDArray[np.bool_]:
    """Records in which the polarity or the amplitude is told to change its sign."""
    devices, cycles, _ = dataset["conductance"].shape
    turns = np.zeros(devices * cycles, dtype=bool)
    for name in ("polarity", "amplitude"):
        if name in dataset:
            values = record_rows(dataset, name).values
            turns |= (values > 0).any(axis=1) & (values < 0).any(axis=1)
    return turns
