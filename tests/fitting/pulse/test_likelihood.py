"""Likelihoods of counts against SciPy, and in the tails where SciPy has none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from charz.devices import LogisticSwitching
from charz.fitting.pulse.likelihood import (
    LARGEST_CONCENTRATION,
    beta_binomial_terms,
    binomial_terms,
    log_binomial_coefficient,
    log_rising,
)
from charz.fitting.pulse.simulate import beta_binomial_counts, binomial_counts


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def law(location=0.0, width=1.0, floor=0.0, ceiling=1.0):
    return LogisticSwitching(*(jnp.asarray(v, dtype=float) for v in (location, width, floor, ceiling)))


def arrays_of(drive, trials, switched):
    values = {"amplitude": drive, "num_trials": trials, "num_switched": switched}
    return {name: jnp.asarray(value, float) for name, value in values.items()}


def test_likelihood_is_binomial():
    device = law(1.0, 0.3, 0.02)
    drive, switched = np.linspace(0.0, 2.0, 9), np.arange(9.0) * 5
    arrays = arrays_of(drive, np.full(9, 40.0), switched)
    expected = stats.binom.logpmf(switched, 40, np.asarray(device.probability(jnp.asarray(drive))))
    np.testing.assert_allclose(
        binomial_terms(device, arrays) + log_binomial_coefficient(arrays), expected, rtol=1e-12
    )


@pytest.mark.parametrize("concentration", [0.05, 1.0, 30.0, 5e4])
def test_overdispersed_likelihood_is_beta_binomial(concentration):
    device = law(1.0, 0.3, 0.02)
    drive, switched = np.linspace(0.0, 2.0, 9), np.arange(9.0) * 5
    arrays = arrays_of(drive, np.full(9, 40.0), switched)
    probability = np.asarray(device.probability(jnp.asarray(drive)))
    expected = stats.betabinom.logpmf(
        switched, 40, probability * concentration, (1 - probability) * concentration
    )
    ours = beta_binomial_terms(device, concentration, arrays) + log_binomial_coefficient(arrays)
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-9)


def test_without_scatter_it_is_binomial():
    arrays = arrays_of(np.linspace(-3, 3, 7), np.full(7, 60.0), np.arange(7.0) * 10)
    ours = beta_binomial_terms(law(), 10 * LARGEST_CONCENTRATION, arrays)
    np.testing.assert_allclose(ours, binomial_terms(law(), arrays), rtol=1e-5)


@pytest.mark.parametrize("start", [1e-300, 1e-8, 0.3, 9.0, 1e3, 1e7])
def test_rising_product(start):
    num = np.array([0.0, 1.0, 2.0, 17.0, 1e4])
    exact = [float(np.sum(np.log(start + np.arange(n)))) for n in num]
    np.testing.assert_allclose(log_rising(jnp.full(5, np.log(start)), jnp.asarray(num)), exact, rtol=1e-10)
    slope = jax.grad(lambda a: log_rising(a, jnp.asarray(17.0)))(jnp.log(start))
    np.testing.assert_allclose(
        slope, start * (special.digamma(start + 17) - special.digamma(start)), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("drive", [-1e4, -800.0, -50.0, 0.0, 50.0, 800.0, 1e4])
@pytest.mark.parametrize("switched", [0.0, 3.0, 10.0])
def test_every_miss_pulls_however_far_away(drive, switched):
    """Value and two derivatives are finite, and the gradient does not vanish where counts contradict the curve."""

    def binomial(location):
        return binomial_terms(law(location), arrays_of(drive, 10.0, switched))

    def overdispersed(location):
        return beta_binomial_terms(law(location), 50.0, arrays_of(drive, 10.0, switched))

    for value in (binomial, overdispersed):
        numbers = (value(0.0), jax.grad(value)(0.0), jax.grad(jax.grad(value))(0.0))
        assert np.isfinite(numbers).all()
    contradicts = switched > 0 if drive < -20 else switched < 10 and drive > 20
    if contradicts:
        missed = switched if drive < 0 else 10 - switched
        np.testing.assert_allclose(abs(jax.grad(binomial)(0.0)), missed, rtol=1e-6)


def test_replicates_follow_the_probability():
    probability = np.full((4000, 1, 2), [0.0, 0.3])
    counts = binomial_counts(np.random.default_rng(0), probability, np.array([[10, 20]]))
    assert counts[..., 0].max() == 0
    assert abs(counts[..., 1].mean() - 6.0) < 5 * np.sqrt(20 * 0.3 * 0.7 / 4000)


def test_overdispersed_replicates_have_their_variance():
    probability, concentration = np.full((20_000, 1, 1), 0.3), np.full((20_000, 1), 9.0)
    counts = beta_binomial_counts(np.random.default_rng(0), probability, concentration, np.array([[50]]))
    reference = stats.betabinom(50, 2.7, 6.3)
    assert abs(counts.mean() - reference.mean()) < 5 * reference.std() / np.sqrt(20_000)
    assert abs(counts.var() / reference.var() - 1) < 5 * np.sqrt(2 / 20_000) * 1.5
