r"""Where each device's own posterior peaks and how sharply: cheap, vectorised, before any sampling.

The peak starts the chains, and its sharpness tells how informative each device's data are, from which
`charz.fitting.centring` chooses the parametrization. The Laplace approximation (`charz.fitting.laplace`) is the
normal distribution with this centre and covariance.

Newton's method with damping; where the log posterior is not concave its curvatures enter by their size, so that
every step still climbs (saddle-free Newton): with the Hessian :math:`-H = V\,\mathrm{diag}(\lambda)\,V^T`,

.. math:: \Delta\eta = V\,\mathrm{diag}\frac{1}{|\lambda| + \mu}\,V^T g .
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.contract import Model, Observations
from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.population import device_terms
from charz.fitting.priors import Prior, constants_of, distribution, families_of

NUM_ITERATIONS = 80
# Half of the decrement is the climb that is left, in nats.
SMALL_DECREMENT = 1e-9
MAX_DAMPING = 1e9


@dataclass(frozen=True)
class Modes:
    """Peak and curvature of each unit's posterior on the linked scales.

    A unit is a device, or all devices together where they are pooled completely.

    Parameters
    ----------
    mode : array (unit, parameter)
        Maximum of likelihood × prior of the typical device.
    covariance : array (unit, parameter, parameter)
        Inverse of the curvature of the log posterior there.
    information : array (unit, parameter)
        Marginal precision that the data alone contribute: 1/variance minus the prior's curvature, at least 0.
    """

    mode: np.ndarray
    covariance: np.ndarray
    information: np.ndarray

    def take(self, columns: list[int]) -> "Modes":
        """Keep some of the parameters."""
        return Modes(
            self.mode[:, columns],
            self.covariance[:, columns][:, :, columns],
            self.information[:, columns],
        )


def find_modes(model: Model, priors: Mapping[str, Prior], observations: Observations, pool: str) -> Modes:
    """Maximise every unit's log posterior from the best of the model's candidates.

    Parameters
    ----------
    model : Model
    priors : mapping
        Priors of the typical device by linked name.
    observations : Observations
    pool : str
        ``complete`` makes all devices one unit.
    """
    if model.subsample is not None and (part := model.subsample(observations)) is not None:
        start = find_modes(dataclasses.replace(model, subsample=None), priors, part, pool).mode
    else:
        start = None
    typical = {p.linked_name: priors[p.linked_name] for p in model.free}
    arrays = {name: jnp.asarray(a, jnp.float64) for name, a in observations.arrays.items()}
    blanks = {
        name: jnp.zeros_like(mask[:1], jnp.float64)[0] for name, mask in model.latents(observations).items()
    }
    together = pool == "complete"
    program = _compiled(model, families_of(typical), together)
    given = (arrays, constants_of(typical), blanks)
    value = lambda eta: np.asarray(program.value(eta, *given))  # noqa: E731
    expand = lambda eta: tuple(map(np.asarray, program.expand(eta, *given)))  # noqa: E731
    if start is None:
        start = _best_candidate(model, observations, together, value)
    mode, curvature, prior_curvature = _climb(expand, start)
    covariance = np.linalg.inv(_made_definite(curvature))
    from_data = 1 / np.diagonal(covariance, axis1=1, axis2=2) - np.maximum(prior_curvature, 0.0)
    return Modes(mode, covariance, np.maximum(from_data, 0.0))


@dataclass(frozen=True)
class _Compiled:
    value: Callable[..., Array]
    expand: Callable[..., tuple[Array, Array, Array, Array]]


@lru_cache(maxsize=32)
def _compiled(model: Model, families: tuple[tuple[str, str], ...], together: bool) -> _Compiled:
    """Log posterior of all units, and its expansion to second order, compiled and vectorised."""
    log_prior = _log_prior(model, families)
    log_posterior = _log_posterior(model, families, together)
    in_axes = (0, None if together else 0, None, None)

    def expand(eta: Array, *given: Any) -> tuple[Array, Array, Array, Array]:
        # One pass gives value, gradient and Hessian: half the program of taking them one by one.
        def slope(point: Array) -> tuple[Array, tuple[Array, Array]]:
            value, gradient = jax.value_and_grad(log_posterior)(point, *given)
            return gradient, (value, gradient)

        hessian, (value, gradient) = jax.jacfwd(slope, has_aux=True)(eta)
        prior_curvature = -jnp.diagonal(jax.jacfwd(jax.grad(log_prior))(eta, given[1]))
        return value, gradient, -hessian, prior_curvature

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(jax.vmap(function, in_axes), compiler_options=COMPILER_OPTIONS)

    return _Compiled(compiled(log_posterior), compiled(expand))


def _log_prior(model: Model, families: tuple[tuple[str, str], ...]) -> Callable[[Array, Any], Array]:
    def function(eta: Array, constants: Any) -> Array:
        densities = [
            distribution(family, constants[name]).log_prob(value)
            for (name, family), value in zip(families, eta, strict=True)
        ]
        return jnp.stack(densities).sum()

    return function


def _log_posterior(
    model: Model, families: tuple[tuple[str, str], ...], together: bool
) -> Callable[[Array, Any, Any, Any], Array]:
    """Of one unit: ``(eta, arrays, prior constants, blanks of the latents) -> nats``."""
    log_prior = _log_prior(model, families)
    names = [p.linked_name for p in model.free]

    def function(eta: Array, arrays: Any, constants: Any, blanks: Any) -> Array:
        values = model.values_from_linked(dict(zip(names, eta, strict=True)))
        if together:
            num_devices = len(next(iter(arrays.values())))
            shared = {n: jnp.broadcast_to(b, (num_devices, *b.shape)) for n, b in blanks.items()}
            terms = device_terms(model.log_likelihood, {**values, **shared}, arrays, num_devices)
        else:
            terms = model.log_likelihood({**values, **blanks}, arrays)
        return terms.sum() + log_prior(eta, constants)

    return function


def _best_candidate(
    model: Model, observations: Observations, together: bool, value: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Start of each unit, (unit, parameter): the candidate with the highest log posterior."""
    natural = model.candidates(observations)
    num_devices = len(observations.devices)
    columns = [
        np.asarray(p.link.forward(jnp.asarray(np.asarray(natural[p.name], float), jnp.float64)))
        for p in model.free
    ]
    num_candidates = max(column.shape[-1] for column in columns)
    table = np.stack([np.broadcast_to(c, (num_devices, num_candidates)) for c in columns], axis=-1)
    if together:
        table = table.reshape(1, -1, table.shape[-1])
        # Candidates of many devices repeat each other: evenly spaced ones of the list suffice.
        keep = np.unique(np.linspace(0, table.shape[1] - 1, max(num_candidates, 256)).astype(int))
        table = table[:, keep]
    best, best_value = table[:, 0].copy(), np.full(len(table), -np.inf)
    for index in range(table.shape[1]):
        found = value(table[:, index])
        better = found > best_value  # False for NaN, too
        best_value = np.where(better, found, best_value)
        best = np.where(better[:, None], table[:, index], best)
    return best


def _climb(
    expand: Callable[[np.ndarray], tuple[np.ndarray, ...]], eta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Damped ascent: a step is kept only where it rises; each unit has its own damping."""
    value, gradient, curvature, prior_curvature = expand(eta)
    damping = np.full(len(eta), 1e-2)
    for _ in range(NUM_ITERATIONS):
        step, decrement = _step(gradient, curvature, damping)
        if np.all((decrement < SMALL_DECREMENT) | (damping >= MAX_DAMPING)):
            break
        proposed = expand(eta + step)
        better = (proposed[0] > value) & np.isfinite(proposed[1]).all(-1)
        eta = np.where(better[:, None], eta + step, eta)
        value = np.where(better, proposed[0], value)
        gradient = np.where(better[:, None], proposed[1], gradient)
        curvature = np.where(better[:, None, None], proposed[2], curvature)
        prior_curvature = np.where(better[:, None], proposed[3], prior_curvature)
        damping = np.clip(np.where(better, damping / 10, damping * 5), 1e-12, MAX_DAMPING)
    return eta, curvature, prior_curvature


def _step(gradient: np.ndarray, curvature: np.ndarray, damping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Damped step, and the undamped decrement that says how far the peak still is.

    In coordinates scaled by the curvature's diagonal, so that volts and logits weigh the same.
    """
    curvature = _finite(curvature)
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diagonal(curvature, axis1=1, axis2=2)), 1e-10))
    values, vectors = np.linalg.eigh(scale[:, :, None] * curvature * scale[:, None, :])
    size = np.maximum(np.abs(values), 1e-10)
    along = np.einsum("uji,uj->ui", vectors, scale * np.nan_to_num(gradient))
    step = scale * np.einsum("uij,uj->ui", vectors, along / (size + damping[:, None]))
    return step, (along**2 / size).sum(-1)


def _finite(curvature: np.ndarray) -> np.ndarray:
    return np.nan_to_num((curvature + curvature.swapaxes(1, 2)) / 2, nan=0.0, posinf=1e12, neginf=-1e12)


def _made_definite(curvature: np.ndarray) -> np.ndarray:
    """Lift eigenvalues that are next to zero or below (a flat direction at the mode), in scaled coordinates.

    Unscaled, the curvature of a level in amperes would lift every other parameter's.
    """
    curvature = _finite(curvature)
    size = np.sqrt(np.maximum(np.abs(np.diagonal(curvature, axis1=1, axis2=2)), 1e-10))
    scaled = curvature / (size[:, :, None] * size[:, None, :])
    values, vectors = np.linalg.eigh(scaled)
    lifted = np.einsum("uij,uj,ukj->uik", vectors, np.maximum(values, 1e-8), vectors)
    return lifted * size[:, :, None] * size[:, None, :]
