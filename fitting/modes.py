"""Where each device's own posterior peaks and how sharply: cheap, vectorised, before any sampling.

The peak starts the chains, and its sharpness tells how informative each device's data are, from which
`charz.fitting.centring` chooses the parametrization. The Laplace approximation (`charz.fitting.laplace`) is the
normal distribution with this centre and covariance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.errors import FitError
from charz.fitting.anchors import anchored_peak
from charz.fitting.ascent import best_candidate, climb, covariance_of
from charz.fitting.contract import Model, Observations
from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.population import device_terms
from charz.fitting.priors import Prior, constants_of, distribution, families_of
from charz.fitting.stand_in import StandIn


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
    stand_in : StandIn, optional
        Part of a long record that stood in for the whole, tied to it next to the peak.
    """

    mode: np.ndarray
    covariance: np.ndarray
    information: np.ndarray
    stand_in: StandIn | None = None

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
    part = None if model.subsample is None else model.subsample(observations)
    start = None
    if isinstance(part, StandIn):
        modes = modes_of_part(model, priors, part, pool)
        if modes.stand_in is not None:
            return modes
        start = modes.mode
    elif part is not None:
        start = _climbed(model, priors, part, pool, None)[0]
    return _modes(*_climbed(model, priors, observations, pool, start))


def modes_of_part(model: Model, priors: Mapping[str, Prior], part: StandIn, pool: str) -> Modes:
    """Maximise with a part of a long record; of the modes' stand-in is None where it could not be tied to the whole.

    Raises
    ------
    FitError
        Where it could not, and the whole is not in memory.
    """
    peak = anchored_peak(model, priors, part, pool)
    if peak.stand_in is None and part.only:
        raise FitError(
            f"the peak of the log likelihood of {part.number} samples was not found from a part of them, and the"
            " record is too long to be climbed whole: fit a part of it, or look whether the record is what the"
            " model says (charz inspect)"
        )
    return _modes(peak.mode, peak.curvature, peak.prior_curvature, peak.stand_in)


def _modes(
    mode: np.ndarray, curvature: np.ndarray, prior_curvature: np.ndarray, stand_in: StandIn | None = None
) -> Modes:
    covariance = covariance_of(curvature)
    from_data = 1 / np.diagonal(covariance, axis1=1, axis2=2) - np.maximum(prior_curvature, 0.0)
    return Modes(mode, covariance, np.maximum(from_data, 0.0), stand_in)


def _climbed(
    model: Model,
    priors: Mapping[str, Prior],
    observations: Observations,
    pool: str,
    start: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Peak, curvature and curvature of the prior, from a start or from the best of the candidates."""
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
        start = best_candidate(model, observations, together, value)
    return climb(expand, start)


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
