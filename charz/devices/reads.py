"""Counts of repeated Bernoulli reads: exact, by inversion of the binomial law."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.random_words import random_words, to_uniform

# Reads drawn with one uniform number: the terms of the binomial law are unrolled, so that XLA fuses them with
# the random words; more reads are drawn in groups, which also keeps (1/2)^N far above float32's smallest number.
MAX_READS_PER_DRAW = 16


def sample_counts(
    key: PRNGKeyArray, probability: Float[Array, "*shape"], num_reads: int
) -> Float[Array, "*shape"]:
    """Draw Binomial(num_reads, probability) counts, elementwise; see `invert_binomial`.

    Parameters
    ----------
    key : PRNG key
    probability : array
        Switching probabilities in [0, 1], dimensionless.
    num_reads : int
        Reads of each device (N).

    Returns
    -------
    array
        Counts between 0 and `num_reads`, as floats of the shape of `probability`.
    """
    return sample_count_pair(key, probability, probability, num_reads)[0]


def sample_count_pair(
    key: PRNGKeyArray,
    first: Float[Array, "*shape"],
    second: Float[Array, "*shape"],
    num_reads: int,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Draw two independent arrays of counts at the price of one: a cipher block gives two words."""
    shape = first.shape

    def draw(part: int | Array, num: int) -> tuple[Array, Array]:
        left, right = random_words(jax.random.fold_in(key, part), shape)
        return invert_binomial(to_uniform(left), first, num), invert_binomial(to_uniform(right), second, num)

    groups, rest = divmod(num_reads, MAX_READS_PER_DRAW)
    if groups == 0:
        return draw(0, rest)

    def add_group(part: Array, total: tuple[Array, Array]) -> tuple[Array, Array]:
        drawn = draw(part, MAX_READS_PER_DRAW)
        return total[0] + drawn[0], total[1] + drawn[1]

    total = jax.lax.fori_loop(1, groups, add_group, draw(0, MAX_READS_PER_DRAW))
    if rest:
        drawn = draw(groups, rest)
        total = (total[0] + drawn[0], total[1] + drawn[1])
    return total


def invert_binomial(
    uniform: Float[Array, "*shape"], probability: Float[Array, "*shape"], num_reads: int
) -> Float[Array, "*shape"]:
    r"""Invert the cumulative binomial law at a uniform number.

    The law is summed term by term,
    :math:`\pi_{k+1} = \pi_k\,\frac{N-k}{k+1}\,\frac{q}{1-q}` with :math:`q = \min(p, 1-p)`: time
    O(num_reads × size), memory O(size). Exact up to the resolution of the uniform number (2⁻²⁴).

    Parameters
    ----------
    uniform : array
        In [0, 1).
    probability : array
        In [0, 1].
    num_reads : int
        N, at most `MAX_READS_PER_DRAW`.
    """
    if num_reads == 1:
        return (uniform < probability).astype(probability.dtype)
    rare = jnp.minimum(probability, 1 - probability)
    odds = rare / (1 - rare)

    mass = (1 - rare) ** num_reads
    cumulative = mass
    count = jnp.zeros_like(probability)
    for k in range(num_reads):
        count = count + (uniform >= cumulative)
        mass = mass * odds * ((num_reads - k) / (k + 1))
        cumulative = cumulative + mass
    return jnp.where(probability > 0.5, num_reads - count, count)
