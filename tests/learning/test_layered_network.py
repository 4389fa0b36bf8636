"""Layers against XLA's own convolution and pooling, and a whole network against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning.activations import hard_tanh
from charz.learning.architecture import dense, parse_architecture
from charz.learning.batch_norm import AVERAGING_RATE, EPSILON
from charz.learning.convolution import convolve, max_pool
from charz.learning.estimators import autodiff
from charz.learning.layered_network import LayeredNetwork
from charz.learning.rule import Batch

KEY = jax.random.key(0)


def by_xla(images, weight, kernel, padding):
    return jax.lax.conv_general_dilated(
        images, weight.reshape(kernel, kernel, images.shape[-1], -1), (1, 1), [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "kernel", "padding"),
    [((9, 7, 1), 3, 0), ((6, 8, 16), 5, 0), ((5, 6, 2), 3, 1), ((5, 4, 24), 3, 1), ((4, 4, 3), 1, 0)],
)
def test_convolution_and_its_derivatives(shape, kernel, padding):
    images = jax.random.normal(KEY, (2, *shape))
    weight = jax.random.normal(KEY, (kernel**2 * shape[-1], 4))

    @jax.jit
    def all_of(images, weight):
        expected, pull_expected = jax.vjp(lambda x, w: by_xla(x, w, kernel, padding), images, weight)
        found, pull = jax.vjp(lambda x, w: convolve(x, w, kernel, padding), images, weight)
        cotangent = jax.random.normal(jax.random.key(1), expected.shape)
        return (found, *pull(cotangent)), (expected, *pull_expected(cotangent))

    for ours, theirs in zip(*all_of(images, weight), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pooling(size):
    images = jax.random.normal(KEY, (2, 7, 8, 3))
    window = (1, size, size, 1)
    expected = jax.lax.reduce_window(images, -jnp.inf, jax.lax.max, window, window, "VALID")
    found, pull = jax.vjp(lambda x: max_pool(x, size), images)
    np.testing.assert_array_equal(found, expected)
    # Without ties each value is pulled at the place where it was found.
    rows, columns = (7 // size * size, 8 // size * size)
    kept = np.repeat(np.repeat(expected, size, 1), size, 2) == images[:, :rows, :columns]
    (of_images,) = pull(expected)
    np.testing.assert_array_equal(
        of_images[:, :rows, :columns], np.where(kept, images[:, :rows, :columns], 0)
    )
    assert not np.any(of_images[:, rows:])
    assert not np.any(of_images[:, :, columns:])


def test_equal_values_share_the_derivative_of_pooling():
    block = jnp.asarray([[1.0, 1.0], [0.0, 1.0]]).reshape(1, 2, 2, 1)
    share = jax.grad(lambda x: max_pool(x, 2).sum())(block)
    np.testing.assert_allclose(share, block / 3, rtol=1e-6)


def reference(theta, x, statistics):
    """conv → pool → normalisation → activation, then a dense layer with normalisation, in NumPy; 5×5 images."""
    seen = []

    def normalise(sums, layer, given):
        axes = tuple(range(sums.ndim - 1))
        mean, variance = (sums.mean(axes), sums.var(axes)) if given is None else given
        seen.append((mean, variance))
        return layer.scale * (sums - mean) / np.sqrt(variance + EPSILON) + layer.shift

    first, last = (jax.tree.map(np.asarray, layer) for layer in theta)
    images = np.asarray(x).reshape(-1, 5, 5, 2)
    kernel = first.weight.reshape(2, 2, 2, -1)
    sums = np.zeros((len(images), 4, 4, kernel.shape[-1]))
    for row in range(4):
        for column in range(4):
            sums[:, row, column] = np.einsum(
                "brsc,rscn->bn", images[:, row : row + 2, column : column + 2], kernel
            )
    pooled = sums.reshape(len(images), 2, 2, 2, 2, -1).max((2, 4))
    hidden = np.clip(normalise(pooled, first, statistics and statistics[0]), -1, 1)
    return normalise(hidden.reshape(len(images), -1) @ last.weight, last, statistics and statistics[1]), seen


@pytest.fixture
def network():
    return LayeredNetwork(parse_architecture("3C2-MP2-4", (5, 5, 2)), hard_tanh, batch_norm=True)


@pytest.fixture
def theta(network):
    layers = network.start(KEY, jax.random.normal)
    return tuple(layer._replace(scale=1.5 * layer.scale, shift=layer.shift - 0.25) for layer in layers)


@pytest.fixture
def x():
    return jax.random.normal(jax.random.key(2), (6, 50))


def test_training_normalises_by_the_batch(network, theta, x):
    logits, running = network.train(KEY, theta, network.running_start(), x)
    expected, seen = reference(theta, x, None)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    for average, (mean, variance) in zip(running, seen, strict=True):
        np.testing.assert_allclose(average.mean, AVERAGING_RATE * mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(average.variance, 1 - AVERAGING_RATE * (1 - variance), rtol=1e-4)


def test_prediction_normalises_by_the_running_average(network, theta, x):
    running, train = network.running_start(), jax.jit(network.train)
    for _ in range(3):
        _, running = train(KEY, theta, running, x)
    expected, _ = reference(theta, x, [tuple(map(np.asarray, average)) for average in running])
    np.testing.assert_allclose(network.predict(theta, running, x), expected, rtol=1e-4, atol=1e-4)
    one_by_one = jnp.concatenate([network.predict(theta, running, sample[None]) for sample in x])
    np.testing.assert_allclose(one_by_one, expected, rtol=1e-4, atol=1e-4)


def test_running_statistics_of_one_batch_converge_to_its_own(network, theta, x):
    running, train = network.running_start(), jax.jit(network.train)
    for _ in range(150):  # what is left of the start: 0.9¹⁵⁰ = 1.4e-7
        logits, running = train(KEY, theta, running, x)
    np.testing.assert_allclose(network.predict(theta, running, x), logits, rtol=1e-4, atol=1e-4)


def test_the_estimator_carries_running_statistics_and_differentiates_the_batch(network, theta, x):
    estimator = autodiff(network)
    batch = Batch(x, jnp.arange(6) % 4)
    running = estimator.init(KEY, theta)
    direction, moved, info = jax.jit(estimator.estimate)(KEY, theta, running, batch)
    _, expected = jax.jit(network.train)(KEY, theta, running, x)
    for ours, theirs in zip(jax.tree.leaves(moved), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)

    @jax.jit
    def mean_loss(theta):
        logits, _ = network.train(KEY, theta, running, x)
        return estimator.loss(logits, batch.y).mean()

    assert float(info["loss"]) == pytest.approx(float(mean_loss(theta)), rel=1e-5)
    assert float(info["reads"]) == 0
    # Finite differences along one direction; the network is smooth but for a few kinks.
    along = jax.tree.map(lambda leaf: jax.random.normal(jax.random.key(leaf.size), leaf.shape), theta)
    step = 1e-3
    ahead, back = (mean_loss(jax.tree.map(lambda t, a, s=s: t + s * step * a, theta, along)) for s in (1, -1))
    slope = sum(float((d * a).sum()) for d, a in zip(*map(jax.tree.leaves, (direction, along)), strict=True))
    assert float(ahead - back) / (2 * step) == pytest.approx(slope, rel=0.05)


def test_dropout_silences_its_share_and_keeps_the_mean():
    network = LayeredNetwork(dense(1, 20_000, 1), hard_tanh, dropout=0.3)
    theta = network.start(KEY, lambda key, shape: jnp.ones(shape) / shape[1])
    x = jnp.ones((1, 1))
    counted = [float(network.train(jax.random.key(seed), theta, (), x)[0][0, 0]) for seed in range(5)]
    alone = float(network.predict(theta, (), x)[0, 0])
    # A sum of 20,000 neurons, each of them 0 or 1/0.7: relative standard error sqrt(0.3 / 0.7 / 20000) = 0.0046.
    assert np.abs(np.array(counted) / alone - 1).max() < 4 * 0.0046
    assert len(set(counted)) == 5


def test_without_normalisation_layers_have_a_bias_and_carry_nothing():
    network = LayeredNetwork(dense(3, 2), hard_tanh)
    (layer,) = network.start(KEY, jax.random.normal)
    layer = layer._replace(bias=jnp.asarray([1.0, -2.0]))
    logits, running = network.train(KEY, (layer,), network.running_start(), jnp.ones((4, 3)))
    np.testing.assert_allclose(logits, jnp.tile(layer.weight.sum(0) + layer.bias, (4, 1)), rtol=1e-6)
    assert running == ()


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_is_a_chance(dropout):
    with pytest.raises(TrainError, match=f"dropout is {dropout}"):
        LayeredNetwork(dense(3, 2), hard_tanh, dropout=dropout)
