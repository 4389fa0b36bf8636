r"""Where each device's own posterior peaks and how sharply: cheap, vectorised, before any sampling.

The peak starts the chains, and its sharpness tells how informative each device's data are, from which
`charz.fitting.centring` chooses the parametrization. Nothing here enters the result of a fit.

Fisher scoring with damping (Levenberg-Marquardt): with :math:`J = \partial p/\partial\eta` of the free parameters
:math:`\eta` on their linked scales,

.. math:: g = J^T \frac{k - n p}{p (1 - p)} + \nabla \ln \pi, \qquad
          F = J^T \mathrm{diag}\frac{n}{p (1 - p)} J - \nabla^2 \ln \pi .
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import jax
import numpy as np
from jaxtyping import Array

from charz.devices import AbstractSwitchingLaw
from charz.fitting.models import SwitchingModel
from charz.fitting.priors import Prior
from charz.fitting.pulse import log_likelihood_kernel, safe_probability

NUM_ITERATIONS = 60
NUM_START_LOCATIONS = 33
START_WIDTHS_IN_SWEEP = (0.2, 0.1, 0.05, 0.02, 0.008, 0.003)
START_ASYMPTOTE = 0.02


@dataclass(frozen=True)
class Modes:
    """Peak and curvature of each unit's posterior on the linked scales.

    A unit is a device, or all devices together where they are pooled completely.

    Parameters
    ----------
    mode : array (unit, parameter)
        Maximum of likelihood × prior of the typical device.
    covariance : array (unit, parameter, parameter)
        Inverse of the expected information plus the prior's curvature there.
    information : array (unit, parameter)
        Marginal precision that the data alone contribute: 1/variance minus the prior's curvature, at least 0.
    """

    mode: np.ndarray
    covariance: np.ndarray
    information: np.ndarray


def find_modes(
    model: SwitchingModel,
    priors: Mapping[str, Prior],
    amplitude: np.ndarray,
    num_trials: np.ndarray,
    num_switched: np.ndarray,
) -> Modes:
    """Maximise every unit's log posterior from the best point of a coarse grid.

    Parameters
    ----------
    model : SwitchingModel
    priors : mapping
        Priors of the typical device by linked name.
    amplitude, num_trials, num_switched : array (unit, setting)
    """
    ordered = [priors[p.linked_name] for p in model.free]
    expand = _expansion(model)

    def at(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        value, gradient, information = map(np.asarray, expand(eta, amplitude, num_trials, num_switched))
        terms = [prior.expand(eta[:, i]) for i, prior in enumerate(ordered)]
        log_prior, slope, precision = (np.stack(part, axis=-1) for part in zip(*terms, strict=True))
        return value + log_prior.sum(-1), gradient + slope, information + _diagonal(precision)

    mode, information = _climb(at, _best_start(model, at, amplitude, num_trials))
    covariance = np.linalg.inv(_made_definite(information))
    precision = np.stack([prior.expand(mode[:, i])[2] for i, prior in enumerate(ordered)], axis=-1)
    from_data = 1 / np.diagonal(covariance, axis1=1, axis2=2) - precision
    return Modes(mode, covariance, np.maximum(from_data, 0.0))


@lru_cache(maxsize=16)
def _expansion(model: SwitchingModel) -> Callable[..., tuple[Array, Array, Array]]:
    """Log likelihood, its gradient and the expected information of one unit, compiled and vectorised."""
    names = [p.linked_name for p in model.free]

    def one(eta: Array, amplitude: Array, trials: Array, switched: Array) -> tuple[Array, Array, Array]:
        def law_of(eta: Array) -> AbstractSwitchingLaw:
            return model.law_from_linked(dict(zip(names, eta, strict=True)))

        def probability(eta: Array) -> Array:
            return safe_probability(law_of(eta), amplitude)

        p, jacobian = probability(eta), jax.jacfwd(probability)(eta)
        variance = p * (1 - p)
        value = log_likelihood_kernel(law_of(eta), amplitude, trials, switched).sum()
        gradient = jacobian.T @ ((switched - trials * p) / variance)
        return value, gradient, (jacobian.T * (trials / variance)) @ jacobian

    return jax.jit(jax.vmap(one))


def _best_start(
    model: SwitchingModel, at: Callable[[np.ndarray], tuple], amplitude: np.ndarray, trials: np.ndarray
) -> np.ndarray:
    """Best point of a grid of (location, width) over each unit's sweep, asymptotes at 2 %."""
    low = np.where(trials > 0, amplitude, np.inf).min(-1)
    high = np.where(trials > 0, amplitude, -np.inf).max(-1)
    low, high = (
        np.where(np.isfinite(low), low, amplitude[:, 0]),
        np.where(np.isfinite(high), high, amplitude[:, 0]),
    )
    span = np.where(high > low, high - low, np.ptp(amplitude))
    best_value, best = np.full(len(low), -np.inf), np.zeros((len(low), len(model.free)))
    for width in START_WIDTHS_IN_SWEEP:
        for place in np.linspace(0.0, 1.0, NUM_START_LOCATIONS):
            asymptote = np.full_like(low, START_ASYMPTOTE)
            natural = {
                "location": low + place * span,
                "width": width * span,
                "floor": asymptote,
                "shortfall": asymptote,
            }
            eta = np.stack([np.asarray(p.link.forward(natural[p.name])) for p in model.free], axis=-1)
            value = at(eta)[0]
            better = value > best_value
            best_value = np.where(better, value, best_value)
            best = np.where(better[:, None], eta, best)
    return best


def _climb(at: Callable[[np.ndarray], tuple], eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt ascent: a step is kept only where it rises; each unit has its own damping."""
    value, gradient, information = at(eta)
    damping = np.ones(len(eta))
    for _ in range(NUM_ITERATIONS):
        scale = np.maximum(np.diagonal(information, axis1=1, axis2=2), 1e-8)
        step = np.linalg.solve(information + _diagonal(damping[:, None] * scale), gradient[..., None])[..., 0]
        proposed = at(eta + step)
        better = proposed[0] > value  # False for NaN, too
        eta = np.where(better[:, None], eta + step, eta)
        value = np.where(better, proposed[0], value)
        gradient = np.where(better[:, None], proposed[1], gradient)
        information = np.where(better[:, None, None], proposed[2], information)
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-9, 1e9)
    return eta, information


def _diagonal(values: np.ndarray) -> np.ndarray:
    """Diagonal matrices from the last axis."""
    return values[..., None] * np.eye(values.shape[-1])


def _made_definite(information: np.ndarray) -> np.ndarray:
    """Lift eigenvalues that are next to zero (a flat direction at the mode)."""
    values, vectors = np.linalg.eigh(information)
    floor = np.maximum(values[:, -1:], 1e-4) * 1e-12
    return np.einsum("uij,uj,ukj->uik", vectors, np.maximum(values, floor), vectors)
