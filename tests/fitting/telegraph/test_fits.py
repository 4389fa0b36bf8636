"""Fits of simulated telegraph noise: published constants recovered, Laplace against NUTS, laws of rates, plots."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_telegraph import dataset_of, states
from scipy.stats import binom

from charz.devices.telegraph import TelegraphJunction
from charz.fitting.checks import check
from charz.fitting.run import fit
from charz.fitting.telegraph.curves import telegraph_curves
from charz.plots.telegraph_fit import plot_telegraph

STEP = 5e-6  # s, sampling of the published record
TRUTH = {"low": 0.0361604986, "separation": 0.0118632308, "noise": 0.00090841466, "flip": 0.0809}


def published(seed, size):
    """A record by the published constants, by NumPy."""
    generator = np.random.default_rng(seed)
    state = states(generator, TRUTH["flip"], TRUTH["flip"], size)
    if generator.random() < 0.5:
        state = 1 - state
    signal = TRUTH["low"] + TRUTH["separation"] * state + TRUTH["noise"] * generator.standard_normal(size)
    dataset = dataset_of(signal[None])
    dataset["sample_interval"][:] = STEP
    return dataset


def flips(posterior):
    """Draws of both flip probabilities of one sample."""
    draws = posterior.law_draws()
    blank = np.zeros_like(draws["rate_up"])
    junction = TelegraphJunction(
        blank, blank, blank, jnp.asarray(draws["rate_up"]), jnp.asarray(draws["rate_down"])
    )
    return [np.asarray(probability) for probability in junction.flip_probabilities(jnp.asarray(STEP))]


def covered(posterior):
    """Which truths lie inside the central 90 % interval: low, separation, noise, both flip probabilities."""
    draws = posterior.law_draws()
    up, down = flips(posterior)
    columns = [(draws[name], TRUTH[name]) for name in ("low", "separation", "noise")]
    columns += [(up, TRUTH["flip"]), (down, TRUTH["flip"])]
    return [np.quantile(draw, 0.05) <= truth <= np.quantile(draw, 0.95) for draw, truth in columns]


def require_coverage(num_records, size):
    hits = np.array(
        [
            covered(
                fit(
                    published(seed, size),
                    "two-state",
                    key=jax.random.key(seed),
                    pool="complete",
                    method="laplace",
                )
            )
            for seed in range(num_records)
        ]
    ).sum(0)
    low, high = binom.ppf([0.005, 0.995], num_records, 0.9)
    assert np.all((hits >= low) & (hits <= high)), hits


@pytest.mark.slow
def test_published_constants_are_recovered_with_nominal_coverage():
    require_coverage(15, 2000)


@pytest.mark.slow
def test_published_constants_are_recovered_with_nominal_coverage_in_200_records():
    require_coverage(200, 5000)


def short_record(method):
    return fit(published(100, 1500), "two-state", key=jax.random.key(1), pool="complete", method=method)


@pytest.fixture(scope="module")
def short():
    """A short record by Laplace's method; the protocol's round trip fits one by NUTS."""
    return short_record("laplace")


@pytest.mark.slow
def test_laplace_with_importance_sampling_agrees_with_nuts(short):
    """Means within 0.15 and standard deviations within 15 % of those of NUTS: several standard errors of 1000 draws."""
    sampled = short_record("nuts")
    assert short.converged
    assert sampled.converged
    laplace, nuts = short.law_draws(), sampled.law_draws()
    assert all(result.passed for result in check(sampled))
    for name in ("low", "separation", "noise", "rate_up", "rate_down", "fraction_high"):
        sd = nuts[name].std()
        assert abs(laplace[name].mean() - nuts[name].mean()) < 0.15 * sd
        assert abs(laplace[name].std() / sd - 1) < 0.15


def test_a_right_model_passes_its_checks(short):
    assert all(result.passed for result in check(short))


def test_dwell_times_are_shown_with_their_units(short):
    units = short.units()
    assert units["rate_up"] == "1/s"
    assert {units[name] for name in ("dwell_low", "dwell_high", "correlation_time")} == {"s"}
    draws = short.law_draws()
    np.testing.assert_allclose(draws["dwell_low"], 1 / draws["rate_up"])
    np.testing.assert_allclose(
        draws["fraction_high"], draws["dwell_high"] / (draws["dwell_low"] + draws["dwell_high"])
    )


def test_curves_and_plot(short, tmp_path):
    curves = telegraph_curves(short)
    inside = (curves["share"] >= curves["expected_share"][0]) & (
        curves["share"] <= curves["expected_share"][-1]
    )
    assert float(inside.mean()) > 0.75
    assert curves["dwell_time"].attrs["units"] == "s"
    assert np.all(np.diff(curves["survival"], axis=-1) <= 0)
    path = tmp_path / "telegraph.png"
    plot_telegraph(curves, path, "two-state")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_posterior_becomes_a_device_that_simulates(short):
    devices = short.devices(jax.random.key(2), 20)
    state = devices.stationary(jax.random.key(3))
    signal, _ = devices.simulate(jax.random.key(4), 500, STEP, state)
    middle = TRUTH["low"] + TRUTH["separation"] / 2
    assert float(jnp.mean(signal)) == pytest.approx(middle, abs=1e-3)


@pytest.mark.slow
def test_attempt_times_and_barriers_are_recovered():
    """Six temperatures; the attempt time is free, so it spans decades where the barrier spans a few kT."""
    generator = np.random.default_rng(7)
    temperature = np.linspace(280.0, 330.0, 6)
    boltzmann, interval = 8.617333262e-5, 1e-3
    energy, attempt = np.array([0.40, 0.36]), np.array([1.0e-8, 5.0e-8])
    rates = np.exp(-energy[:, None] / (boltzmann * temperature)) / attempt[:, None]
    decided = -np.expm1(-rates.sum(0) * interval) / rates.sum(0)
    signal = np.stack([states(generator, *p, 4000) for p in (rates * decided).T]).astype(float)
    signal += 0.1 * generator.standard_normal(signal.shape)
    posterior = fit(
        dataset_of(signal, temperature=temperature),
        "telegraph-arrhenius",
        key=jax.random.key(8),
        pool="complete",
        method="laplace",
    )
    draws = posterior.law_draws()
    reference = 2 / (1 / 280.0 + 1 / 330.0)
    for state, way, barrier, time in zip(("low", "high"), ("up", "down"), energy, attempt, strict=True):
        found = draws[f"stability_{way}"] * boltzmann * reference
        assert abs(found.mean() - barrier) < 3 * found.std()
        # About 300 switches over 6 eV⁻¹ of 1/kT: 0.03 eV.
        assert 0.015 < found.std() < 0.06
        logs = np.log(draws[f"attempt_time_{state}"])
        assert abs(logs.mean() - np.log(time)) < 3 * logs.std()
