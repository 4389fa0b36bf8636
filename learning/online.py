"""Binary stochastic learning from one sample at a time, at the cost of what happens: most signals and errors are 0."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.random_words import offset_key
from charz.learning.active_rows import block_rows, over_active
from charz.learning.binary_pass import Derivative, Signals, backward, draw_all, fire_on
from charz.learning.estimators.binary_stochastic import Inputs, count_events
from charz.learning.network import Layer
from charz.learning.rule import Batch
from charz.learning.writes.rows import RowStore


class Stores(NamedTuple):
    """How the weights and the biases of one layer are stored."""

    weight: RowStore
    bias: RowStore


class Choices(NamedTuple):
    """Options of the estimator `binary_stochastic` with signed errors."""

    derivative: Derivative
    inputs: Inputs
    temperature: float


def online_step(
    key_estimate: PRNGKeyArray,
    key_write: PRNGKeyArray,
    layers: Sequence[Stores],
    arrays: Sequence[tuple],
    batch: Batch,
    choices: Choices,
) -> tuple[list[tuple], dict[str, Array]]:
    """Present one sample and pulse what it wants changed.

    The same arithmetic as `binary_stochastic` with a write of whole steps, from the same draws, without a pass over
    weights that are not touched: the first layer is read and written in the blocks of rows that hold a signal, and
    no layer is written while its errors are 0.

    Parameters
    ----------
    key_estimate, key_write : PRNG key
        Of the passes and of the pulses.
    layers : sequence of Stores
        How each layer is stored.
    arrays : sequence of (weight, bias)
        What is stored, a pair a layer.
    batch : Batch
        Of one sample.
    choices : Choices

    Returns
    -------
    arrays : list of (weight, bias)
    info : dict
        That of the estimator, and ``pulses``.
    """
    later = tuple(
        Layer(store.weight.read(weight), store.bias.read(bias))
        for store, (weight, bias) in zip(layers[1:], arrays[1:], strict=True)
    )
    bias = layers[0].bias.read(arrays[0][1])
    widths = [len(bias), *(len(layer.bias) for layer in later)]
    binary, draws = draw_all(key_estimate, batch.x, widths, choices.derivative, fused=True)
    x = binary if choices.inputs == "binary" else batch.x
    logit = (multiply(layers[0].weight, arrays[0][0], x[0], bias) / choices.temperature)[None]
    passed = fire_on(logit, later, draws.fire, choices.temperature)
    wanted = jax.nn.one_hot(batch.y, widths[-1])
    deltas = backward(later, passed, wanted, draws, choices.derivative, "signed")
    signals = [binary, *(layer.fired for layer in passed[:-1])]
    info = count_events(signals, deltas, passed[-1].logit, batch.y, choices.derivative)
    moved = [
        _pulse_layer(jax.random.fold_in(key_write, index), *each)
        for index, each in enumerate(zip(layers, arrays, signals, deltas, strict=True))
    ]
    pulses = [(jnp.abs(s).sum() + 1) * jnp.abs(d).sum() for s, d in zip(signals, deltas, strict=True)]
    return moved, {**info, "pulses": jnp.asarray(sum(pulses))}


def multiply(
    store: RowStore, stored: Array | tuple, x: Float[Array, " inputs"], bias: Float[Array, " outputs"]
) -> Float[Array, " outputs"]:
    """Weighted sum of a layer, from the rows that have an input."""

    def add(start: Array, signal: Array, total: Array) -> Array:
        return total + signal @ store.read_rows(stored, start, len(signal))

    return over_active(x, add, bias, block_rows(len(x), len(bias)))


def _pulse_layer(key: PRNGKeyArray, store: Stores, stored: tuple, signal: Signals, delta: Signals) -> tuple:
    """One pulse for each coincidence of a signal and an error, in the blocks of rows that have both."""
    key_bias, key_weight = jax.random.split(key)

    def pulse(start: Array, rows: Array, weight: Array | tuple) -> Array | tuple:
        # Four keys a block are for the coin and the noise of a pair.
        now = offset_key(key_weight, 4 * start)
        return store.weight.pulse_rows(now, weight, start, rows[:, None] * delta)

    rows = block_rows(signal.shape[1], delta.shape[1], store.weight.least)
    weight = over_active(signal[0], pulse, stored[0], rows, (delta != 0).any())
    return weight, store.bias.pulse(key_bias, stored[1], delta[0])
