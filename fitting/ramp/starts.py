"""Coarse guesses from which the search for each device's mode starts."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from charz.fitting.contract import Observations
from charz.kinds import FLAG_INTERVAL, FLAG_NONE

Candidates = Callable[[Observations], dict[str, np.ndarray]]
# Standard deviation of ln y times the shape, for a Weibull law: π/√6.
WEIBULL_SPREAD = 1.2825
MIN_PER_DEVICE = 4
WIDENINGS = (0.4, 1.0, 2.5)
SHIFTS = (-1.0, 0.0, 1.0)


def representative(data: Mapping[str, np.ndarray], observations: Observations) -> np.ndarray:
    """One number for each threshold: the middle of an interval, the bound of a left- or right-censored one."""
    value = np.asarray(data["threshold"])
    if "lower" not in data:
        return value
    inside = np.asarray(data["censored"]) == FLAG_INTERVAL
    return np.where(inside, (np.asarray(data["lower"]) + np.asarray(data["upper"])) / 2, value)


def informative(observations: Observations) -> np.ndarray:
    """Where a threshold is known, exactly or between two bounds, (device, cycle)."""
    if "censored" not in observations.arrays:
        return observations.measured
    flag = observations.arrays["censored"]
    return observations.measured & ((flag == FLAG_NONE) | (flag == FLAG_INTERVAL))


def _centre_and_spread(observations: Observations, logarithm: bool) -> tuple[np.ndarray, np.ndarray]:
    """Median and standard deviation of each device that has values enough, first of all together, (row, 1)."""
    value = representative(observations.arrays, observations)
    if logarithm:
        value = np.log(np.maximum(value, 1e-30))
    known = informative(observations)
    every = value[known] if known.any() else value[observations.measured]
    rows = [every, *(value[i, row] for i, row in enumerate(known) if row.sum() >= MIN_PER_DEVICE)]
    if len(rows) - 1 < len(known):
        # Devices that say too little by themselves start from what all say together.
        rows = rows[:1]
    centre = np.array([np.median(row) for row in rows])
    spread = np.array([max(float(np.std(row)), 1e-4 * max(abs(float(np.median(row))), 1e-9)) for row in rows])
    if logarithm:
        spread = np.maximum(spread, 1e-3)
    return centre[:, None], spread[:, None]


def _combined(centre: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grid around the device's own numbers, and around those of all devices together."""
    wide, shift = np.array(list(product(WIDENINGS, SHIFTS))).T
    places, widths = centre + shift * spread, spread * wide
    if len(centre) == 1:
        return places, widths
    # The first row is that of all devices; every device gets it behind its own.
    own = [
        np.concatenate([table[1:], np.broadcast_to(table[:1], table[1:].shape)], axis=1)
        for table in (places, widths)
    ]
    return own[0], own[1]


def weibull_starts(observations: Observations) -> dict[str, np.ndarray]:
    """Scale and shape from median and spread of ln y."""
    centre, spread = _combined(*_centre_and_spread(observations, logarithm=True))
    return {"scale": np.exp(centre + 0.3 * spread), "shape": WEIBULL_SPREAD / spread}


def gumbel_starts(observations: Observations) -> dict[str, np.ndarray]:
    """Location and width from median and spread of y."""
    centre, spread = _combined(*_centre_and_spread(observations, logarithm=False))
    return {"location": centre + 0.3 * spread, "width": spread / WEIBULL_SPREAD}


def lognormal_starts(observations: Observations) -> dict[str, np.ndarray]:
    """Median and spread of ln y."""
    centre, spread = _combined(*_centre_and_spread(observations, logarithm=True))
    return {"median": np.exp(centre), "spread": spread}


def with_series(starts: Candidates) -> Candidates:
    """Add drift and correlation: none, or what a straight line through ln y and its residuals say."""

    def candidates(observations: Observations) -> dict[str, np.ndarray]:
        base = starts(observations)
        value = np.log(np.maximum(representative(observations.arrays, observations), 1e-30))
        time, known = observations.arrays["kilocycles"], observations.measured
        weight = known / np.maximum(known.sum(1, keepdims=True), 1)
        deviation = value - (weight * value).sum(1, keepdims=True)
        elapsed = time - (weight * time).sum(1, keepdims=True)
        square = np.maximum((weight * elapsed**2).sum(1), 1e-12)
        slope = (weight * elapsed * deviation).sum(1) / square
        rest = np.where(known, deviation - slope[:, None] * elapsed, 0.0)
        lag = (rest[:, 1:] * rest[:, :-1]).sum(1) / np.maximum((rest**2).sum(1), 1e-30)
        if len(next(iter(base.values()))) == 1:
            slope, lag = slope[:1], lag[:1]
        lag = np.clip(lag, -0.9, 0.9)
        number = next(iter(base.values())).shape[1]
        # Rows of (share of the slope, share of the lag): nothing, a trend, a trend and memory.
        trend, memory = np.repeat([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], number, axis=1)
        table = {name: np.concatenate([array] * 3, axis=1) for name, array in base.items()}
        table["drift"] = slope[:, None] * trend
        table["correlation"] = 0.1 + (lag[:, None] - 0.1) * memory
        # The chain of a wander is slower than what its noise lets through.
        table["persistence"] = np.full_like(table["correlation"], 0.9)
        table["chain_share"] = np.clip(table["correlation"], 0.1, 0.9)
        return table

    return candidates


def mixture_starts(observations: Observations) -> dict[str, np.ndarray]:
    """Splits of all thresholds together at several quantiles, widths relative to what lies on each side."""
    value = np.log(np.maximum(representative(observations.arrays, observations), 1e-30))[
        observations.measured
    ]
    centre, spread = float(np.median(value)), max(float(np.std(value)), 1e-3)
    rows = []
    for share in (0.03, 0.1, 0.25, 0.5, 0.75, 0.9):
        low, high = np.quantile(value, share / 2), np.quantile(value, share + (1 - share) / 2)
        separation = max(high - low, spread / 10)
        for wide_low, wide_high in product((0.3, 1.0), (0.3, 1.0)):
            widths = WEIBULL_SPREAD / (spread * wide_low), WEIBULL_SPREAD / (spread * wide_high)
            rows.append((np.exp(low), separation, *widths, share))
    rows.append((np.exp(centre - spread), spread, WEIBULL_SPREAD / spread, WEIBULL_SPREAD / spread, 0.5))
    names = ("scale_low", "separation", "shape_low", "shape_high", "weight_low")
    return {name: column[None] for name, column in zip(names, np.array(rows).T, strict=True)}


def thermal_starts(exponent: float, attempt_time: float) -> Candidates:
    """Barriers on a grid, each with the critical drive at which the typical hazard is one at the median."""

    def candidates(observations: Observations) -> dict[str, np.ndarray]:
        centre, spread = _combined(*_centre_and_spread(observations, logarithm=True))
        middle = np.exp(centre)
        rate = np.median(observations.arrays["ramp_rate"][observations.measured])
        attempts = np.log(np.maximum(middle / (rate * attempt_time), 2.0))
        # At the median Δ b^n is about ln(attempts); the hazard e-folds over V_c b/(n ln(attempts)) there.
        odds = spread / WEIBULL_SPREAD * exponent * attempts
        remaining = np.clip(odds / (1 + odds), 0.02, 0.98)
        return {"thermal_stability": attempts / remaining**exponent, "critical": middle / (1 - remaining)}

    return candidates
