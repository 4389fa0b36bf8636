"""Backpropagation by automatic differentiation, through whatever derivatives the activations claim to have."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.learning.layered_network import LayeredNetwork, Parameters, Running
from charz.learning.losses import Loss, cross_entropy
from charz.learning.rule import Batch, GradientEstimator


def autodiff(network: LayeredNetwork, loss: Loss = cross_entropy) -> GradientEstimator:
    """Gradient of the mean loss of a batch.

    Of quantized activations the derivative is their window (Deng et al., arXiv:1705.09283), so that the direction is
    the one of GXNOR; of smooth ones it is exact. The state carries the running statistics of batch normalisation:
    training normalises by the batch, ``predict`` and ``deterministic`` by the running average. No device is read, so
    prediction has no noise.

    Parameters
    ----------
    network : LayeredNetwork
    loss : callable
        Of each sample, from logits and labels.

    Returns
    -------
    GradientEstimator
        ``info``: ``loss``, the mean over the batch; ``reads``, 0.
    """

    def init(key: PRNGKeyArray, theta: Parameters) -> Running:
        return network.running_start()

    def estimate(
        key: PRNGKeyArray, theta: Parameters, running: Running, batch: Batch
    ) -> tuple[Parameters, Running, dict[str, Array]]:
        def mean_loss(theta: Parameters) -> tuple[Float[Array, ""], Running]:
            logits, moved = network.train(key, theta, running, batch.x)
            return loss(logits, batch.y).mean(), moved

        (value, moved), direction = jax.value_and_grad(mean_loss, has_aux=True)(theta)
        return direction, moved, {"loss": value, "reads": jnp.zeros(())}

    def predict(key: PRNGKeyArray, theta: Parameters, running: Running, x: Array) -> Array:
        return network.predict(theta, running, x)

    def deterministic(theta: Parameters, running: Running, x: Array) -> Array:
        return network.predict(theta, running, x)

    return GradientEstimator(init, estimate, predict, deterministic, loss)
