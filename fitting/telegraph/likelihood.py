r"""Log likelihood of a record of telegraph noise: which levels, which transitions, in which units.

For levels :math:`\mu_0 < \mu_1 < \dots` with a common noise σ the log density of a level over that of the lowest is
linear in the signal,

.. math:: \ln\frac{e_k(y)}{e_0(y)} = \frac{\delta_k}{\sigma^2}\left(y - \mu_0 - \frac{\delta_k}{2}\right), \qquad
          \delta_k = \mu_k - \mu_0,

and what remains, the density of the lowest level at every sample, needs only the sums of y, y², t, ... of a lane.
Signals are standardised by the middle and the range of the record before anything is squared.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.fitting.contract import Arrays
from charz.fitting.telegraph.forward import (
    Emission,
    Lanes,
    Matrix,
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


class Moments(NamedTuple):
    """Sums over standardised samples and their times: all that the density of the lowest level needs.

    Parameters
    ----------
    number, y, yy : array
        Number of samples, sums of signal and of its square.
    t, yt, tt : array
        Sums with the time; 0 where no level drifts.
    """

    number: Array
    y: Array
    yy: Array
    t: Array
    yt: Array
    tt: Array


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


def standardised(chain: Chain, arrays: Arrays) -> Chain:
    """Levels and noise in ranges of the record from its middle, within what changes anything."""
    centre, scale = arrays["centre"], arrays["scale"]
    return chain._replace(
        low=jnp.clip((chain.low - centre) / scale, -LARGEST, LARGEST),
        offsets=tuple(jnp.clip(offset / scale, SMALLEST, LARGEST) for offset in chain.offsets),
        noise=jnp.clip(chain.noise / scale, SMALLEST, LARGEST),
        drift=None if chain.drift is None else jnp.clip(chain.drift / scale, -LARGEST, LARGEST),
    )


def emission_of(chain: Chain) -> Emission:
    """Log densities over that of the lowest level, of a standardised chain.

    In double precision throughout: parameters rounded to single move the sum over a million samples by nats, by
    another amount for each draw, and importance weights would be noise.
    """
    slope = [offset / chain.noise**2 for offset in chain.offsets]
    return Emission(
        tuple(slope),
        tuple(-a * (chain.low + offset / 2) for a, offset in zip(slope, chain.offsets, strict=True)),
        None if chain.drift is None else tuple(-a * chain.drift for a in slope),
    )


def lanes_of(arrays: Arrays, *, drifting: bool) -> Lanes:
    """Standardised record in lanes, 0 where a sample is missing."""
    seen = arrays["seen"] > 0
    standard = jnp.where(seen, (arrays["signal"] - arrays["centre"]) / arrays["scale"], 0.0)
    time = cut(jnp.arange(seen.size) / arrays["length"] - 0.5) if drifting else None
    return Lanes(cut(standard), cut(seen), time)


def moments_of(lanes: Lanes) -> Moments:
    """Sums over the steps of every lane: data, they are the same for all parameters.

    Step by step, because XLA's sums over the leading axis take ten times as long on a CPU.
    """

    def step(sums: Moments, sample: Lanes) -> tuple[Moments, None]:
        y, count = sample.signal, sample.seen.astype(sample.signal.dtype)
        t = jnp.zeros_like(y) if sample.time is None else jnp.where(sample.seen, sample.time, 0.0)
        return jax.tree.map(jnp.add, sums, Moments(count, y, y * y, t, y * t, t * t)), None

    none = jnp.zeros_like(lanes.signal[0])
    return jax.lax.scan(step, Moments(*[none] * len(Moments._fields)), lanes)[0]


def lowest_level(chain: Chain, moments: Moments, scale: Array) -> Array:
    """Log density of samples were all in the lowest level of a standardised chain, in nats."""
    low, noise = chain.low, chain.noise
    square = moments.yy - 2 * low * moments.y + low**2 * moments.number
    if chain.drift is not None:
        square += 2 * chain.drift * (low * moments.t - moments.yt) + chain.drift**2 * moments.tt
    return -square / (2 * noise**2) - moments.number * (jnp.log(noise * scale) + HALF_LOG_TWO_PI)


def rows_of(transition: Array) -> Matrix:
    """Entries of a matrix one by one."""
    states = range(len(transition))
    return tuple(tuple(transition[j, k] for k in states) for j in states)


def _products(chain: Chain, arrays: Arrays) -> tuple[Array, Array]:
    standard = standardised(chain, arrays)
    lanes = lanes_of(arrays, drifting=chain.drift is not None)
    matrix, log_scale = lane_products(emission_of(standard), rows_of(kept_possible(chain.transition)), lanes)
    return matrix, log_scale + lowest_level(standard, moments_of(lanes), arrays["scale"])
