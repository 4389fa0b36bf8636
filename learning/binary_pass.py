"""Passes of a network whose neurons are comparators: binary signals forward, signs of errors backward.

Notation of the paper's file (li2023): z weighted sum, p = σ(z/T) probability to fire, x̂ what a neuron did, d̂ drawn
derivative, ê and δ̂ errors. The statements (binary signals and derivatives, signed errors) are the abstract's; their
exact form is ours.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.random_words import random_words, to_uniform
from charz.learning.network import Theta

Derivative = Literal["plain", "times-four"]
Errors = Literal["signed", "linear"]
Signals = Float[Array, "batch neurons"]


class Draws(NamedTuple):
    """Uniform numbers of one presentation, one for each comparison: independent, so that nothing is used twice."""

    fire: list[Signals]
    first: list[Signals]
    second: list[Signals]


class Passed(NamedTuple):
    """What a layer did: ``logit`` z/T and ``fired`` x̂, both (batch, neurons)."""

    logit: Signals
    fired: Signals


def draw_all(
    key: PRNGKeyArray, x: Signals, sizes: Sequence[int], derivative: Derivative, fused: bool = False
) -> tuple[Signals, Draws]:
    r"""Everything random in a presentation: binary inputs, and numbers for the comparisons of every neuron.

    .. math:: \hat x^0 \sim \mathrm{Bern}(x)

    Parameters
    ----------
    key : PRNG key
    x : array (batch, inputs)
        In [0, 1].
    sizes : sequence of int
        Neurons of each layer.
    derivative : {"plain", "times-four"}
        Only the plain one needs the second number; else it is the first.
    fused : bool
        Draw by the cipher that XLA compiles into what uses it: in half the time where that is stored at once, and many
        times slower where it is used for every weight.

    Returns
    -------
    binary : array (batch, inputs)
    draws : Draws
        One array (batch, neurons) a layer.
    """
    batch, inputs = x.shape
    comparisons = 3 if derivative == "plain" else 2
    total = inputs + comparisons * sum(sizes)
    if fused:
        words = jnp.concatenate(random_words(key, (batch, -(-total // 2))), axis=1)
    else:
        words = jax.random.bits(key, (batch, total))
    uniforms = to_uniform(words)
    ends = list(accumulate((inputs, *(comparisons * tuple(sizes)))))
    first, *rest = jnp.split(uniforms, ends, axis=1)
    layers = len(sizes)
    kinds = [rest[layers * kind : layers * (kind + 1)] for kind in range(comparisons)]
    return (first < x).astype(x.dtype), Draws(kinds[0], kinds[1], kinds[-1])


def forward(theta: Theta, x: Signals, uniforms: Sequence[Signals], temperature: float = 1.0) -> list[Passed]:
    r"""Fire through all layers (L2).

    .. math:: z^l = \hat x^{l-1} W^l + b^l, \qquad \hat x^l \sim \mathrm{Bern}(\sigma(z^l/T))

    Parameters
    ----------
    theta : tuple of Layer
        ``weight`` (inputs, neurons) and ``bias`` (neurons,), dimensionless.
    x : array (batch, inputs)
        In [0, 1], or binary.
    uniforms : sequence of array (batch, neurons)
        In [0, 1), one array a layer.
    temperature : float
        T > 0: width of the comparators' logistic noise, in units of z.

    Returns
    -------
    list of Passed
        One a layer.
    """
    return fire_on((x @ theta[0].weight + theta[0].bias) / temperature, theta[1:], uniforms, temperature)


def fire_on(
    logit: Signals, later: Theta, uniforms: Sequence[Signals], temperature: float = 1.0
) -> list[Passed]:
    """Fire from the first layer's z/T on: `forward` where that layer was multiplied in another way."""
    passed = [_fire(logit, uniforms[0])]
    for layer, uniform in zip(later, uniforms[1:], strict=True):
        logit = (passed[-1].fired @ layer.weight + layer.bias) / temperature
        passed.append(_fire(logit, uniform))
    return passed


def _fire(logit: Signals, uniform: Signals) -> Passed:
    return Passed(logit, (uniform < jax.nn.sigmoid(logit)).astype(logit.dtype))


def mean_forward(theta: Theta, x: Signals, temperature: float = 1.0) -> Signals:
    """Logits of the last layer when every neuron passes on its probability p: no randomness."""
    logit = x
    for index, layer in enumerate(theta):
        logit = ((jax.nn.sigmoid(logit) if index else x) @ layer.weight + layer.bias) / temperature
    return logit


def draw_derivative(logit: Signals, first: Signals, second: Signals, kind: Derivative) -> Signals:
    r"""Binary derivative d̂ of the sigmoid (L3), independent of x̂.

    ``plain``: two fresh comparisons, one of which fires and the other does not, so :math:`E[\hat d] = p(1-p)`.
    ``times-four``: :math:`\hat d \sim \mathrm{Bern}(4p(1-p))`, one comparison, a learning rate four times as large
    in hidden layers.
    """
    p = jax.nn.sigmoid(logit)
    fires = (first < p) & ~(second < p) if kind == "plain" else first < 4 * p * (1 - p)
    return fires.astype(logit.dtype)


def backward(
    later: Theta,
    passed: Sequence[Passed],
    wanted: Signals,
    draws: Draws,
    derivative: Derivative,
    errors: Errors,
) -> list[Signals]:
    r"""Errors of all layers (L4).

    .. math:: \hat\delta^L = t - \hat x^L, \qquad
              \hat\delta^l = \mathrm{sign}(W^{l+1} \hat\delta^{l+1}) \odot \hat d^l, \qquad \mathrm{sign}(0) = 0

    With ``errors="linear"`` the sign is left out. Biases pass no error on.

    Parameters
    ----------
    later : tuple of Layer
        All layers but the first, whose weights pass no error on.
    passed, draws
        Of the forward pass.
    wanted : array (batch, outputs)
        One-hot t.
    derivative, errors
        Forms of d̂ and of the error.

    Returns
    -------
    list of array (batch, neurons)
        δ̂ of every layer, first layer first; in {-1, 0, 1} for signed errors.
    """
    delta = wanted - passed[-1].fired
    deltas = [delta]
    for index in range(len(later) - 1, -1, -1):
        error = delta @ later[index].weight.T
        if errors == "signed":
            error = jnp.sign(error)
        drawn = draw_derivative(passed[index].logit, draws.first[index], draws.second[index], derivative)
        delta = error * drawn
        deltas.append(delta)
    return deltas[::-1]
