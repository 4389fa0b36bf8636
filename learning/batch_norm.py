"""Batch normalisation: by the statistics of the batch in training, by their running average afterwards."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Authors' code of GXNOR (Deng et al., arXiv:1705.09283).
EPSILON = 1e-4
AVERAGING_RATE = 0.1


class Statistics(NamedTuple):
    """Mean and variance of each neuron's sum before normalisation."""

    mean: Float[Array, "neurons"]
    variance: Float[Array, "neurons"]


def no_statistics(neurons: int) -> Statistics:
    """Where running averages start: mean 0, variance 1."""
    return Statistics(jnp.zeros(neurons), jnp.ones(neurons))


def batch_statistics(x: Float[Array, "*batch neurons"]) -> Statistics:
    """Mean and (biased) variance over the samples and, of a convolution, the places of the image."""
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    return Statistics(mean, jnp.square(x - mean).mean(axes))


def normalise(
    x: Float[Array, "*batch neurons"],
    statistics: Statistics,
    scale: Float[Array, "neurons"],
    shift: Float[Array, "neurons"],
) -> Float[Array, "*batch neurons"]:
    r""":math:`\gamma\,(x - \mu)/\sqrt{\sigma^2 + \epsilon} + \beta` (Ioffe & Szegedy 2015), ε of `EPSILON`."""
    factor = scale * jax.lax.rsqrt(statistics.variance + EPSILON)
    return (x - statistics.mean) * factor + shift


def follow(running: Statistics, seen: Statistics) -> Statistics:
    r"""Move the running average: :math:`(1 - \alpha)\,\text{running} + \alpha\,\text{seen}`, α of `AVERAGING_RATE`.

    Gradients do not flow into the average.
    """

    def mix(old: Array, new: Array) -> Array:
        return (1 - AVERAGING_RATE) * old + AVERAGING_RATE * jax.lax.stop_gradient(new)

    return jax.tree.map(mix, running, seen)
