"""Counts of repeated Bernoulli reads: exact sampling by inversion, without a loop over reads in memory."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

# 2^-100 is far above float32's smallest normal number; (1/2)^N of a larger N would be flushed to zero.
MAX_READS_PER_DRAW = 100


def sample_counts(
    key: PRNGKeyArray, probability: Float[Array, "*shape"], num_reads: int
) -> Float[Array, "*shape"]:
    r"""Draw ``Binomial(num_reads, probability)`` counts, elementwise.

    The cumulative distribution is summed term by term,
    :math:`\pi_{k+1} = \pi_k \frac{N-k}{k+1}\frac{q}{1-q}` with :math:`q = \min(p, 1-p)`, and inverted with one
    uniform number a draw: time O(num_reads × size), random numbers and memory O(size). The law is exact up to
    the resolution of a float32 uniform number (2⁻²³).

    Parameters
    ----------
    key : PRNG key
    probability : array
        Switching probabilities in [0, 1], dimensionless.
    num_reads : int
        Reads a device (N).

    Returns
    -------
    array
        Counts between 0 and `num_reads`, as floats of the shape of `probability`.
    """
    counts = jnp.zeros_like(probability)
    for start in range(0, num_reads, MAX_READS_PER_DRAW):
        key, key_part = jax.random.split(key)
        counts += _invert_binomial(key_part, probability, min(MAX_READS_PER_DRAW, num_reads - start))
    return counts


def _invert_binomial(
    key: PRNGKeyArray, probability: Float[Array, "*shape"], num_reads: int
) -> Float[Array, "*shape"]:
    uniform = jax.random.uniform(key, probability.shape, probability.dtype)
    if num_reads == 1:
        return (uniform < probability).astype(probability.dtype)
    rare = jnp.minimum(probability, 1 - probability)
    odds = rare / (1 - rare)

    def add_term(k: int, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        mass, cumulative, count = carry
        count = count + (uniform >= cumulative)
        mass = mass * odds * ((num_reads - k) / (k + 1))
        return mass, cumulative + mass, count

    mass = (1 - rare) ** num_reads
    carry = (mass, mass, jnp.zeros_like(probability))
    _, _, count = jax.lax.fori_loop(0, num_reads, add_term, carry, unroll=min(num_reads, 8))
    return jnp.where(probability > 0.5, num_reads - count, count)
