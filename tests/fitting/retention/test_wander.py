"""Likelihood of wandering records against the full covariance matrix; the simulator against the same matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_retention import DESIGNS

from charz.fitting.retention import FAMILY
from charz.fitting.retention.wander import (
    Noise,
    Windows,
    innovations,
    left_out_density,
    log_density,
)

WANDER, READ = 0.7, 0.2


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def sampled(seed):
    """Windows (gap, width, num_averaged) with single samples first and two places of padding, and their starts."""
    generator = np.random.default_rng(seed)
    gap, width = generator.uniform(0.1, 2.0, 14), generator.uniform(0.01, 3.0, 14)
    width[:4] = 0.0
    count = generator.integers(1, 9, 14).astype(float)
    count[12:] = 0
    start = np.cumsum(gap) + np.cumsum(width) - width
    return Windows(*map(jnp.asarray, (gap, width, count))), start


def covariance(windows, start, memory):
    """Covariance of the means by their double integrals, (time, time), without padding."""
    width = np.asarray(windows.width)
    h = width / memory
    with np.errstate(invalid="ignore", divide="ignore"):
        side = np.where(h > 0, np.sinh(h / 2) / (h / 2), 1.0)
        own = np.where(h > 0, 2 * (h - 1 + np.exp(-h)) / h**2, 1.0)
    centre = start + width / 2
    matrix = side[:, None] * side * np.exp(-np.abs(centre[:, None] - centre) / memory)
    np.fill_diagonal(matrix, own)
    known = np.asarray(windows.num_averaged) > 0
    count = np.asarray(windows.num_averaged)[known]
    return WANDER**2 * matrix[np.ix_(known, known)] + np.diag(READ**2 / count)


def noise(memory):
    return Noise(*(jnp.asarray(value) for value in (WANDER, memory, READ)))


@pytest.mark.parametrize("memory", [0.05, 3.0, 300.0])
def test_density_is_that_of_the_covariance_matrix(memory):
    windows, start = sampled(1)
    residual = np.random.default_rng(2).normal(size=14)
    matrix, known = covariance(windows, start, memory), residual[:12]
    expected = -(known @ np.linalg.solve(matrix, known) + np.linalg.slogdet(2 * np.pi * matrix)[1]) / 2
    terms = np.asarray(log_density(jnp.asarray(residual), windows, noise(memory)))
    assert terms.sum() == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(terms[12:], 0)
    surprise = np.asarray(innovations(jnp.asarray(residual), windows, noise(memory)))
    assert (surprise**2).sum() == pytest.approx(known @ np.linalg.solve(matrix, known), rel=1e-9)


@pytest.mark.parametrize("memory", [0.05, 3.0, 300.0])
def test_left_out_density_is_that_of_the_precision_matrix(memory):
    windows, start = sampled(3)
    residual = np.random.default_rng(4).normal(size=14)
    precision = np.linalg.inv(covariance(windows, start, memory))
    weight = precision.diagonal()
    expected = -((precision @ residual[:12]) ** 2 / weight + np.log(2 * np.pi / weight)) / 2
    terms = np.asarray(left_out_density(jnp.asarray(residual), windows, noise(memory)))
    # Inverting the matrix costs digits where the memory is long.
    np.testing.assert_allclose(terms[:12], expected, rtol=1e-5)
    np.testing.assert_array_equal(terms[12:], 0)


def test_short_windows_keep_their_digits():
    """Averages over a window of a billionth of the memory are samples."""
    windows, _ = sampled(5)
    narrow = windows._replace(width=windows.width * 1e-9)
    single = windows._replace(width=jnp.zeros(14))
    residual = jnp.asarray(np.random.default_rng(6).normal(size=14))
    ours, theirs = (log_density(residual, w, noise(1.0)).sum() for w in (narrow, single))
    assert float(ours) == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize("model", FAMILY.models, ids=lambda model: model.name)
def test_value_gradient_and_curvature_are_finite_anywhere(model):
    observations = FAMILY.observe(DESIGNS[model.name].dataset)
    arrays = {name: jnp.asarray(array[0]) for name, array in observations.arrays.items()}

    def total(place):
        values = {p.linked_name: place[index] for index, p in enumerate(model.free)}
        return model.log_likelihood(model.values_from_linked(values), arrays).sum()

    signs = [np.ones(len(model.free)), (-1.0) ** np.arange(len(model.free))]
    places = jnp.asarray([size * sign for size in (-300.0, -40.0, 0.0, 40.0, 300.0) for sign in signs])
    for function in (total, jax.grad(total), jax.hessian(total)):
        assert np.isfinite(np.asarray(jax.jit(jax.vmap(function))(places))).all()


def test_simulated_averages_have_the_covariance_of_the_likelihood():
    """Second moments of 20000 simulated records within 5 standard errors of the matrix that the filter uses."""
    windows, start = sampled(7)
    observations = FAMILY.observe(DESIGNS["no-drift"].dataset)
    arrays = {
        "resistance": np.ones((1, 14)),
        "elapsed": start[None],
        "gap": np.asarray(windows.gap)[None],
        "window": np.asarray(windows.width)[None],
        "num_averaged": np.asarray(windows.num_averaged)[None],
    }
    seen = type(observations)(
        ("d",), arrays, ("resistance",), ("time",), arrays["num_averaged"] > 0, observations.units
    )
    model = next(m for m in FAMILY.models if m.name == "no-drift")
    number = 20000
    values = {"level": 1.0, "wander": WANDER, "correlation_time": 3.0, "read_noise": READ}
    values = {name: np.full((number, 1), value) for name, value in values.items()}
    drawn = np.log(model.replicate(np.random.default_rng(8), values, seen)["resistance"][:, 0, :12])
    expected = covariance(windows, start, 3.0)
    error = np.sqrt((expected**2 + np.outer(expected.diagonal(), expected.diagonal())) / number)
    assert (np.abs(drawn.T @ drawn / number - expected) < 5 * error).all()
    assert (np.abs(drawn.mean(0)) < 5 * np.sqrt(expected.diagonal() / number)).all()


@pytest.mark.parametrize("model", FAMILY.models, ids=lambda model: model.name)
def test_drift_of_the_simulator_is_that_of_the_law(model):
    """Written twice, without noise they are the same."""
    observations = FAMILY.observe(DESIGNS[model.name].dataset)
    quiet = {"wander": 1e-9, "read_noise": 1e-9, "correlation_time": 10.0}
    shape = {"level": 2e4, "exponent": 0.1, "onset": 30.0, "change": -0.7, "relaxation_time": 400.0}
    known = quiet | shape | {"stretch": 0.6}
    values = {p.name: np.full((1, len(observations.devices)), known[p.name]) for p in model.free}
    drawn = np.log(model.replicate(np.random.default_rng(0), values, observations)["resistance"][0])
    law = model.law({name: jnp.asarray(value)[0, :, None] for name, value in values.items()})
    np.testing.assert_allclose(
        drawn, law.drift.log_retained(jnp.asarray(observations.arrays["elapsed"])), atol=1e-7
    )
