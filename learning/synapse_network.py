"""Forward pass through layers of measured synapses, with the gradient of what is believed about them."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices.law import AbstractSwitchingLaw
from charz.learning.network import Layer, Theta
from charz.learning.stochastic_layer import attach_gradient, moments

# ``read(layer, drive (wires, inputs, outputs), x (batch, inputs)) -> Y (batch, outputs)``
ReadLayer = Callable[[int, Array, Array], Array]


def read_through(
    theta: Theta,
    believed: Sequence[AbstractSwitchingLaw],
    x: Float[Array, "batch features"],
    read: ReadLayer,
    num_reads: int | None,
    variance_floor: float,
) -> tuple[Float[Array, "batch outputs"], Float[Array, ""]]:
    """Measure layer after layer; differentiating gives (E4)-(E6) of Ellis et al. (2023) at the measured values.

    Hidden neurons pass on ``sigmoid(Y + b)`` in (0, 1), the probability that a wall is sent to the next layer.

    Parameters
    ----------
    theta : tuple of Layer
        Drives (wires, inputs, outputs), in the unit of the law, and biases.
    believed : sequence of AbstractSwitchingLaw
        Of each layer, leaves (wires, inputs, outputs) or scalar.
    x : array (batch, features)
        In [0, 1].
    read : callable
        ``read(layer, drive, x) -> Y``: mean over N reads of a neuron's summed synapses, before any bias.
    num_reads : int or None
        N; None is the mean-field limit.
    variance_floor : float
        As of `attach_gradient`.

    Returns
    -------
    logits : array (batch, outputs)
    reads : array ()
        Synapse measurements made.
    """
    reads = jnp.zeros(())
    for index, (layer, law) in enumerate(zip(theta, believed, strict=True)):
        measured = read(index, layer.weight, x)
        reads += (num_reads or 0) * x.sum() * layer.weight.shape[0] * layer.weight.shape[2]
        expected = moments(x, law.probability(layer.weight))
        output = attach_gradient(measured, expected, num_reads, variance_floor)
        x = pass_on(output, layer, index == len(theta) - 1)
    return x, reads


def pass_on(
    output: Float[Array, "batch outputs"], layer: Layer, is_last: bool
) -> Float[Array, "batch outputs"]:
    """What a layer hands on of its measured output: with its bias, as a probability unless it is the last."""
    biased = output + layer.bias
    return biased if is_last else jax.nn.sigmoid(biased)
