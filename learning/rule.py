"""THE contract of learning: gradient estimator × optimizer × write scheme, joined into one update rule.

Each part is a tuple of pure functions over pytrees, so a new estimator or write is a new file and nothing
else. Keys come first; state holds what must be carried, info what is only diagnostic (reads, pulses, loss).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from charz.learning.losses import Loss, cross_entropy


class Batch(NamedTuple):
    """Inputs ``x`` of shape (batch, features), in [0, 1], and integer labels ``y`` of shape (batch,)."""

    x: Float[Array, "batch features"]
    y: Int[Array, "batch"]


class GradientEstimator(NamedTuple):
    """How a scheme finds its direction.

    ``init(key, theta) -> state``; ``estimate(key, theta, state, batch) -> (direction, state, info)`` with a
    direction shaped like theta; ``predict(key, theta, state, x) -> logits``, as noisy as the hardware;
    ``deterministic(theta, state, x) -> logits``, with every noise replaced by its mean (None: not possible);
    ``loss(logits, labels)`` of each sample, by which validation data choose the best state.
    """

    init: Callable[[PRNGKeyArray, PyTree], PyTree]
    estimate: Callable[[PRNGKeyArray, PyTree, PyTree, Batch], tuple[PyTree, PyTree, dict[str, Array]]]
    predict: Callable[[PRNGKeyArray, PyTree, PyTree, Array], Array]
    deterministic: Callable[[PyTree, PyTree, Array], Array] | None = None
    loss: Loss = cross_entropy


class WriteScheme(NamedTuple):
    """How a wanted change of theta reaches the stored weights.

    ``init(key, theta) -> weights``; ``apply(key, weights, change) -> (weights, info)``;
    ``read(weights) -> theta``.
    """

    init: Callable[[PRNGKeyArray, PyTree], PyTree]
    apply: Callable[[PRNGKeyArray, PyTree, PyTree], tuple[PyTree, dict[str, Array]]]
    read: Callable[[PyTree], PyTree]


class RuleState(NamedTuple):
    """What a rule carries from step to step."""

    weights: PyTree
    estimator: PyTree
    optimizer: PyTree


class UpdateRule(NamedTuple):
    """``init(key) -> state``; ``step(key, state, batch) -> (state, info)``; ``predict(key, state, x)``.

    ``deterministic(state, x)`` predicts without noise; None where the scheme cannot. ``loss(logits, labels)`` is the
    estimator's. ``read(state) -> theta``: the network that the stored weights stand for.
    """

    init: Callable[[PRNGKeyArray], RuleState]
    step: Callable[[PRNGKeyArray, RuleState, Batch], tuple[RuleState, dict[str, Array]]]
    predict: Callable[[PRNGKeyArray, RuleState, Array], Array]
    read: Callable[[RuleState], PyTree]
    deterministic: Callable[[RuleState, Array], Array] | None = None
    loss: Loss = cross_entropy


def join(
    estimator: GradientEstimator,
    optimizer: optax.GradientTransformation,
    write: WriteScheme,
    start: Callable[[PRNGKeyArray], PyTree],
) -> UpdateRule:
    """Join the three replaceable parts into one rule.

    Parameters
    ----------
    estimator, optimizer, write
        The parts; any estimator runs with any write.
    start : callable
        ``start(key) -> theta``, the parameters before training.
    """

    def init(key: PRNGKeyArray) -> RuleState:
        key_theta, key_write, key_estimator = jax.random.split(key, 3)
        weights = write.init(key_write, start(key_theta))
        theta = write.read(weights)
        return RuleState(weights, estimator.init(key_estimator, theta), optimizer.init(theta))

    def step(key: PRNGKeyArray, state: RuleState, batch: Batch) -> tuple[RuleState, dict[str, Any]]:
        key_estimate, key_write = jax.random.split(key)
        theta = write.read(state.weights)
        direction, estimator_state, seen = estimator.estimate(key_estimate, theta, state.estimator, batch)
        change, optimizer_state = optimizer.update(direction, state.optimizer, theta)
        weights, written = write.apply(key_write, state.weights, change)
        return RuleState(weights, estimator_state, optimizer_state), {**seen, **written}

    def predict(key: PRNGKeyArray, state: RuleState, x: Array) -> Array:
        return estimator.predict(key, write.read(state.weights), state.estimator, x)

    def read(state: RuleState) -> PyTree:
        return write.read(state.weights)

    noise_free = estimator.deterministic
    if noise_free is None:
        return UpdateRule(init, step, predict, read, loss=estimator.loss)

    def deterministic(state: RuleState, x: Array) -> Array:
        return noise_free(write.read(state.weights), state.estimator, x)

    return UpdateRule(init, step, predict, read, deterministic, estimator.loss)
