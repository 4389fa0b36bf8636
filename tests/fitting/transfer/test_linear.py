"""The linear baseline: exact posterior, simulation-based calibration."""

import dataclasses

import jax
import numpy as np
import pytest
from calibration import coverage_range
from design_transfer import DESIGNS, NANO, box, record_of
from scipy import stats

from charz.fitting.transfer import fit_transfer, observe
from charz.fitting.transfer.draws import draw_material
from charz.fitting.transfer.features import hidden_layer
from charz.fitting.transfer.infer import prior_values
from charz.fitting.transfer.models import MODELS, log_likelihood, replicate
from charz.fitting.transfer.priors import chosen_priors, default_priors
from charz.fitting.transfer.record import record_of as taken_from
from charz.fitting.transfer.tree import scalar_values

LINEAR = next(model for model in MODELS if model.name == "linear")
NUM_RANKS = 100


def test_draws_agree_with_the_posterior_on_a_grid():
    """Two coefficients and the noise of a tiny record: means and spreads by brute force over all three."""
    generator = np.random.default_rng(0)
    voltage = box(12, 1)
    current = NANO * (1 + 2 * voltage[:, 0] + 0.4 * generator.standard_normal(12))
    record = taken_from(observe(record_of(voltage, current)))
    priors = default_priors("linear", record)
    with jax.enable_x64(True):
        values = draw_material(generator, record, "linear", priors, 40_000).values
    level, slope, log_noise = np.meshgrid(
        np.linspace(0.0, 2.0, 121) * NANO,
        np.linspace(0.5, 3.5, 121) * NANO,
        np.log(np.linspace(0.1, 1.6, 121) * NANO),
        indexing="ij",
    )
    log_density = sum(
        stats.norm.logpdf(axis, *priors[name].constants)
        for name, axis in (("level", level), ("slope[0]", slope), ("log_noise", log_noise))
    )
    middle = record.middle[0]
    for volt, measured in zip(voltage[:, 0], current, strict=True):
        log_density = log_density + stats.norm.logpdf(
            measured, level + slope * (volt - middle), np.exp(log_noise)
        )
    # The grid is even in the noise, not in its logarithm.
    weight = np.exp(log_density - log_density.max()) / np.exp(log_noise)
    weight /= weight.sum()
    for name, axis in (("level", level), ("slope", slope), ("noise", np.exp(log_noise))):
        mean = (weight * axis).sum()
        sd = np.sqrt((weight * (axis - mean) ** 2).sum())
        drawn = values[name].ravel()
        assert abs(drawn.mean() - mean) < 4 * sd / 200 + 0.01 * sd, name
        assert abs(drawn.std() / sd - 1) < 0.04, name


def test_left_out_densities_agree_with_refitting():
    dataset = DESIGNS["linear"].dataset
    generator = np.random.default_rng(2)
    voltage = dataset["voltage"].to_numpy()
    current = NANO * (voltage[:, 0] + 0.5 * generator.standard_normal(30))
    record = taken_from(observe(record_of(voltage, current)))
    priors = default_priors("linear", record)
    with jax.enable_x64(True):
        drawn = draw_material(generator, record, "linear", priors, 50)
    scaled = np.column_stack([np.ones(30), voltage - record.middle])
    sd = np.array([priors[name].constants[1] for name in ("level", *(f"slope[{e}]" for e in range(4)))])
    signal = (scaled * sd) @ (scaled * sd).T
    deviation = current - priors["level"].constants[0]
    for draw in (0, 17):
        covariance = signal + drawn.values["noise"][draw] ** 2 * np.eye(30)
        for sample in (0, 11):
            rest = np.arange(30) != sample
            gain = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, sample])
            spread = np.sqrt(covariance[sample, sample] - gain @ covariance[rest, sample])
            expected = stats.norm.logpdf(deviation[sample], gain @ deviation[rest], spread)
            assert drawn.left_out[draw, sample] == pytest.approx(expected, abs=1e-6)


def test_the_likelihood_is_the_normal_density():
    observations = observe(DESIGNS["linear"].dataset)
    values = {"level": 1e-9, "noise": 2e-9} | {f"slope_{e}": (e - 1) * 1e-9 for e in range(4)}
    with jax.enable_x64(True):
        terms = np.asarray(log_likelihood(values, {n: a[0] for n, a in observations.arrays.items()}))
    record = taken_from(observations)
    mean = 1e-9 + (record.voltage - record.middle) @ (np.arange(-1, 3) * 1e-9)
    np.testing.assert_allclose(terms, stats.norm.logpdf(record.current, mean, 2e-9), rtol=1e-9)


def ranks(number, draws=99):
    """Rank and coverage of every parameter of the design over simulated records, (replication, parameter) each."""
    design = DESIGNS["linear"]
    observations = observe(design.dataset)
    record = taken_from(observations)
    layer = hidden_layer(record.voltage.shape[1], 0)
    found, covered = [], []
    for seed in range(number):
        generator = np.random.default_rng([20, seed])
        truth = scalar_values(prior_values(generator, layer, design.priors, 1))
        outcome = replicate(generator, {n: v[:, None] for n, v in truth.items()}, observations)
        simulated = dataclasses.replace(record, current=outcome["current"][0, 0])
        priors = chosen_priors("linear", simulated, design.priors)
        with jax.enable_x64(True):
            drawn = scalar_values(draw_material(generator, simulated, "linear", priors, 1000).values)
        found.append([int(np.sum(drawn[n][:draws] < truth[n][0])) for n in truth])
        ends = {n: np.quantile(drawn[n], (0.05, 0.95)) for n in truth}
        covered.append([ends[n][0] <= truth[n][0] <= ends[n][1] for n in truth])
    return np.array(found), np.array(covered)


def test_calibration():
    """Exact draws are cheap: 200 replications in the default suite."""
    found, covered = ranks(200)
    rows = found.shape[1]
    low, high = coverage_range(len(found), rows)
    assert np.all((low <= covered.mean(0)) & (covered.mean(0) <= high)), covered.mean(0)
    for column in found.T:
        histogram = np.bincount(column * 20 // NUM_RANKS, minlength=20)
        assert stats.chisquare(histogram).pvalue > 0.01 / rows


def test_the_same_key_gives_the_same_numbers_and_independent_draws():
    trees = [
        fit_transfer(DESIGNS["linear"].dataset, "linear", key=jax.random.key(k), draws=500, chains=2)
        for k in (3, 3, 4)
    ]
    first, again, other = (tree["posterior"]["noise"].to_numpy() for tree in trees)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    series = first.ravel()
    assert abs(np.corrcoef(series[1:], series[:-1])[0, 1]) < 4 / np.sqrt(series.size)
    assert trees[0].attrs["converged"] == 1
    assert LINEAR.name == trees[0].attrs["model"]
