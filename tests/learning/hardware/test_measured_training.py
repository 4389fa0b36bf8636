"""Training in a plain loop: the network that the compiled loop gives, interrupted or not, and learning from passes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from charz.errors import TrainError
from charz.learning import Batch, MeanVariance, TrainingData, TrainOptions, join, train
from charz.learning.hardware import measured_perturbation, train_measured
from charz.learning.noisy_network import LEAK, uniform_start
from charz.learning.writes import ideal

KEY = jax.random.key(0)
SCHEME = MeanVariance((64, 10), num_reads=16)
OPTIONS = TrainOptions(epochs=3, batch_size=64, patience=2)


@pytest.fixture(scope="module")
def small(digits):
    """A few digits; one portion of validation data."""
    data, _ = digits
    return TrainingData(
        Batch(data.train.x[:200], data.train.y[:200]), Batch(data.validation.x[:128], data.validation.y[:128])
    )


@pytest.fixture(scope="module")
def rule(wires):
    return SCHEME.rule(jax.tree.map(lambda leaf: leaf[0], wires(1)))


@pytest.fixture(scope="module")
def whole(rule, small):
    told = []
    compiled = rule._replace(init=jax.jit(rule.init), step=jax.jit(rule.step), predict=jax.jit(rule.predict))
    training = train_measured(
        KEY, compiled, small, OPTIONS, on_progress=lambda done, total, text: told.append((done, total, text))
    )
    return compiled, training, told


def test_the_network_is_that_of_the_compiled_loop(whole, small, wires):
    expected = train(KEY[None], SCHEME, wires(1), small, OPTIONS)
    _, found, told = whole
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    assert told[0] == (1, 9, "epoch 1")
    assert told[-1][0] == 9


@pytest.mark.parametrize("stop_at", [2, 3, 5])
def test_an_interrupted_training_goes_on(stop_at, whole, small, tmp_path):
    compiled, expected, _ = whole
    path, calls = tmp_path / "run.npz", []

    def step(*arguments):
        calls.append(None)
        if len(calls) == stop_at:
            raise ConnectionError
        return compiled.step(*arguments)

    stopping = compiled._replace(step=step)
    with pytest.raises(ConnectionError):
        train_measured(KEY, stopping, small, OPTIONS, resume=path)
    found = train_measured(KEY, stopping, small, OPTIONS, resume=path)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    # Nine steps, and the one that failed.
    assert len(calls) == 10


def test_a_batch_larger_than_the_data_is_refused(rule, small):
    with pytest.raises(TrainError, match="batch_size 500 exceeds the 200 training samples"):
        train_measured(KEY, rule, small, TrainOptions(batch_size=500))


def test_a_network_of_noisy_nodes_learns_the_exclusive_or():
    """Nodes in NumPy, with their own noise that nobody sees: what DANP learns it learns from the passes."""
    generator = np.random.default_rng(0)

    def network(theta, decorrelations, x):
        inputs, activities = [], []
        for layer, (mixing, shift) in zip(theta, decorrelations, strict=True):
            inputs.append(x @ np.asarray(mixing).T + np.asarray(shift))
            mean = inputs[-1] @ np.asarray(layer.weight) + np.asarray(layer.bias)
            activities.append(mean + 0.02 * generator.standard_normal(mean.shape))
            x = np.where(activities[-1] > 0, activities[-1], LEAK * activities[-1])
        return inputs, activities

    x = np.asarray([[-1.0, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
    xor = Batch(jnp.asarray(np.tile(x, (8, 1))), jnp.asarray([0, 1, 1, 0] * 8))
    rule = join(
        measured_perturbation(network, 1e-4), optax.adam(0.05), ideal(),
        jax.jit(lambda key: uniform_start(key, (2, 12, 2))),
    )  # fmt: skip
    options = TrainOptions(epochs=30, batch_size=32, patience=30)
    training = train_measured(KEY, rule, TrainingData(xor, xor), options)
    assert float(training.validation_accuracy[0].max()) == 1.0
    # Chance is log 2 = 0.69.
    assert float(jnp.nanmin(training.validation_loss)) < 0.1
