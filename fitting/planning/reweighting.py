r"""Expected posterior variance of a target after a measurement, from the draws that there are.

Each simulated outcome y of the measurement, drawn with one posterior draw for the truth, weighs all other draws j by

.. math:: w_j \propto p(y \mid \theta_j) \quad\text{(measured devices)}, \qquad
          w_j \propto \prod_m \int p(y_m \mid \theta)\,p(\theta \mid \phi_j)\,d\theta \quad\text{(new devices)},

and the variance of the target under these weights is the posterior's after that outcome. The tail of the weights is
smoothed, and its Pareto k tells where they cannot be trusted (Vehtari, Simpson, Gelman, Yao & Gabry, J. Mach. Learn.
Res. 25, 72 (2024)).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from charz.fitting.contract import Arrays, Model, Observations, Values
from charz.fitting.keys import generator_from
from charz.fitting.marginal.coordinates import coordinates_of
from charz.fitting.marginal.devices import Devices
from charz.fitting.marginal.peaks import separate_modes, surrogate_at
from charz.fitting.marginal.quadrature import moving_by_device
from charz.fitting.pareto_smoothing import smoothed_weights
from charz.fitting.planning.contract import FlatDraws
from charz.fitting.planning.outcomes import Addition, joined, rows_of
from charz.fitting.planning.target import population_vectors
from charz.fitting.population import device_terms, draw_devices, population_names
from charz.fitting.predictive import with_device_axis
from charz.fitting.priors import Prior

# Nodes an axis, for one to four parameters that vary.
PER_AXIS = (7, 5, 3, 3)


class Expected(NamedTuple):
    """Variance of the target after a measurement.

    Parameters
    ----------
    variance, error : float
        Mean over simulated outcomes and its standard error, in the target's unit squared.
    pareto_k : float
        Exceeded for one outcome in ten.
    """

    variance: float
    error: float
    pareto_k: float


def reweighted(log_likelihoods: np.ndarray, truths: np.ndarray, values: np.ndarray) -> Expected:
    """Expected variance from log likelihoods.

    Parameters
    ----------
    log_likelihoods : array (outcome, draw)
        In nats.
    truths : array of int (outcome,)
        Draws behind the outcomes; each is left out of its own weights.
    values : array (draw,)
        Of the target.
    """
    means, noises, variances, shapes = [], [], [], []
    for row, truth in zip(log_likelihoods, truths, strict=True):
        others = np.delete(np.arange(len(values)), truth)
        log_weights, shape, _ = smoothed_weights(row[others])
        weights = np.exp(log_weights)
        mean = weights @ values[others]
        squares = (values[others] - mean) ** 2
        means.append(mean)
        noises.append(weights**2 @ squares)
        variances.append(weights @ squares)
        shapes.append(shape)
    before = float(np.var(values))
    found = expected(before, np.array(means), np.array(noises), np.array(variances))
    return found._replace(pareto_k=float(np.quantile(shapes, 0.9, method="higher")))


def expected(before: float, means: np.ndarray, noises: np.ndarray, variances: np.ndarray) -> Expected:
    r"""Expected variance by the better of two estimates of one number.

    .. math:: E_y \mathrm{Var}(f \mid y) = \mathrm{Var}(f) - \mathrm{Var}_y\,E(f \mid y)

    The right side has the smaller error where a measurement says little.

    Parameters
    ----------
    before : float
        Variance now.
    means, noises, variances : array (outcome,)
        Posterior mean after each outcome, the Monte Carlo variance of that mean, posterior variance.
    """
    root = np.sqrt(len(means))
    within, within_error = variances.mean(), variances.std(ddof=1) / root
    squares = (means - means.mean()) ** 2 * len(means) / (len(means) - 1)
    told, told_error = squares.mean() - noises.mean(), squares.std(ddof=1) / root
    if told_error < within_error:
        return Expected(float(np.clip(before - told, 0.0, before)), float(told_error), float("nan"))
    return Expected(float(within), float(within_error), float("nan"))


def of_measured(
    key: PRNGKeyArray,
    model: Model,
    draws: FlatDraws,
    added: Observations,
    places: np.ndarray,
    truths: np.ndarray,
) -> np.ndarray:
    """Log likelihoods (outcome, draw) of further outcomes of measured devices; inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    key : PRNG key
    model : Model
        Without latent variables.
    draws : mapping
        Values of the law, (draw,) or (draw, device).
    added : Observations
        Settings of the further outcomes.
    places : array of int
        Numbers of their devices.
    truths : array of int (outcome,)
    """
    rows = {n: v if v.ndim == 1 else v[:, places] for n, v in draws.items()}
    outcomes = replicated(key, model, {n: v[truths] for n, v in rows.items()}, added)
    return _of_outcomes(model, rows, added, outcomes)


def of_measured_in_population(
    key: PRNGKeyArray,
    model: Model,
    priors: Mapping[str, Prior],
    draws: FlatDraws,
    observations: Observations,
    addition: Addition,
    truths: np.ndarray,
    device: int | None,
) -> np.ndarray:
    r"""As `of_measured`, devices integrated out: weights of populations are far more even than those of all devices.

    .. math:: \ln w_j = \sum_d \ln \frac{p(y_d, y_d^{old} \mid \phi_j)}{p(y_d^{old} \mid \phi_j)}

    Parameters
    ----------
    device : int or None
        Number of a device that the target belongs to, which its own draws stand for.
    """
    places, added = np.asarray(addition.places), addition.observations
    populations = population_names(model, "hierarchical")
    law = {n: v if v.ndim == 1 else v[:, places] for n, v in draws.items() if n not in populations}
    outcomes = replicated(key, model, {n: v[truths] for n, v in law.items()}, added)
    phis, number = population_vectors(model, draws), len(places)
    before = rows_of(observations, np.tile(places, len(truths)))
    after = joined(before, _stacked(added, outcomes), np.arange(len(truths) * number))
    gain = evidence_by_device(model, priors, after, phis).reshape(len(phis), len(truths), number)
    gain = gain - evidence_by_device(model, priors, rows_of(observations, places), phis)[:, None]
    if device is not None and device in places:
        own = int(np.flatnonzero(places == device)[0])
        one = slice(own, own + 1)
        alone = {n: v if v.ndim == 1 else v[:, one] for n, v in law.items()}
        itself = _of_outcomes(
            model, alone, rows_of(added, np.array([own])), {n: o[:, one] for n, o in outcomes.items()}
        )
        gain[:, :, own] = itself.T
    return gain.sum(2).T


def of_new(
    key: PRNGKeyArray,
    model: Model,
    priors: Mapping[str, Prior],
    draws: FlatDraws,
    added: Observations,
    truths: np.ndarray,
) -> np.ndarray:
    """Log likelihoods (outcome, draw) of new devices, integrated out; inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    key : PRNG key
    model : Model
        Whose devices can be integrated out (`charz.fitting.marginal.integrable`).
    priors : mapping
    draws : mapping
        Populations and shared values, (draw,).
    added : Observations
        Settings of the new devices.
    truths : array of int (outcome,)
    """
    key_devices, key_outcomes = jax.random.split(key)
    number = len(added.devices)
    populations = {n: jnp.asarray(v[truths]) for n, v in draws.items() if v.ndim == 1}
    values = draw_devices(key_devices, model, populations, (number,))
    outcomes = replicated(key_outcomes, model, {n: np.asarray(v, float) for n, v in values.items()}, added)
    terms = evidence_by_device(model, priors, _stacked(added, outcomes), population_vectors(model, draws))
    return terms.reshape(-1, len(truths), number).sum(2).T


def evidence_by_device(
    model: Model, priors: Mapping[str, Prior], observations: Observations, phis: np.ndarray
) -> np.ndarray:
    """Log marginal likelihood of each device under each population, (population, device), in nats."""
    coordinates = coordinates_of(model, priors)
    devices = Devices(model, coordinates, observations.arrays)
    modes = separate_modes(devices, observations)
    surrogate = surrogate_at(devices, phis.mean(0), modes)
    per_axis = PER_AXIS[len(coordinates.varying) - 1]
    return moving_by_device(devices, surrogate, phis, per_axis)


def _stacked(added: Observations, outcomes: Mapping[str, np.ndarray]) -> Observations:
    """Outcomes (outcome, device, *dims) as so many devices in a row."""
    number = len(next(iter(outcomes.values())))
    every = rows_of(added, np.tile(np.arange(len(added.devices)), number))
    flat = {n: o.reshape(-1, *o.shape[2:]) for n, o in outcomes.items()}
    return replace(every, arrays={**every.arrays, **flat})


def _of_outcomes(
    model: Model, rows: FlatDraws, added: Observations, outcomes: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Log likelihoods (outcome, draw) of outcomes (outcome, device, *dims) of the devices of `rows`."""
    fixed = {n: jnp.asarray(a, jnp.float64) for n, a in added.arrays.items() if n not in outcomes}
    values = {n: jnp.asarray(v) for n, v in with_device_axis(rows, 1, len(added.devices)).items()}
    return np.asarray(_all_pairs(model.log_likelihood)(values, fixed, dict(outcomes)))


def replicated(
    key: PRNGKeyArray, model: Model, values: Mapping[str, np.ndarray], added: Observations
) -> dict[str, np.ndarray]:
    """Outcomes (sample, device, *dims) of devices with values (sample[, device]); finite at padding."""
    drawn = model.replicate(generator_from(key), with_device_axis(values, 1, len(added.devices)), added)
    return {
        n: np.where(added.measured, np.asarray(drawn[n], float), np.asarray(added.arrays[n], float))
        for n in added.observed
    }


@lru_cache(maxsize=32)
def _all_pairs(function: Callable[[Values, Arrays], Array]) -> Callable[..., Array]:
    """Log likelihoods of every outcome under every draw, an outcome at a time."""

    def pairs(values: Any, fixed: Any, outcomes: Any) -> Array:
        number = next(iter(fixed.values())).shape[0]

        def of_outcome(outcome: Any) -> Array:
            arrays = {**fixed, **outcome}
            return jax.vmap(lambda draw: device_terms(function, draw, arrays, number).sum())(values)

        return jax.lax.map(of_outcome, outcomes)

    return jax.jit(pairs)
