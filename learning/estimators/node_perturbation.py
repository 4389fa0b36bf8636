"""Node perturbation: a loss change times the noise that caused it, for noise that is known - so only in simulation."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from charz.devices.node_noise import NodeNoise
from charz.learning.estimators.activity_perturbation import Loss, PerturbationState
from charz.learning.network import Theta
from charz.learning.noisy_network import forward, mean_read_out, num_nodes, read_out, split_nodes
from charz.learning.perturbation import node_direction
from charz.learning.rule import Batch, GradientEstimator


def node_perturbation(
    noise: NodeNoise, *, clean_pass: bool = True, loss: Loss | None = None
) -> GradientEstimator:
    r"""Node perturbation (Dalm et al., arXiv:2310.00965), the classical rule with its strong demand.

    With a clean pass, :math:`\Delta L = L_{noisy} - L_{clean}` and :math:`\xi` is the noise without its mean (the
    clean pass keeps the mean, as a constant bias; a mean left in :math:`\xi` would bias the direction). Without,
    :math:`\Delta L = L^1 - L^2` and :math:`\xi = \xi^1 - \xi^2` of two noisy passes, of variance
    :math:`2\sigma^2`: even orders cancel, and the estimate is the exact gradient of the noise-smoothed loss for
    Gaussian noise. Neither a clean pass nor :math:`\xi` itself can be had from junctions in a network: this estimator
    shows what activity perturbation loses by doing without.

    Parameters
    ----------
    noise : NodeNoise
        Source at all nodes, outputs too: leaves () or (nodes,), layer after layer.
    clean_pass : bool
        One noisy and one clean pass, else two noisy ones.
    loss : callable, optional
        ``loss(logits, labels) -> (batch,)``; softmax cross-entropy by default.

    Returns
    -------
    GradientEstimator
        As of `danp`; ``info`` has ``loss`` and ``reads``.
    """
    loss = loss or optax.softmax_cross_entropy_with_integer_labels
    noisy_passes = 1 if clean_pass else 2

    def init(key: PRNGKeyArray, theta: Theta) -> PerturbationState:
        return PerturbationState(noise.init(key, num_nodes(theta)), None)

    def estimate(
        key: PRNGKeyArray, theta: Theta, state: PerturbationState, batch: Batch
    ) -> tuple[Theta, PerturbationState, dict[str, Array]]:
        samples, nodes = batch.x.shape[0], num_nodes(theta)
        volts, noise_state = noise.draw(key, state.noise, noisy_passes * samples, nodes)
        volts = volts.reshape(noisy_passes, samples, nodes)
        other = jnp.broadcast_to(noise.mean(), volts[0].shape) if clean_pass else volts[1]
        xi = split_nodes(jnp.stack([volts[0], other]), theta)
        inputs, activities = forward(theta, batch.x, xi)
        losses = jax.vmap(loss, (0, None))(activities[-1], batch.y)
        variance = noisy_passes * jnp.broadcast_to(noise.variance(), (nodes,))
        # A clean pass gives the inputs too: they are those at which the derivative is wanted.
        direction = node_direction(
            [x[-1] if clean_pass else x[0] for x in inputs],
            [both[0] - both[1] for both in xi],
            losses[0] - losses[1],
            split_nodes(variance, theta),
        )
        info = {"loss": losses[0].mean(), "reads": jnp.asarray(2.0 * samples * nodes)}
        return direction, PerturbationState(noise_state, None), info

    def predict(key: PRNGKeyArray, theta: Theta, state: PerturbationState, x: Array) -> Array:
        return read_out(key, noise, theta, x)

    def deterministic(theta: Theta, state: PerturbationState, x: Array) -> Array:
        return mean_read_out(noise, theta, x)

    return GradientEstimator(init, estimate, predict, deterministic)
