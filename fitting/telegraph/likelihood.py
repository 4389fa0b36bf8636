r"""Log likelihood of a record of telegraph noise: which levels, which transitions, in which units.

For levels :math:`\mu_0 < \mu_1 < \dots` with a common noise σ the log density of a level over that of the lowest is
linear in the signal,

.. math:: \ln\frac{e_k(y)}{e_0(y)} = \frac{\delta_k}{\sigma^2}\left(y - \mu_0 - \frac{\delta_k}{2}\right), \qquad
          \delta_k = \mu_k - \mu_0,

and what remains, the density of the lowest level at every sample, needs only the sums of y, y², t, ... of a lane.
Signals are standardised by the middle and the range of the record before anything is squared.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.fitting.contract import Arrays
from charz.fitting.telegraph.forward import (
    Emission,
    Lanes,
    chained_terms,
    cut,
    lane_products,
    left_out_terms,
    steps_of,
)

# In ranges of the record: beyond these nothing changes any more, but squares would overflow.
LARGEST, SMALLEST = 1e4, 1e-7
# A transition that never happens would leave lanes without any possible path; no record has 1e13 samples.
LEAST_PROBABILITY = 1e-13
LEAST_RATE, LARGEST_RATE = 1e-13, 1e3  # per sample
HALF_LOG_TWO_PI = 0.9189385332046727


class Chain(NamedTuple):
    """A chain as it was sampled, in the units of the record.

    Parameters
    ----------
    low : array ()
        Lowest level; in the middle of the record where it drifts.
    offsets : tuple of array ()
        Of the other levels from the lowest, > 0.
    noise : array ()
    transition : array (from, to)
        Probabilities of one step.
    stationary : array (state,)
    drift : array () or None
        Change of all levels over the record.
    """

    low: Float[Array, ""]
    offsets: tuple[Float[Array, ""], ...]
    noise: Float[Array, ""]
    transition: Float[Array, "from to"]
    stationary: Float[Array, " state"]
    drift: Float[Array, ""] | None = None


def chain_terms(chain: Chain, arrays: Arrays) -> Float[Array, " block"]:
    """Log density of every block of the record given all blocks before it, in nats."""
    matrix, log_scale = _products(chain, arrays)
    return chained_terms(matrix, log_scale, chain.stationary)


def chain_left_out(chain: Chain, arrays: Arrays) -> Float[Array, " block"]:
    """Log density of every block given all other blocks, in nats."""
    matrix, log_scale = _products(chain, arrays)
    unseen = jnp.linalg.matrix_power(kept_possible(chain.transition), steps_of(arrays["signal"].size)).T
    return left_out_terms(matrix, log_scale, chain.stationary, unseen)


def kept_possible(transition: Array) -> Array:
    """Keep every transition possible: no probability below 1e-13."""
    return jnp.maximum(transition, LEAST_PROBABILITY)


def clipped_rate(rate: Array, interval: Array) -> Array:
    """Rate, kept where a record can tell it from another: 1e-13 to 1e3 a sample."""
    return jnp.clip(rate, LEAST_RATE / interval, LARGEST_RATE / interval)


def _products(chain: Chain, arrays: Arrays) -> tuple[Array, Array]:
    seen = arrays["seen"] > 0
    centre, scale = arrays["centre"], arrays["scale"]
    standard = jnp.where(seen, (arrays["signal"] - centre) / scale, 0.0)
    low = jnp.clip((chain.low - centre) / scale, -LARGEST, LARGEST)
    noise = jnp.clip(chain.noise / scale, SMALLEST, LARGEST)
    offsets = [jnp.clip(offset / scale, SMALLEST, LARGEST) for offset in chain.offsets]
    drift = None if chain.drift is None else jnp.clip(chain.drift / scale, -LARGEST, LARGEST)
    time = None if drift is None else jnp.arange(seen.size) / arrays["length"] - 0.5
    slope = [offset / noise**2 for offset in offsets]
    # In double precision throughout: parameters rounded to single move the sum over a million samples by nats, by
    # another amount for each draw, and importance weights would be noise.
    emission = Emission(
        tuple(slope),
        tuple(-a * (low + offset / 2) for a, offset in zip(slope, offsets, strict=True)),
        None if drift is None else tuple(-a * drift for a in slope),
    )
    lanes = Lanes(cut(standard), cut(seen), None if time is None else cut(time))
    possible = kept_possible(chain.transition)
    states = range(len(offsets) + 1)
    rows = tuple(tuple(possible[j, k] for k in states) for j in states)
    matrix, log_scale = lane_products(emission, rows, lanes)
    return matrix, log_scale + _lowest_level(low, noise, drift, lanes, scale)


def _lowest_level(low: Array, noise: Array, drift: Array | None, lanes: Lanes, scale: Array) -> Array:
    """Log density of the samples of every lane, were all in the lowest level, in nats: from sums that are data."""
    y, count = lanes.signal, lanes.seen.sum(0)
    square = (y**2).sum(0) - 2 * low * y.sum(0) + low**2 * count
    if drift is not None and lanes.time is not None:
        t = jnp.where(lanes.seen, lanes.time, 0.0)
        square += 2 * drift * (low * t.sum(0) - (y * t).sum(0)) + drift**2 * (t**2).sum(0)
    return -square / (2 * noise**2) - count * (jnp.log(noise * scale) + HALF_LOG_TWO_PI)
