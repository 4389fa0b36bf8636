"""Activations and losses against their formulas, written apart from the code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning.activations import SMOOTH, binary, smooth_activation, ternary
from charz.learning.losses import cross_entropy, find_loss, squared_hinge

# No point on an edge of a window or of a step, where one side is as right as the other.
X = jnp.linspace(-2.53, 2.51, 401)


def slopes(activation):
    return np.asarray(jax.vmap(jax.grad(activation))(X))


@pytest.mark.parametrize(("threshold", "window"), [(1.0, 0.5), (0.5, 0.5), (0.7, 0.1)])
def test_ternary_neurons(threshold, window):
    activation = ternary(threshold, window)
    x = np.asarray(X)
    np.testing.assert_array_equal(activation(X), np.where(x > threshold, 1, np.where(x < -threshold, -1, 0)))
    inside = (np.abs(x) > threshold - window) & (np.abs(x) < threshold + window)
    np.testing.assert_allclose(slopes(activation), np.where(inside, 1 / (2 * window), 0), rtol=1e-6)


def test_the_default_is_that_of_the_authors_code():
    """round(clip(x - ½, 0, 1) + clip(x + 1½, 0, 1) - 1), derivative through both clips (greenberg2021, section 3)."""
    x = np.asarray(X)
    code = np.clip(x - 0.5, 0, 1) + np.clip(x + 1.5, 0, 1) - 1
    np.testing.assert_array_equal(ternary()(X), np.round(code))
    derivative = jax.vmap(jax.grad(lambda x: jnp.clip(x - 0.5, 0, 1) + jnp.clip(x + 1.5, 0, 1) - 1))(X)
    np.testing.assert_array_equal(slopes(ternary()), derivative)


@pytest.mark.parametrize("window", [1.0, 0.25])
def test_binary_neurons(window):
    activation = binary(window)
    x = np.asarray(X)
    np.testing.assert_array_equal(activation(X), np.where(x >= 0, 1, -1))
    np.testing.assert_allclose(slopes(activation), (np.abs(x) < window) / window, rtol=1e-6)
    assert activation(jnp.zeros(())) == 1


@pytest.mark.parametrize("activation", [ternary(), ternary(0.5, 0.2), binary(), binary(0.3)])
def test_a_window_has_the_area_of_its_jump(activation):
    x = jnp.linspace(-3, 3, 600_001)
    area = float(jax.vmap(jax.grad(activation))(x).sum()) * 1e-5
    # Each edge of a window is found to one point of the grid.
    assert abs(area - float(activation(x[-1]) - activation(x[0]))) < 1e-3


def test_smooth_neurons():
    x = np.asarray(X)
    np.testing.assert_array_equal(smooth_activation("relu")(X), np.maximum(x, 0))
    np.testing.assert_allclose(smooth_activation("sigmoid")(X), 1 / (1 + np.exp(-x)), rtol=1e-5)
    np.testing.assert_array_equal(smooth_activation("hard-tanh")(X), np.clip(x, -1, 1))
    np.testing.assert_array_equal(slopes(SMOOTH["hard-tanh"]), np.abs(x) < 1)


def test_losses():
    logits = np.array([[2.0, -1.5, 0.3], [0.0, 0.5, -3.0]], np.float32)
    labels = np.array([0, 2])
    t = np.array([[1, -1, -1], [-1, -1, 1]])
    np.testing.assert_allclose(
        squared_hinge(jnp.asarray(logits), jnp.asarray(labels)),
        (np.maximum(0, 1 - t * logits) ** 2).mean(1), rtol=1e-6,
    )  # fmt: skip
    np.testing.assert_allclose(
        cross_entropy(jnp.asarray(logits), jnp.asarray(labels)),
        np.log(np.exp(logits).sum(1)) - logits[[0, 1], labels], rtol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ternary(0.0), r"threshold is 0\.0"),
        (lambda: ternary(1.0, 0.0), r"window is 0\.0.*positive"),
        (lambda: ternary(0.5, 0.6), r"window is 0\.6.*at most the threshold 0\.5"),
        (lambda: binary(0.0), r"window is 0\.0"),
        (lambda: smooth_activation("step"), "activation 'step' is not known; choose one of relu"),
        (lambda: find_loss("hinge"), "loss 'hinge' is not known; choose one of cross-entropy"),
    ],
)
def test_what_cannot_be_is_said(make, words):
    with pytest.raises(TrainError, match=words):
        make()
