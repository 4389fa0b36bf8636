"""Ordinary backpropagation on a software network: the baseline every scheme is compared with."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from charz.learning.network import Theta
from charz.learning.rule import Batch, GradientEstimator


def backprop() -> GradientEstimator:
    """Autodiff of the mean softmax cross-entropy of a dense network with ReLU hidden layers.

    Without hidden layers this is the affine perceptron, the paper's "standard neural network" (Ellis 2023).
    Theta is a tuple of `Layer` with ``weight`` (inputs, outputs); nothing is random.
    """

    def forward(theta: Theta, x: Array) -> Array:
        for index, layer in enumerate(theta):
            x = x @ layer.weight + layer.bias
            if index < len(theta) - 1:
                x = jax.nn.relu(x)
        return x

    def mean_loss(theta: Theta, batch: Batch) -> Float[Array, ""]:
        return optax.softmax_cross_entropy_with_integer_labels(forward(theta, batch.x), batch.y).mean()

    def init(key: PRNGKeyArray, theta: Theta) -> tuple[()]:
        return ()

    def estimate(
        key: PRNGKeyArray, theta: Theta, state: tuple[()], batch: Batch
    ) -> tuple[Theta, tuple[()], dict[str, Array]]:
        value, direction = jax.value_and_grad(mean_loss)(theta, batch)
        return direction, state, {"loss": value, "reads": jnp.zeros(())}

    def predict(key: PRNGKeyArray, theta: Theta, state: tuple[()], x: Array) -> Array:
        return forward(theta, x)

    def deterministic(theta: Theta, state: tuple[()], x: Array) -> Array:
        return forward(theta, x)

    return GradientEstimator(init, estimate, predict, deterministic)
