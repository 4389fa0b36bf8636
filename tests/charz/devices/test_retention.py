"""Retention devices: their formulas, their limits, finite derivatives, and records with the moments they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.retention import LogDrift, NoDrift, Retention, StretchedExponential

TIME = np.array([0.0, 1e-3, 1.0, 50.0, 3e3, 1e6])


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def leaves(*values):
    return [jnp.asarray(value, float) for value in values]


def test_power_law_after_its_onset():
    drift = LogDrift(*leaves(2e4, 0.1, 10.0))
    np.testing.assert_allclose(drift.retained(TIME), 2e4 * ((TIME + 10) / 10) ** 0.1, rtol=1e-12)
    decade = np.diff(drift.log_retained(jnp.asarray([1e9, 1e10])))
    np.testing.assert_allclose(decade, 0.1 * np.log(10), rtol=1e-7)


@pytest.mark.parametrize("change", [-2.0, -0.01, 0.0, 0.3, 4.0])
@pytest.mark.parametrize("stretch", [0.2, 0.7, 1.0])
def test_stretched_exponential_formula(change, stretch):
    drift = StretchedExponential(*leaves(2e4, change, 60.0, stretch))
    wide = TIME.astype(np.longdouble)
    left = np.exp(-((wide / 60) ** np.longdouble(stretch)))
    final = np.longdouble(2e4) * np.exp(np.longdouble(change))
    expected = (final + (2e4 - final) * left).astype(float)
    np.testing.assert_allclose(drift.retained(TIME), expected, rtol=1e-11)


def test_no_drift_is_constant_and_starts_agree():
    assert np.ptp(np.asarray(NoDrift(*leaves(7.0)).retained(TIME))) == 0
    for drift in (
        LogDrift(*leaves(7.0, 0.3, 2.0)),
        StretchedExponential(*leaves(7.0, -3.0, 2.0, 0.4)),
        NoDrift(*leaves(7.0)),
    ):
        np.testing.assert_allclose(drift.retained(jnp.asarray(0.0)), 7.0, rtol=1e-14)


@pytest.mark.parametrize(
    "values",
    [
        (1e4, 1.0, 1e-100, 0.5),
        (1e4, 1.0, 1e100, 0.9),
        (1e4, -400.0, 1.0, 1.0),
        (1e4, 400.0, 1.0, 1e-9),
        (1e4, 0.0, 1.0, 0.5),
    ],
)
def test_first_and_second_derivatives_are_finite_at_the_edges(values):
    def total(parameters):
        return StretchedExponential(*parameters).log_retained(jnp.asarray(TIME)).sum()

    parameters = tuple(leaves(*values))
    assert np.isfinite(total(parameters))
    assert all(np.isfinite(slope) for slope in jax.grad(total)(parameters))
    assert all(np.isfinite(x) for row in jax.hessian(total)(parameters) for x in row)


def test_simulated_records_have_the_moments_of_drift_wander_and_noise():
    """Variances σ² + s² and covariances σ² exp(-Δt/τ) of ln R over 20000 records, within 5 standard errors."""
    number = 20000
    time = jnp.asarray([0.0, 3.0, 10.0, 100.0])
    drift = LogDrift(*leaves(np.full(number, 2e4), 0.1, 10.0))
    device = Retention(drift, *leaves(0.05, 20.0, 0.02))
    logs = np.asarray(jnp.log(device.simulate(jax.random.key(0), time)))
    assert logs.shape == (number, 4)
    residual = logs - np.asarray(drift.log_retained(time[:, None])).T
    expected = 0.05**2 * np.exp(-np.abs(time[:, None] - time) / 20.0) + 0.02**2 * np.eye(4)
    error = np.sqrt((expected**2 + np.outer(expected.diagonal(), expected.diagonal())) / number)
    assert (np.abs(residual.T @ residual / number - expected) < 5 * error).all()
    assert (np.abs(residual.mean(0)) < 5 * np.sqrt(expected.diagonal() / number)).all()


def test_without_noise_a_record_is_its_drift():
    drift = StretchedExponential(*leaves(2e4, [0.1, -0.4], 60.0, 0.5))
    device = Retention(drift, *leaves(0.0, 1.0, 0.0))
    record = device.simulate(jax.random.key(1), jnp.asarray(TIME))
    np.testing.assert_allclose(record, drift.retained(TIME[:, None]).T, rtol=1e-12)
    np.testing.assert_array_equal(device.retained(jnp.asarray(60.0)), drift.retained(jnp.asarray(60.0)))
