"""Switching counts by NumPy and SciPy alone: the reference against which calibration tests the likelihood.

Values are arrays (sample, device), settings (device, setting); probabilities are (sample, device, setting). The
macrospin law is a table: it is the one law that is not written a second time.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import erfc, expit, ndtr

from charz.devices import MacrospinSwitching

ValueArrays = Mapping[str, np.ndarray]
Formula = Callable[[ValueArrays, ValueArrays], np.ndarray]


def logistic_curve(values: ValueArrays, settings: ValueArrays) -> np.ndarray:
    """Share between the asymptotes of a logistic curve."""
    return _between_asymptotes(expit, values, settings)


def probit_curve(values: ValueArrays, settings: ValueArrays) -> np.ndarray:
    """Share of normal thresholds below the amplitude, between the asymptotes."""
    return _between_asymptotes(ndtr, values, settings)


def thermal_curve(
    values: ValueArrays, settings: ValueArrays, exponent: float, attempt_time: float | None
) -> np.ndarray:
    """Share that escaped over the barrier during the pulse."""
    stability, critical = (values[name][..., None] for name in ("thermal_stability", "critical"))
    time = values["attempt_time"][..., None] if attempt_time is None else attempt_time
    height = stability * np.maximum(1 - settings["amplitude"] / critical, 0.0) ** exponent
    return -np.expm1(-settings["width"] / time * np.exp(-height))


def in_plane_curve(values: ValueArrays, settings: ValueArrays) -> np.ndarray:
    """Share of starting angles that have grown to π/2 at the end of the pulse."""
    stability, critical, time = (
        values[name][..., None] for name in ("thermal_stability", "critical", "relaxation_time")
    )
    growth = (settings["amplitude"] / critical - 1) * settings["width"] / time
    with np.errstate(over="ignore"):  # an infinite start never switches: erfc(inf) = 0
        return erfc(np.pi / 2 * np.sqrt(stability) * np.exp(-growth))


def macrospin_curve(values: ValueArrays, settings: ValueArrays) -> np.ndarray:
    """Share by the law itself."""
    with jax.enable_x64(True):
        column = {name: jnp.asarray(value)[..., None] for name, value in values.items()}
        law = MacrospinSwitching(
            column["thermal_stability"],
            column["critical"],
            column["relaxation_time"],
            jnp.asarray(settings["width"]),
        )
        return np.asarray(_macrospin(law, jnp.asarray(settings["amplitude"])))


@jax.jit
def _macrospin(law: MacrospinSwitching, drive: jax.Array) -> jax.Array:
    return law.probability(drive)


def directed_curve(formula: Formula, values: ValueArrays, settings: ValueArrays) -> np.ndarray:
    """Share of each direction, by its own values."""
    towards = {**settings, "amplitude": settings["directed_amplitude"]}
    there, back = (
        formula({n.removesuffix(end): v for n, v in values.items() if n.endswith(end)}, towards)
        for end in ("_set", "_reset")
    )
    return np.where(settings["direction"] == 0, there, back)


def _between_asymptotes(
    share: Callable[[np.ndarray], np.ndarray], values: ValueArrays, settings: ValueArrays
) -> np.ndarray:
    location, width = (values[name][..., None] for name in ("location", "width"))
    floor = np.asarray(values.get("floor", 0.0))[..., None]
    ceiling = 1 - np.asarray(values.get("shortfall", 0.0))[..., None] * (1 - floor)
    if "ceiling" in values:
        ceiling = values["ceiling"][..., None]
    return floor + (ceiling - floor) * share((settings["amplitude"] - location) / width)


def binomial_counts(
    generator: np.random.Generator, probability: np.ndarray, num_trials: np.ndarray
) -> np.ndarray:
    """Draw counts that a law would give with the same numbers of trials: exact for any probability.

    Parameters
    ----------
    generator : numpy.random.Generator
    probability : array (..., device, setting)
    num_trials : array (device, setting)
        0 where a setting is padding; the count there is 0.

    Returns
    -------
    array of int32, shape of `probability`
    """
    trials = np.broadcast_to(num_trials.astype(np.int64), probability.shape)
    return generator.binomial(trials, np.clip(probability, 0.0, 1.0)).astype(np.int32)


def beta_binomial_counts(
    generator: np.random.Generator,
    probability: np.ndarray,
    concentration: np.ndarray,
    num_trials: np.ndarray,
) -> np.ndarray:
    """As `binomial_counts`, with a probability drawn afresh at every setting: Beta(pc, (1 - p)c).

    Parameters
    ----------
    concentration : array (sample, device)
        c, in equivalent trials.
    """
    smallest = np.finfo(float).tiny
    first = np.maximum(probability * concentration[..., None], smallest)
    second = np.maximum((1 - probability) * concentration[..., None], smallest)
    return binomial_counts(generator, generator.beta(first, second), num_trials)
