"""Losses of a set of cases: their values, and their derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning.set_losses import cor_sigmoid, correlation, corrsig, mean_square, separation

TARGET = np.array([0, 1, 1, 0])
LOSSES = {
    "cor_sigmoid": cor_sigmoid(),
    "cor_sigmoid, variant": cor_sigmoid(4.0, 2.0),
    "corrsig": corrsig(),
    "mean_square": mean_square(-2e-9, 6e-9),
}


def currents(number, seed=0):
    return np.random.default_rng(seed).normal(0, 5e-9, (number, 4))


@pytest.mark.parametrize("name", LOSSES)
def test_the_derivative_is_that_of_the_value(name):
    loss = LOSSES[name]
    with jax.enable_x64(True):
        compiled = jax.jit(loss)
        differentiated = jax.jit(jax.grad(lambda current: loss(current, jnp.asarray(TARGET))[0]))
        for current in currents(10):
            _, derivative = compiled(jnp.asarray(current), jnp.asarray(TARGET))
            by_autodiff = differentiated(jnp.asarray(current))
            np.testing.assert_allclose(derivative, by_autodiff, rtol=1e-9, atol=1e-3)
            step = 1e-13
            for case in range(4):
                shift = step * np.eye(4)[case]
                ends = [
                    float(compiled(jnp.asarray(current + sign * shift), jnp.asarray(TARGET))[0])
                    for sign in (1, -1)
                ]
                assert float(derivative[case]) == pytest.approx(
                    (ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e2
                )


def reference(current, centre=5.0, scale=3.0):
    amount = current * 1e9
    rho = np.corrcoef(amount, TARGET)[0, 1]
    delta = amount[TARGET == 1].min() - amount[TARGET == 0].max()
    return (1.1 - rho) / (1 / (1 + np.exp(-(delta - centre) / scale)) + 0.05)


def test_values_are_the_formulas():
    for current in currents(10, 1):
        amount = current * 1e9
        rho = np.corrcoef(amount, TARGET)[0, 1]
        gap = amount[TARGET == 1].mean() - amount[TARGET == 0].mean()
        expected = {
            "cor_sigmoid": reference(current),
            "cor_sigmoid, variant": reference(current, 4.0, 2.0),
            "corrsig": (1.1 - rho) * (1 + np.exp(-(gap - 5) / 3)),
            "mean_square": np.mean((amount - np.where(TARGET == 1, 6, -2)) ** 2),
        }
        for name, loss in LOSSES.items():
            value, _ = loss(jnp.asarray(current, jnp.float32), jnp.asarray(TARGET))
            assert float(value) == pytest.approx(expected[name], rel=1e-4)


def test_the_least_possible_loss_is_approached():
    perfect = jnp.asarray(np.where(TARGET == 1, 50e-9, -50e-9), jnp.float32)
    value, _ = cor_sigmoid()(perfect, jnp.asarray(TARGET))
    assert float(value) == pytest.approx(0.1 / 1.05, rel=1e-3)


def test_descending_the_loss_separates_the_cases():
    current = jnp.asarray(currents(1, 3)[0], jnp.float32)
    for loss in (cor_sigmoid(), corrsig(), mean_square(-5e-9, 5e-9)):
        moved, target = current, jnp.asarray(TARGET)
        for _ in range(400):
            _, derivative = loss(moved, target)
            moved = moved - jnp.clip(4e-18 * derivative, -0.1e-9, 0.1e-9)
        assert float(correlation(moved, target)) > 0.95
        assert float(separation(moved, target)) > 3e-9


def test_equal_currents_have_a_finite_derivative():
    for loss in LOSSES.values():
        value, derivative = loss(jnp.full(4, 1e-9), jnp.asarray(TARGET))
        assert np.isfinite(float(value))
        assert np.isfinite(np.asarray(derivative)).all()
    assert float(correlation(jnp.full(4, 1e-9), jnp.asarray(TARGET))) == pytest.approx(0.0, abs=1e-6)


def test_the_same_options_are_the_same_function():
    # Otherwise every call would compile anew.
    assert cor_sigmoid(4.0, 2.0) is LOSSES["cor_sigmoid, variant"]


def test_impossible_losses_are_refused():
    for loss in (cor_sigmoid, corrsig):
        with pytest.raises(TrainError, match=r"scale is 0\.0 nA"):
            loss(scale=0.0)
    with pytest.raises(TrainError, match="low and high are both 1e-09 A"):
        mean_square(1e-9, 1e-9)
