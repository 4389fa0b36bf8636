r"""The exact value and gradient of a long record's log likelihood, a chunk at a time.

With the product :math:`A_c` of the transfer matrices of chunk c, the shares :math:`\alpha_c` of the states before it
and the likelihoods :math:`\beta_c` of what comes after,

.. math:: \nabla \ln p = \sum_c \nabla \ln\left(\beta_c^T A_c \alpha_c\right), \qquad
          \beta_{c-1} = A_c^T \beta_c,

so that two passes over the record give both, with the memory of one chunk and a number of matrices.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.telegraph.forward import Lanes, cut, lane_products
from charz.fitting.telegraph.likelihood import rows_of
from charz.fitting.telegraph.long_records import CHUNK_SAMPLES, Record


class Whole(NamedTuple):
    """One record: where it lies, and what standardises it.

    Parameters
    ----------
    record : Record
    device : int
    centre, scale, length : float
        As in the observations.
    drifting : bool
        Whether the levels move over the record.
    """

    record: Record
    device: int
    centre: float
    scale: float
    length: float
    drifting: bool


def moments(whole: Whole) -> np.ndarray:
    """Sums over all samples: number, y, y², t, yt, t², of the standardised signal y and the share t passed."""
    total = np.zeros(6)
    for start, samples in whole.record.chunks(whole.device):
        seen = np.isfinite(samples)
        y = np.where(seen, (samples - whole.centre) / whole.scale, 0.0)
        t = np.zeros(()) if not whole.drifting else np.where(seen, _share(whole, start, len(samples)), 0.0)
        parts = (seen, y, y * y, t, y * t, t * t)
        total += [float(np.sum(part, dtype=np.float64)) for part in parts]
    return total


def value_and_gradient(whole: Whole, natural: Any) -> tuple[float, np.ndarray]:
    """Log density of the record over that of the lowest level, in nats, and its gradient by the natural parameters.

    Parameters
    ----------
    whole : Whole
    natural : Natural
        Of `charz.fitting.telegraph.condensed`.
    """
    share = jnp.exp(natural.log_stationary)
    value, shares, products = 0.0, [], []
    for start, samples in whole.record.chunks(whole.device):
        shares.append(share)
        log_total, share, product = _forward(natural, share, _lanes(whole, start, samples))
        value += float(log_total)
        products.append(product)
    weight = jnp.ones_like(share)
    weights = []
    for product in reversed(products):
        weights.append(weight)
        weight = weight @ product
        weight = weight / weight.sum()
    gradient = np.zeros(ravel_pytree(natural)[0].size)
    for (start, samples), before, after in zip(
        whole.record.chunks(whole.device), shares, reversed(weights), strict=True
    ):
        slope = _slope(natural, before, after, start == 0, _lanes(whole, start, samples))
        gradient += np.asarray(ravel_pytree(slope)[0])
    return value, gradient


def _lanes(whole: Whole, start: int, samples: np.ndarray) -> Lanes:
    """Standardised chunk in lanes, filled up to the size of a chunk by steps in which no time passes."""
    size = min(CHUNK_SAMPLES, whole.record.num_samples)
    seen = np.isfinite(samples)
    standard = np.where(seen, (samples - whole.centre) / whole.scale, 0.0)
    index = start + np.arange(len(samples))
    moves = (index > 0) & (index < whole.length)
    time = _share(whole, start, len(samples)) if whole.drifting else None
    filled = [
        None if a is None else np.pad(a, (0, size - len(samples))) for a in (standard, seen, time, moves)
    ]
    return _in_lanes(*filled)


def _share(whole: Whole, start: int, number: int) -> np.ndarray:
    return (start + np.arange(number)) / whole.length - 0.5


@jax.jit
def _in_lanes(signal: Array, seen: Array, time: Array | None, moves: Array) -> Lanes:
    return Lanes(cut(signal), cut(seen), None if time is None else cut(time), cut(moves))


def _products(natural: Any, lanes: Lanes) -> tuple[Array, Array]:
    return lane_products(natural.emission, rows_of(jnp.exp(natural.log_transition)), lanes)


@partial(jax.jit, compiler_options=COMPILER_OPTIONS)
def _forward(natural: Any, share: Array, lanes: Lanes) -> tuple[Array, Array, Array]:
    """Log density of a chunk given what was before it, shares after it, and its product, whose entries sum to one."""
    matrix, log_scale = _products(natural, lanes)

    def join(carry: tuple[Array, Array], lane: Array) -> tuple[tuple[Array, Array], Array]:
        share, product = carry
        after, product = lane @ share, lane @ product
        return (after / after.sum(), product / product.sum()), jnp.log(after.sum())

    start = (share, jnp.eye(share.size))
    (after, product), log_totals = jax.lax.scan(join, start, matrix)
    return log_totals.sum() + log_scale.sum(), after, product


@partial(jax.jit, compiler_options=COMPILER_OPTIONS)
def _slope(natural: Any, share: Array, weight: Array, first: Array, lanes: Lanes) -> Any:
    """Gradient of the logarithm of (weight · product · share); the first chunk's shares follow the parameters."""

    def log_density(natural: Any) -> Array:
        matrix, log_scale = _products(natural, lanes)

        def join(share: Array, lane: Array) -> tuple[Array, Array]:
            after = lane @ share
            return after / after.sum(), jnp.log(after.sum())

        start = jnp.where(first, jnp.exp(natural.log_stationary), share)
        after, log_totals = jax.lax.scan(join, start, matrix)
        return log_totals.sum() + log_scale.sum() + jnp.log(weight @ after)

    return jax.grad(log_density)(natural)
