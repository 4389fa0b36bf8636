"""Decorrelation (T4 of Koenders et al. 2025): the low-rank step is the dense one, and correlations vanish."""

import jax
import jax.numpy as jnp
import numpy as np

from charz.learning.decorrelation import (
    Decorrelation,
    coupling,
    decorrelate,
    no_decorrelation,
    update_decorrelation,
)
from charz.learning.noisy_network import uniform_start

SIZE, BATCH = 20, 64


def correlated_inputs(key, samples, mean=0.0):
    """Gaussian inputs with a dense random covariance, and that covariance."""
    mix = np.random.default_rng(0).normal(size=(SIZE, SIZE)) / np.sqrt(SIZE)
    x = mean + jax.random.normal(key, (samples, SIZE)) @ jnp.asarray(mix.T, jnp.float32)
    return x, mix @ mix.T


def off_diagonal(covariance):
    return ((covariance - np.diag(np.diag(covariance))) ** 2).sum()


def trained(mean=0.0, steps=1000, rate=0.01):
    def step(state, key):
        x, _ = correlated_inputs(key, BATCH, mean)
        return update_decorrelation(state, decorrelate(state, x), rate), None

    start = Decorrelation(jnp.eye(SIZE), jnp.zeros(SIZE))
    return jax.jit(lambda keys: jax.lax.scan(step, start, keys)[0])(
        jax.random.split(jax.random.key(1), steps)
    )


def test_the_low_rank_step_is_the_dense_one():
    """(K3) written out in double precision."""
    rng = np.random.default_rng(2)
    mixing, shift, x_hat = rng.normal(size=(7, 7)), rng.normal(size=7), rng.normal(size=(5, 7))
    full = x_hat.T @ x_hat / 5
    correlations = full - np.diag(np.diag(full))
    with jax.enable_x64(True):
        new = update_decorrelation(
            Decorrelation(*map(jnp.asarray, (mixing, shift))), jnp.asarray(x_hat), 0.03
        )
        np.testing.assert_allclose(new.mixing, mixing - 0.03 * correlations @ mixing, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(new.shift, shift - 0.03 * x_hat.sum(0), rtol=1e-12)
        np.testing.assert_allclose(coupling(jnp.asarray(x_hat)), off_diagonal(full) / 49, rtol=1e-12)


def test_correlations_fall_a_hundredfold():
    """Of the true covariance of the mapped inputs, not of the batches that were seen."""
    _, covariance = correlated_inputs(jax.random.key(0), 1)
    mixing = np.asarray(trained().mixing, float)
    assert off_diagonal(covariance) > 100 * off_diagonal(mixing @ covariance @ mixing.T)


def test_the_shift_takes_the_mean_away():
    state = trained(mean=0.5)
    x_hat = decorrelate(state, correlated_inputs(jax.random.key(3), 20_000, 0.5)[0])
    # The shift follows each batch by η times its sum: the mean of the mapped inputs is left with that noise.
    assert np.abs(x_hat.mean(0)).max() < 0.1 * np.abs(0.5 * np.asarray(state.mixing).sum(1)).max()


def test_the_start_changes_nothing():
    theta = uniform_start(jax.random.key(0), (5, 4, 3))
    start = no_decorrelation(theta)
    assert [layer.mixing.shape for layer in start] == [(5, 5), (4, 4)]
    x = jax.random.normal(jax.random.key(1), (6, 5))
    np.testing.assert_array_equal(decorrelate(start[0], x), x)
