"""Log posterior of many points at once, compiled: what importance weights and differences are made of."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.contract import Model
from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.population import device_terms
from charz.fitting.priors import distribution

# Points of one call of the compiled program; the last call is filled up with the last point.
BATCH = 32


class Density:
    """Log posterior of the units of a dataset; to be used inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    model : Model
        Without latent variables.
    families : tuple of (name, family)
        Shape of the priors.
    pool : str
        ``complete`` makes all devices one unit, ``none`` each device one.
    arrays, constants : mapping
        Observations (device, ...), and constants of the priors by linked name.
    with_terms : bool
        Whether the terms of the likelihood are wanted, too.
    """

    def __init__(
        self,
        model: Model,
        families: tuple[tuple[str, str], ...],
        pool: str,
        arrays: Mapping[str, np.ndarray],
        constants: Mapping[str, Any],
        *,
        with_terms: bool = False,
    ) -> None:
        self._program = _program(model, families, pool, with_terms)
        self._data = (
            {name: jnp.asarray(array, jnp.float64) for name, array in arrays.items()},
            jax.tree.map(lambda constant: jnp.asarray(constant, jnp.float64), dict(constants)),
        )

    def __call__(
        self, etas: np.ndarray, tick: Callable[[int], None] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate points (point, unit, parameter) of linked parameters.

        Returns
        -------
        log_posterior : array (point, unit)
            In nats.
        terms : array (point, device, term)
            In nats; without terms where they are not wanted.
        """
        parts = []
        for start in range(0, len(etas), BATCH):
            points = etas[start : start + BATCH]
            filled = np.concatenate([points, np.repeat(points[-1:], BATCH - len(points), axis=0)])
            found = self._program(filled, *self._data)
            parts.append(jax.tree.map(lambda x: np.asarray(x)[: len(points)], found))  # noqa: B023
            if tick is not None:
                tick(len(points))
        return jax.tree.map(lambda *x: np.concatenate(x), *parts)


@lru_cache(maxsize=32)
def _program(
    model: Model, families: tuple[tuple[str, str], ...], pool: str, with_terms: bool
) -> Callable[[np.ndarray, Any, Any], tuple[Array, Array]]:
    family = dict(families)

    def one(eta: Array, arrays: Mapping[str, Array], constants: Any) -> tuple[Array, Array]:
        num_devices = len(next(iter(arrays.values())))
        columns = {p.linked_name: eta[:, i] for i, p in enumerate(model.free)}
        log_prior = jnp.stack([distribution(family[n], constants[n]).log_prob(v) for n, v in columns.items()])
        each = {n: jnp.broadcast_to(v, (num_devices,)) for n, v in model.values_from_linked(columns).items()}
        terms = device_terms(model.log_likelihood, each, arrays, num_devices).reshape(num_devices, -1)
        total = terms.sum(1)
        shared = total.sum()[None] if pool == "complete" else total
        return log_prior.sum(0) + shared, terms if with_terms else terms[:, :0]

    return jax.jit(
        lambda etas, arrays, constants: jax.lax.map(lambda eta: one(eta, arrays, constants), etas),
        compiler_options=COMPILER_OPTIONS,
    )
