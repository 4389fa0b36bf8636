"""Thresholds that ramps with known laws would have given, by NumPy and SciPy alone: what calibration relies on.

Formulas are written anew here; nothing is shared with the likelihood.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import gammaincc, gammaln, log_ndtr

from charz.fitting.contract import Observations
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

Values = Mapping[str, np.ndarray]
Replicate = Callable[[np.random.Generator, Values, Observations], dict[str, np.ndarray]]
NUM_HALVINGS = 55


def _columns(values: Values) -> dict[str, np.ndarray]:
    return {name: np.asarray(value)[..., None] for name, value in values.items()}


def _shape(values: Values, observations: Observations) -> tuple[int, ...]:
    return (len(next(iter(values.values()))), *observations.measured.shape)


def weibull(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Weibull thresholds."""
    value, shape = _columns(values), _shape(values, observations)
    return recorded(value["scale"] * generator.weibull(1.0, shape) ** (1 / value["shape"]), observations)


def gumbel(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Thresholds of the Gumbel law of the minimum."""
    value, shape = _columns(values), _shape(values, observations)
    return recorded(value["location"] - value["width"] * generator.gumbel(size=shape), observations)


def lognormal(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Lognormal thresholds."""
    value, shape = _columns(values), _shape(values, observations)
    deviation = value["spread"] * generator.standard_normal(shape)
    return recorded(value["median"] * np.exp(deviation), observations)


def weibull_mixture(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Thresholds of two Weibull components."""
    value, shape = _columns(values), _shape(values, observations)
    is_low = generator.random(shape) < value["weight_low"]
    scale = value["scale_low"] * np.exp(np.where(is_low, 0.0, value["separation"]))
    exponent = 1 / np.where(is_low, value["shape_low"], value["shape_high"])
    return recorded(scale * generator.weibull(1.0, shape) ** exponent, observations)


def thermal_ramp(exponent: float, attempt_time: float) -> Replicate:
    """Thresholds of thermal activation under ramps: where the cumulative hazard reaches a standard exponential."""

    def replicate(
        generator: np.random.Generator, values: Values, observations: Observations
    ) -> dict[str, np.ndarray]:
        value, shape = _columns(values), _shape(values, observations)
        stability, critical = value["thermal_stability"], value["critical"]
        attempts = critical / (observations.arrays["ramp_rate"] * attempt_time)
        wanted = generator.standard_exponential(shape) / attempts
        # The remaining share at which the integral of exp(-Δ x^n) from there to 1 is what was drawn.
        until_critical = _integral(np.zeros_like(wanted), stability, exponent)
        low, high = np.zeros(shape), np.ones(shape)
        for _ in range(NUM_HALVINGS):
            middle = (low + high) / 2
            too_far = _integral(middle, stability, exponent) > wanted
            low, high = np.where(too_far, middle, low), np.where(too_far, high, middle)
        beyond = np.maximum(wanted - until_critical, 0.0)
        return recorded(critical * (1 - (low + high) / 2 + beyond), observations)

    return replicate


def _integral(share: np.ndarray, stability: np.ndarray, exponent: float) -> np.ndarray:
    power = 1 / exponent
    drop = gammaincc(power, stability * share**exponent) - gammaincc(power, stability)
    return drop * np.exp(gammaln(power) - power * np.log(stability)) / exponent


def weibull_drift(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Weibull thresholds with drift and serial correlation."""
    value = _columns(values)
    hazard = -log_ndtr(-_scores(generator, value, observations))
    scale = value["scale"] * np.exp(value["drift"] * observations.arrays["kilocycles"])
    return recorded(scale * hazard ** (1 / value["shape"]), observations)


def lognormal_drift(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Lognormal thresholds with drift and serial correlation."""
    value = _columns(values)
    score = _scores(generator, value, observations)
    logarithm = value["drift"] * observations.arrays["kilocycles"] + value["spread"] * score
    return recorded(value["median"] * np.exp(logarithm), observations)


def _scores(generator: np.random.Generator, value: Values, observations: Observations) -> np.ndarray:
    """Scores of an AR(1) chain, or of one under fresh noise where the values name its share."""
    shape = (len(value["drift"]), *observations.measured.shape)
    if "chain_share" not in value:
        return correlated(generator, value["correlation"], shape, observations)
    chain = correlated(generator, value["persistence"], shape, observations)
    share = value["chain_share"]
    return np.sqrt(share) * chain + np.sqrt(1 - share) * generator.standard_normal(shape)


def correlated(
    generator: np.random.Generator,
    correlation: np.ndarray,
    shape: tuple[int, ...],
    observations: Observations,
) -> np.ndarray:
    """Stationary AR(1) scores (sample, device, cycle); over missing cycles the last score is carried on.

    Each step is the affine map z -> a z + b; maps are composed over 1, 2, 4, ... cycles.
    """
    gap = observations.arrays["gap"]
    factor = np.where(gap > 0, correlation ** np.maximum(gap, 1), 0.0)
    value = np.sqrt(1 - factor**2) * generator.standard_normal(shape)
    factor = np.where(observations.measured, factor, 1.0) * np.ones(shape)
    value = np.where(observations.measured, value, 0.0)
    stride = 1
    while stride < shape[-1]:
        value[..., stride:] = value[..., stride:] + factor[..., stride:] * value[..., :-stride]
        factor[..., stride:] = factor[..., stride:] * factor[..., :-stride]
        stride *= 2
    return value


def recorded(threshold: np.ndarray, observations: Observations) -> dict[str, np.ndarray]:
    """What would have been recorded of true thresholds: grids, starts and ends of ramps censor them."""
    arrays = observations.arrays
    if "censored" not in observations.observed:
        return {"threshold": threshold}
    start, end, step, origin = (arrays[name] for name in ("start", "end", "step", "origin"))
    on_grid = step > 0
    width = np.where(on_grid, step, 1.0)
    lower = origin + np.floor((threshold - origin) / width) * width
    # A threshold on the grid itself belongs to the interval that it ends.
    lower = np.where(lower >= threshold, lower - width, lower)
    flag = np.select(
        [threshold <= start, threshold > end, np.broadcast_to(on_grid, threshold.shape)],
        [FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL],
        FLAG_NONE,
    )
    inside = flag == FLAG_INTERVAL
    value = np.select(
        [flag == FLAG_LEFT, flag == FLAG_RIGHT, inside],
        [np.broadcast_to(a, threshold.shape) for a in (start, end, lower + width)],
        threshold,
    )
    result = {"threshold": value, "censored": flag}
    if "lower" in observations.observed:
        result |= {"lower": np.where(inside, lower, value), "upper": value}
    return {name: result[name] for name in observations.observed}
