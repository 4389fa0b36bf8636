"""Forward pass of a dense network whose nodes are noisy: leaky rectifiers, a linear output, noise before both."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.node_noise import NodeNoise
from charz.devices.random_words import random_words, to_uniform
from charz.learning.decorrelation import Decorrelation, decorrelate
from charz.learning.network import Layer, Theta

# Slope of a hidden node below zero (authors' code of Koenders et al. 2025).
LEAK = 0.01


def num_nodes(theta: Theta) -> int:
    """Nodes that carry noise: all but the inputs, the outputs too."""
    return sum(layer.bias.shape[-1] for layer in theta)


def split_nodes(values: Float[Array, "*lead nodes"], theta: Theta) -> list[Float[Array, "*lead layer_nodes"]]:
    """Cut an array over all nodes into one a layer."""
    edges = [0]
    for layer in theta:
        edges.append(edges[-1] + layer.bias.shape[-1])
    return [values[..., start:stop] for start, stop in pairwise(edges)]


def uniform_start(key: PRNGKeyArray, sizes: Sequence[int]) -> Theta:
    r"""Draw weights and biases from :math:`U(\pm 1/\sqrt{\text{fan-in}})` (authors' code of Koenders et al. 2025).

    Parameters
    ----------
    key : PRNG key
    sizes : sequence of int
        Neurons a layer, inputs first.

    Returns
    -------
    tuple of Layer
        Weights (inputs, outputs), biases (outputs,), both dimensionless.
    """
    layers = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        uniform = to_uniform(random_words(jax.random.fold_in(key, index), (inputs + 1, outputs))[0])
        values = (2 * uniform - 1) / jnp.sqrt(jnp.float32(inputs))
        layers.append(Layer(values[:inputs], values[inputs]))
    return tuple(layers)


def forward(
    theta: Theta,
    x: Float[Array, "batch features"],
    noise: Sequence[Float[Array, "passes batch layer_nodes"]],
    decorrelations: Sequence[Decorrelation] | None = None,
) -> tuple[list[Float[Array, "passes batch inputs"]], list[Float[Array, "passes batch layer_nodes"]]]:
    r"""Run several noisy passes of the same batch side by side.

    .. math:: \hat x_{l-1} = R_l x_{l-1} + d_l, \qquad a_l = W_l^\top \hat x_{l-1} + b_l + \xi_l, \qquad x_l = f(a_l)

    with f the leaky rectifier, and :math:`a_L` the logits. What all passes have in common, the first layer before its
    noise, is computed once.

    Parameters
    ----------
    theta : tuple of Layer
    x : array (batch, features)
        Inputs of every pass.
    noise : sequence of array (passes, batch, nodes) or ()
        :math:`\xi_l` in V, one a layer; a volt adds 1 to an activity.
    decorrelations : sequence of Decorrelation, optional
        R, d of each layer; without, :math:`\hat x = x`.

    Returns
    -------
    inputs : list of array (passes, batch, inputs), the first (1, batch, features)
        :math:`\hat x_{l-1}`.
    activities : list of array (passes, batch, nodes)
        :math:`a_l`, with noise.
    """
    inputs, activities, now = [], [], x[None]
    for index, (layer, xi) in enumerate(zip(theta, noise, strict=True)):
        if decorrelations is not None:
            now = decorrelate(decorrelations[index], now)
        inputs.append(now)
        activity = now @ layer.weight + layer.bias + xi
        activities.append(activity)
        now = jnp.where(activity > 0, activity, LEAK * activity)
    return inputs, activities


def read_out(
    key: PRNGKeyArray,
    noise: NodeNoise,
    theta: Theta,
    x: Float[Array, "batch features"],
    decorrelations: Sequence[Decorrelation] | None = None,
) -> Float[Array, "batch outputs"]:
    """Logits of one noisy pass, with sources that have long forgotten what they did before."""
    key_start, key_read = jax.random.split(key)
    nodes = num_nodes(theta)
    volts, _ = noise.draw(key_read, noise.init(key_start, nodes), x.shape[0], nodes)
    return forward(theta, x, split_nodes(volts[None], theta), decorrelations)[1][-1][0]


def mean_read_out(
    noise: NodeNoise,
    theta: Theta,
    x: Float[Array, "batch features"],
    decorrelations: Sequence[Decorrelation] | None = None,
) -> Float[Array, "batch outputs"]:
    """Logits with the noise replaced by its mean, to which the biases were trained."""
    mean = jnp.broadcast_to(noise.mean(), (1, 1, num_nodes(theta)))
    return forward(theta, x, split_nodes(mean, theta), decorrelations)[1][-1][0]
