"""A layer of binary stochastic synapses: what the hardware measures, and what the controller can derive.

Notation of Ellis et al. 2023: inputs x_j in [0, 1], probabilities p_ij, P_ij = x_j p_ij, N reads a synapse.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.random_words import normal
from charz.devices.reads import sample_count_pair

Sampling = Literal["exact", "gaussian"]

# From this many reads on, a sum over the synapses of a neuron is drawn from its Gaussian limit unless the
# user asks for exact counts: at N = 16 and the smallest spreads that training leaves (S ≈ 2) N·S is above 30.
GAUSSIAN_FROM_READS = 16


class Moments(NamedTuple):
    """Mean μ (batch, outputs) and single-read variance S (batch, outputs) of a neuron's summed synapses."""

    mean: Float[Array, "batch outputs"]
    variance: Float[Array, "batch outputs"]


def signs(wires: int) -> Float[Array, "wires 1 1"]:
    """Sign with which each wire of a synapse counts: +1 alone; +1, -1 in a differential pair."""
    return jnp.asarray([1.0, -1.0][:wires]).reshape(wires, 1, 1)


def moments(x: Float[Array, "batch inputs"], probability: Float[Array, "wires inputs outputs"]) -> Moments:
    r"""Moments of the neuron output, (E2): :math:`\mu_i = \sum_j P_{ij}`, :math:`S_i = \sum_j P_{ij}(1-P_{ij})`.

    A differential pair subtracts the means and adds the variances. Cost: two matrix products.
    """
    difference = (signs(probability.shape[0]) * probability).sum(0)
    mean = x @ difference
    variance = x @ probability.sum(0) - (x * x) @ (probability * probability).sum(0)
    return Moments(mean, jnp.maximum(variance, 0.0))


def measure(
    key: PRNGKeyArray,
    x: Float[Array, "batch inputs"],
    probability: Float[Array, "wires inputs outputs"],
    num_reads: int | None,
    sampling: Sampling,
) -> Float[Array, "batch outputs"]:
    r"""Neuron outputs :math:`Y_i = \frac1N\sum_n\sum_j s_{ijn}` as the hardware gives them, before any bias.

    Parameters
    ----------
    key : PRNG key
        Fresh randomness of this reading (cycle-to-cycle).
    x : array
        Inputs in [0, 1]: the probability that a domain wall is sent to the synapse.
    probability : array
        Switching probabilities of the *actual* wires.
    num_reads : int or None
        N; None is the mean-field limit N = ∞ (no randomness).
    sampling : {"exact", "gaussian"}
        Binomial counts of every synapse, O(N × batch × synapses) time and O(batch × synapses) memory; or the
        Gaussian limit of each neuron's sum, two matrix products, right in mean and variance for any N and in
        law where N·S is large.
    """
    if num_reads is None:
        return moments(x, probability).mean
    if sampling == "gaussian":
        mean, variance = moments(x, probability)
        return mean + jnp.sqrt(variance / num_reads) * normal(key, mean.shape)
    total = jnp.zeros(())
    for wire, sign in enumerate((1, -1)[: probability.shape[0]]):
        total = total + sign * _count_sums(jax.random.fold_in(key, wire), x, probability[wire], num_reads)
    return total / num_reads


def _count_sums(
    key: PRNGKeyArray,
    x: Float[Array, "batch inputs"],
    probability: Float[Array, "inputs outputs"],
    num_reads: int,
) -> Float[Array, "batch outputs"]:
    """Sum of exact counts over the inputs; the batch is drawn in two halves, one for each word of a block."""
    batch = x.shape[0]
    x = jnp.pad(x, ((0, batch % 2), (0, 0)))
    first, second = jnp.split(x[:, :, None] * probability, 2)
    sums = [counts.sum(1) for counts in sample_count_pair(key, first, second, num_reads)]
    return jnp.concatenate(sums)[:batch]


def attach_gradient(
    measured: Float[Array, "batch outputs"],
    believed: Moments,
    num_reads: int | None,
    variance_floor: float,
) -> Float[Array, "batch outputs"]:
    r"""Give a measured output the gradient of its believed mean and variance, (E3).

    .. math:: Y = \mu + \epsilon\,\sigma, \quad \sigma^2 = S/N + \text{floor}, \quad
              \epsilon = (Y - \mu)/\sigma \text{ detached}

    The value is the measured one, untouched; differentiating gives (E4)-(E6). Where S = 0 and the floor is 0
    (no active input), the variance term is left out.
    """
    measured = jax.lax.stop_gradient(measured)
    if num_reads is None:
        return measured + (believed.mean - jax.lax.stop_gradient(believed.mean))
    variance = believed.variance / num_reads + variance_floor
    spread = jnp.sqrt(jnp.where(variance > 0, variance, 1.0))
    deviation = jax.lax.stop_gradient(jnp.where(variance > 0, (measured - believed.mean) / spread, 0.0))
    surrogate = believed.mean + deviation * spread
    # The value of the surrogate equals `measured` up to rounding; this form makes it equal to the bit.
    return measured + (surrogate - jax.lax.stop_gradient(surrogate))
