"""Activity-based node perturbation, plain (ANP) and decorrelated (DANP): two noisy passes, one scalar, no gradient."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from charz.devices.node_noise import NodeNoise
from charz.errors import TrainError
from charz.learning.decorrelation import Decorrelation, no_decorrelation
from charz.learning.network import Theta
from charz.learning.noisy_network import forward, mean_read_out, num_nodes, read_out, split_nodes
from charz.learning.perturbation import Pass, smallest_change
from charz.learning.rule import Batch, GradientEstimator
from charz.learning.two_passes import learn_from_passes

Loss = Callable[[Float[Array, "batch outputs"], Int[Array, "batch"]], Float[Array, "batch"]]


class PerturbationState(NamedTuple):
    """``noise``: state of the junctions, with its memory; ``decorrelation``: R, d of each layer, None without."""

    noise: PyTree
    decorrelation: tuple[Decorrelation, ...] | None


def activity_perturbation(noise: NodeNoise, loss: Loss | None = None) -> GradientEstimator:
    """Activity-based node perturbation (ANP, Dalm et al., arXiv:2310.00965) by two noisy passes, without R and d.

    The update is that of `danp`, whose parameters are described there.
    """
    return _two_passes(noise, None, loss)


def danp(
    noise: NodeNoise, decorrelation_rate: float | Float[Array, ""], loss: Loss | None = None
) -> GradientEstimator:
    r"""Decorrelated activity-based node perturbation (Koenders et al. 2025, (K2) and (K3)).

    One step reads every node twice per sample: a whole batch for pass 1, then the same batch for pass 2, so that both
    passes' noise is independent (after 64 reads a published junction remembers 1e-5 of its state). Directions come
    from `activity_direction`, R and d from `update_decorrelation` with the states of pass 1; nothing is
    differentiated, and the noise itself is never looked at. With a rate of 0 the update is that of
    `activity_perturbation`, bit for bit.

    Parameters
    ----------
    noise : NodeNoise
        Source at all nodes, outputs too: leaves () or (nodes,), layer after layer.
    decorrelation_rate : float
        :math:`\eta_d` of plain descent on R and d, dimensionless, at least 0.
    loss : callable, optional
        ``loss(logits, labels) -> (batch,)``; softmax cross-entropy by default.

    Returns
    -------
    GradientEstimator
        Theta is a tuple of `Layer` with ``weight`` (inputs, outputs). ``info``: ``loss`` of pass 1, ``reads`` of
        nodes, ``skipped`` share of samples without a change, and ``coupling`` (layers,), see `coupling`.
        ``deterministic`` replaces the noise by its mean, to which the biases are trained.

    Raises
    ------
    TrainError
        When the rate is negative: R would learn correlations.
    CharzError
        By ``init``, when the source is for another number of nodes.
    """
    if not isinstance(decorrelation_rate, jax.Array) and not decorrelation_rate >= 0:
        raise TrainError(
            f"decorrelation_rate is {decorrelation_rate}; it must be 0 or more: R descends on the correlations"
        )
    return _two_passes(noise, decorrelation_rate, loss)


def _two_passes(
    noise: NodeNoise, rate: float | Float[Array, ""] | None, loss: Loss | None
) -> GradientEstimator:
    loss = loss or optax.softmax_cross_entropy_with_integer_labels

    def init(key: PRNGKeyArray, theta: Theta) -> PerturbationState:
        start = noise.init(key, num_nodes(theta))
        return PerturbationState(start, None if rate is None else no_decorrelation(theta))

    def estimate(
        key: PRNGKeyArray, theta: Theta, state: PerturbationState, batch: Batch
    ) -> tuple[Theta, PerturbationState, dict[str, Array]]:
        samples, nodes = batch.x.shape[0], num_nodes(theta)
        volts, noise_state = noise.draw(key, state.noise, 2 * samples, nodes)
        xi = split_nodes(volts.reshape(2, samples, nodes), theta)
        inputs, activities = forward(theta, batch.x, xi, state.decorrelation)
        first, second = _as_passes(inputs, activities, jax.vmap(loss, (0, None))(activities[-1], batch.y))
        direction, decorrelation, info = learn_from_passes(
            first, second, state.decorrelation, rate, smallest_change(noise.residual(), nodes)
        )
        return direction, PerturbationState(noise_state, decorrelation), info

    def predict(key: PRNGKeyArray, theta: Theta, state: PerturbationState, x: Array) -> Array:
        return read_out(key, noise, theta, x, state.decorrelation)

    def deterministic(theta: Theta, state: PerturbationState, x: Array) -> Array:
        return mean_read_out(noise, theta, x, state.decorrelation)

    return GradientEstimator(init, estimate, predict, deterministic)


def _as_passes(inputs: list[Array], activities: list[Array], losses: Float[Array, "2 batch"]) -> list[Pass]:
    """Both passes apart; what they have in common, the first layer's inputs, belongs to each."""
    return [
        Pass([x[min(index, x.shape[0] - 1)] for x in inputs], [a[index] for a in activities], losses[index])
        for index in range(2)
    ]
