"""Telegraph noise: published constants, exact sampling at any interval, memory between calls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from charz.devices.telegraph import ArrheniusTelegraph, DrivenTelegraph, TelegraphJunction
from charz.devices.telegraph_levels import ThreeLevelTelegraph

JUNCTION = TelegraphJunction(
    *(jnp.asarray(value) for value in (0.0, 1.0, 0.05, 120.0, 30.0))
)  # levels 0 and 1 V, rates in 1/s
THREE = ThreeLevelTelegraph(
    *(jnp.asarray(value) for value in (0.0, 1.0, 1.5, 0.02, 40.0, 5.0, 30.0, 20.0, 2.0, 60.0))
)


def test_published_constants_of_koenders2025():
    junction = TelegraphJunction.koenders2025()
    np.testing.assert_allclose(junction.flip_probabilities(5e-6), [0.0809, 0.0809], rtol=1e-5)
    np.testing.assert_allclose(junction.level(jnp.array([0, 1])), [36.1605e-3, 48.0237e-3], rtol=1e-5)
    assert float(junction.separation / junction.noise) == pytest.approx(13.06, abs=0.01)
    assert float(junction.fraction_high()) == 0.5
    # Correlation of the published chain from sample to sample: 1 - 2 · 0.0809.
    assert float(jnp.exp(-5e-6 / junction.correlation_time())) == pytest.approx(0.8382, rel=1e-5)


def test_flip_probabilities_are_those_of_the_matrix_exponential():
    for step in (1e-5, 1e-2, 10.0):
        up, down = JUNCTION.flip_probabilities(jnp.asarray(step))
        exact = expm(np.array([[-120.0, 120.0], [30.0, -30.0]]) * step)
        np.testing.assert_allclose([up, down], [exact[0, 1], exact[1, 0]], rtol=2e-5)


def test_two_short_steps_make_a_long_one():
    (up, down), (up2, _) = (JUNCTION.flip_probabilities(jnp.asarray(step)) for step in (1e-3, 2e-3))
    assert float(up2) == pytest.approx(float((1 - up) * up + up * (1 - down)), rel=1e-5)


def test_simulated_records_have_the_rates_levels_and_noise():
    step, devices = 2e-3, 50
    start = JUNCTION.stationary(jax.random.key(0), (devices,))
    signal, last = JUNCTION.simulate(jax.random.key(1), 4000, step, start)
    signal = np.asarray(signal)
    assert signal.shape == (4000, devices)
    state = signal > 0.5
    np.testing.assert_array_equal(state[-1], np.asarray(last))
    for origin, probability in zip(
        (False, True), JUNCTION.flip_probabilities(jnp.asarray(step)), strict=True
    ):
        left = state[1:][state[:-1] == origin] != origin
        error = np.sqrt(float(probability * (1 - probability)) / left.size)
        assert abs(left.mean() - float(probability)) < 4 * error
    residual = signal - state
    assert abs(residual.std() - 0.05) < 4 * 0.05 / np.sqrt(2 * residual.size)


def test_the_state_is_carried_from_call_to_call():
    """A call of one step after another gives the same correlation as one long call."""
    step = 1e-3
    pieces, state = [], jnp.zeros(400, jnp.int32)
    for key in jax.random.split(jax.random.key(2), 30):
        signal, state = JUNCTION.simulate(key, 1, step, state)
        pieces.append(np.asarray(signal[0]) > 0.5)
    joined = np.array(pieces)
    up = float(JUNCTION.flip_probabilities(jnp.asarray(step))[0])
    left = joined[1:][~joined[:-1]]
    assert abs(left.mean() - up) < 4 * np.sqrt(up * (1 - up) / left.size)


def test_stationary_states():
    state = np.asarray(JUNCTION.stationary(jax.random.key(3), (10_000,)))
    assert abs(state.mean() - 0.8) < 4 * np.sqrt(0.16 / state.size)
    levels = np.asarray(THREE.stationary(jax.random.key(4), (10_000,)))
    share = np.asarray(THREE.occupation())
    assert np.all(np.abs(np.bincount(levels) / 1e4 - share) < 4 * np.sqrt(share * (1 - share) / 1e4))


def test_rates_follow_drive_and_temperature():
    driven = DrivenTelegraph(JUNCTION, jnp.asarray(2.0), jnp.asarray(-1.0)).at(jnp.asarray(0.5))
    np.testing.assert_allclose([driven.rate_up, driven.rate_down], [120 * np.e, 30 / np.e**0.5], rtol=1e-5)
    heated = ArrheniusTelegraph(JUNCTION, jnp.asarray(20.0), jnp.asarray(10.0))
    at = heated.at(jnp.asarray(300.0 / 330.0 - 1))
    attempt = np.asarray(heated.attempt_times())
    dwell = attempt * np.exp(np.array([20.0, 10.0]) * 300 / 330)
    np.testing.assert_allclose([1 / at.rate_up, 1 / at.rate_down], dwell, rtol=1e-4)


def test_three_levels_have_the_matrix_exponential_and_its_stationary_shares():
    exits = np.asarray(THREE.generator(), dtype=float)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), THREE)
        for step in (1e-6, 1e-2, 1.0):
            exact = expm(exits * step)
            np.testing.assert_allclose(double.transition(jnp.asarray(step)), exact, rtol=1e-8, atol=1e-14)
        np.testing.assert_allclose(
            double.occupation() @ double.transition(0.01), double.occupation(), rtol=1e-9
        )


def test_three_levels_simulated():
    start = THREE.stationary(jax.random.key(5), (100,))
    signal, _ = THREE.simulate(jax.random.key(6), 2000, 5e-3, start)
    levels = np.asarray(THREE.levels())
    state = np.abs(np.asarray(signal)[..., None] - levels).argmin(-1)
    probability = np.asarray(THREE.transition(jnp.asarray(5e-3)))
    for origin in range(3):
        after = state[1:][state[:-1] == origin]
        share = np.bincount(after, minlength=3) / after.size
        error = np.sqrt(probability[origin] * (1 - probability[origin]) / after.size)
        assert np.all(np.abs(share - probability[origin]) < 4.5 * error)


def test_gradients_of_the_probabilities_are_finite():
    def up(rates):
        junction = TelegraphJunction(jnp.zeros(()), jnp.ones(()), jnp.ones(()), rates[0], rates[1])
        return junction.flip_probabilities(jnp.asarray(1.0))[0]

    for rates in ([1e-12, 1e-12], [1e3, 1e-9], [1e6, 1e6]):
        assert np.isfinite(jax.grad(up)(jnp.array(rates))).all()
