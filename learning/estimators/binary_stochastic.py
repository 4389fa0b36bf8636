"""Binary stochastic learning (Li et al. 2023): counts of coincidences between errors and signals."""

from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from charz.learning.binary_pass import (
    Derivative,
    Errors,
    backward,
    draw_all,
    forward,
    mean_forward,
)
from charz.learning.network import Layer, Theta
from charz.learning.rule import Batch, GradientEstimator

Inputs = Literal["analog", "binary"]
# Logit of an output neuron that fired, for the losses that validation compares: log(9 · 0.85/0.15), the best one where
# the neuron that fires alone is the right one of ten in 85 % of presentations. It decides no class.
FIRED_LOGIT = 4.0


def binary_stochastic(
    derivative: Derivative = "times-four",
    errors: Errors = "signed",
    inputs: Inputs = "analog",
    temperature: float = 1.0,
    fused: bool = False,
) -> GradientEstimator:
    r"""Direction of binary stochastic learning: minus the counter of coincidences.

    .. math:: c_{ij} = \sum_{batch} \hat\delta_i \hat x_j, \qquad \text{direction} = -c

    so that a step of size η against the direction is (L5), η δ̂ x̂ for each presentation: one programming pulse for
    each coincidence, whose sign is its polarity. Signals x̂, derivatives d̂ and output errors are drawn afresh at
    every presentation, each by comparisons of its own. A constant 1 is the signal of the biases.

    Expected over the draws, with linear errors, the counter is minus the gradient of the cross-entropy, linearised
    around the mean signals (``plain`` derivative; ``times-four`` has four times that in every hidden layer).

    Parameters
    ----------
    derivative : {"plain", "times-four"}
        See `draw_derivative`.
    errors : {"signed", "linear"}
        Whether hidden errors are reduced to their signs; linear ones make real counters.
    inputs : {"analog", "binary"}
        Whether the first layer is driven by x in [0, 1] itself or by its binarization. The counter uses the
        binarization in either case, so that it is whole.
    temperature : float
        T of the comparators, in units of z.
    fused : bool
        How numbers are drawn, see `draw_all`.

    Returns
    -------
    GradientEstimator
        Theta is a tuple of `Layer`. One shot of `predict` gives `FIRED_LOGIT` to the output neurons that fired, plus
        uniform numbers below 1 that break ties at random: several neurons fire often, or none.
        ``info``: ``loss`` (cross-entropy of z/T in the training pass), ``reads`` (weights that a signal went
        through, forward or backward), ``comparisons`` and ``events`` (nonzero δ̂).
    """

    def init(key: PRNGKeyArray, theta: Theta) -> tuple[()]:
        return ()

    def estimate(
        key: PRNGKeyArray, theta: Theta, state: tuple[()], batch: Batch
    ) -> tuple[Theta, tuple[()], dict[str, Array]]:
        binary, draws = draw_all(key, batch.x, _widths(theta), derivative, fused)
        passed = forward(theta, binary if inputs == "binary" else batch.x, draws.fire, temperature)
        wanted = jax.nn.one_hot(batch.y, passed[-1].logit.shape[-1])
        deltas = backward(theta[1:], passed, wanted, draws, derivative, errors)
        signals = [binary, *(layer.fired for layer in passed[:-1])]
        direction = tuple(
            Layer(-coincidences(signal, delta), -delta.sum(0))
            for signal, delta in zip(signals, deltas, strict=True)
        )
        return direction, state, count_events(signals, deltas, passed[-1].logit, batch.y, derivative)

    def predict(key: PRNGKeyArray, theta: Theta, state: tuple[()], x: Array) -> Array:
        binary, uniforms = draw_all(key, x, _widths(theta), derivative)
        passed = forward(theta, binary if inputs == "binary" else x, uniforms.fire, temperature)
        return FIRED_LOGIT * passed[-1].fired + uniforms.first[-1]

    def deterministic(theta: Theta, state: tuple[()], x: Array) -> Array:
        return mean_forward(theta, x, temperature)

    return GradientEstimator(init, estimate, predict, deterministic)


def coincidences(
    signal: Float[Array, "batch inputs"], delta: Float[Array, "batch outputs"]
) -> Float[Array, "inputs outputs"]:
    """Sum of δ̂ x̂ over the batch; of a single sample an outer product that fuses with the write."""
    if signal.shape[0] == 1:
        return signal[0][:, None] * delta[0][None, :]
    return signal.T @ delta


def count_events(
    signals: list[Array], deltas: list[Array], logit: Array, y: Array, derivative: Derivative
) -> dict[str, Array]:
    """What a presentation cost, and its loss: the ``info`` of an estimate."""
    hidden, outputs = sum(delta.size for delta in deltas[:-1]), deltas[-1].size
    compared = signals[0].size + outputs + (3 if derivative == "plain" else 2) * hidden
    return {
        "loss": optax.softmax_cross_entropy_with_integer_labels(logit, y).mean(),
        "reads": _reads(signals, deltas),
        "comparisons": jnp.asarray(compared, jnp.float32),
        "events": jnp.asarray(sum(_nonzero(delta) for delta in deltas)),
    }


def _widths(theta: Theta) -> list[int]:
    return [layer.bias.shape[-1] for layer in theta]


def _nonzero(values: Array) -> Float[Array, ""]:
    return jnp.count_nonzero(values).astype(jnp.float32)


def _reads(signals: list[Array], deltas: list[Array]) -> Float[Array, ""]:
    """Weights read: forward one a signal that is not 0 and neuron (and the biases), backward one a nonzero error."""
    total = jnp.zeros(())
    for index, (signal, delta) in enumerate(zip(signals, deltas, strict=True)):
        batch, neurons = delta.shape
        total += (_nonzero(signal) + batch) * neurons
        if index > 0:
            total += _nonzero(delta) * signal.shape[-1]
    return total
