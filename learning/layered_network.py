"""Networks of dense and convolutional layers: their parameters, and their pass in training and afterwards.

A layer computes weights → pooling → normalisation → activation → dropout; the last one stops before its activation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.random_words import random_words, to_uniform
from charz.errors import TrainError
from charz.learning.activations import Activation
from charz.learning.architecture import Architecture, Conv, LayerSpec
from charz.learning.batch_norm import Statistics, batch_statistics, follow, no_statistics, normalise
from charz.learning.convolution import convolve, max_pool
from charz.learning.network import Layer


class NormalisedLayer(NamedTuple):
    """A layer with batch normalisation, whose ``shift`` takes the place of a bias.

    ``weight`` (inputs, neurons) is what devices store, of a convolution (row · column · channel, neurons); ``scale``
    and ``shift`` (neurons,) are real numbers.
    """

    weight: Float[Array, "inputs neurons"]
    scale: Float[Array, "neurons"]
    shift: Float[Array, "neurons"]


Parameters = tuple[Layer | NormalisedLayer, ...]
Running = tuple[Statistics, ...]


@dataclass(frozen=True)
class LayeredNetwork:
    """What a network computes.

    Parameters
    ----------
    architecture : Architecture
    activation : callable
        Of hidden layers.
    batch_norm : bool
        Normalise the sums of every layer, the outputs too; without, layers have a bias.
    dropout : float
        Chance that a hidden neuron is silent for a sample in training; the others count 1/(1 - dropout) times.

    Raises
    ------
    TrainError
        When dropout is not a chance below 1.
    """

    architecture: Architecture
    activation: Activation
    batch_norm: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise TrainError(f"dropout is {self.dropout}; it must be a chance from 0 to below 1")

    def start(self, key: PRNGKeyArray, draw: Callable[[PRNGKeyArray, tuple[int, int]], Array]) -> Parameters:
        """Parameters before training: weights by ``draw(key, (inputs, neurons))``, no bias, or scale 1 and shift 0."""
        weights = [
            draw(jax.random.fold_in(key, index), shape)
            for index, shape in enumerate(self.architecture.weight_shapes)
        ]
        if self.batch_norm:
            return tuple(NormalisedLayer(w, jnp.ones(w.shape[1]), jnp.zeros(w.shape[1])) for w in weights)
        return tuple(Layer(w, jnp.zeros(w.shape[1])) for w in weights)

    def running_start(self) -> Running:
        """Running statistics of each layer before training; empty without normalisation."""
        if not self.batch_norm:
            return ()
        return tuple(no_statistics(neurons) for _, neurons in self.architecture.weight_shapes)

    def train(
        self, key: PRNGKeyArray, theta: Parameters, running: Running, x: Float[Array, "batch features"]
    ) -> tuple[Float[Array, "batch classes"], Running]:
        """Logits by the statistics of this batch, and the running statistics moved toward them."""
        seen: list[Statistics] = []

        def statistics(index: int, sums: Array) -> Statistics:
            seen.append(batch_statistics(sums))
            return seen[-1]

        def silence(index: int, activity: Array) -> Array:
            if not self.dropout:
                return activity
            words = random_words(jax.random.fold_in(key, index), activity.shape)[0]
            return activity * (to_uniform(words) >= self.dropout) / (1 - self.dropout)

        logits = self._forward(theta, x, statistics, silence)
        return logits, tuple(follow(old, new) for old, new in zip(running, seen, strict=True))

    def predict(
        self, theta: Parameters, running: Running, x: Float[Array, "batch features"]
    ) -> Float[Array, "batch classes"]:
        """Logits by the running statistics, all neurons at work."""
        return self._forward(theta, x, lambda index, sums: running[index], lambda index, activity: activity)

    def _forward(
        self,
        theta: Parameters,
        x: Array,
        statistics: Callable[[int, Array], Statistics],
        silence: Callable[[int, Array], Array],
    ) -> Array:
        layers = self.architecture.layers
        x = x.reshape(-1, *self.architecture.inputs)
        for index, (spec, layer) in enumerate(zip(layers, theta, strict=True)):
            x = weighted_sums(spec, layer.weight, x)
            if isinstance(layer, Layer):
                x = x + layer.bias
            else:
                x = normalise(x, statistics(index, x), layer.scale, layer.shift)
            if index < len(layers) - 1:
                x = silence(index, self.activation(x))
        return x


def weighted_sums(
    spec: LayerSpec, weight: Float[Array, "inputs neurons"], x: Float[Array, "batch *sample"]
) -> Float[Array, "batch *neurons"]:
    """What a layer's synapses add up to, a convolution's already pooled; dense layers flatten what they get."""
    if isinstance(spec, Conv):
        return max_pool(convolve(x, weight, spec.kernel, spec.padding), spec.pool)
    return x.reshape(x.shape[0], -1) @ weight
