"""A dopant network's record: the surrogate against the linear fit, and what its voltages cannot tell."""

import jax
import numpy as np
import pytest

from charz.fitting import check, compare, fit
from charz.fitting.priors import Prior
from charz.fitting.transfer import blocked_cross_validation, observe
from charz.fitting.transfer.priors import default_priors
from charz.fitting.transfer.record import record_of

FOLDER = "dnpu-brainspy-smg"


@pytest.fixture(scope="module")
def dataset(measured_root, convert):
    return convert(measured_root / FOLDER / "IO.dat", f"{FOLDER}-transfer.toml")


@pytest.fixture(scope="module")
def posteriors(dataset):
    return {
        name: fit(dataset, name, key=jax.random.key(0), draws=500, chains=2)
        for name in ("linear", "surrogate")
    }


def priors_of(model, dataset):
    return default_priors(model, record_of(observe(dataset)))


def fitted(posterior):
    """Mean currents of the draws, (draw, sample)."""
    values = {name: draws.reshape(-1, 1) for name, draws in posterior.law_draws().items()}
    observations = posterior.observations()
    replicated = posterior.fit_model.replicate(
        np.random.default_rng(0), values | {"noise": 0 * values["noise"]}, observations
    )
    return replicated["current"][:, 0]


def test_the_linear_fit_reproduces_the_reference(dataset, posteriors, printed):
    """The default priors shrink the unidentified slopes; priors a hundred times as wide give least squares."""
    output = dataset["current"].to_numpy()
    priors = priors_of("linear", dataset)
    wide = {
        name: Prior("normal", (p.constants[0], 100 * p.constants[1]), p.unit)
        for name, p in priors.items()
        if name != "log_noise"
    }
    free = fit(dataset, "linear", key=jax.random.key(0), draws=500, chains=2, priors=wide)
    r_squared = [1 - np.var(output - fitted(p).mean(0)) / output.var() for p in (free, posteriors["linear"])]
    assert r_squared[0] == printed("0.8426", rel=1e-3)
    assert 0.98 * r_squared[0] < r_squared[1] < r_squared[0]


def test_the_design_that_cannot_tell_single_slopes_is_said(posteriors):
    for posterior in posteriors.values():
        assert posterior.tree.attrs["design_rank"] == 6
        (said,) = [line for line in posterior.observations().remarks if "rank" in line]
        assert said.startswith(
            "the design matrix has rank 6 of 8: 2 directions of the slopes of electrodes 0, 1, 3 are not"
        )


def test_only_the_slopes_that_are_not_identified_keep_the_spread_of_their_prior(posteriors):
    posterior = posteriors["linear"]
    priors = {row["name"]: row["distribution"] for row in posterior.priors()}
    table = posterior.summary()["parameters"]
    share = []
    for electrode in range(7):
        sd = float(priors[f"slope[{electrode}]"].rstrip(")").split(", ")[1])
        share.append(table[f"slope_{electrode}"]["sd"] / sd)
    assert min(share[e] for e in (0, 1, 3)) > 2 * max(share[e] for e in (4, 6))


def test_the_checks_reject_the_line_and_not_the_surrogate(posteriors):
    linear = {one.name: one for one in check(posteriors["linear"])}
    assert not linear["lag-1 correlation"].passed
    assert not linear["nonlinearity"].passed
    assert linear["lag-1 correlation"].observed > 0.8
    surrogate = {one.name: one for one in check(posteriors["surrogate"])}
    assert surrogate["lag-1 correlation"].passed
    assert surrogate["nonlinearity"].passed


def test_the_surrogate_beats_the_line_leaving_one_out(posteriors):
    ranking = compare(posteriors)
    assert ranking[0].name == "surrogate"
    assert ranking[1].difference > 4 * ranking[1].se


@pytest.mark.slow  # half a minute of an idle machine: 40 fits
def test_the_surrogate_beats_the_line_on_runs_of_five_samples(dataset):
    """Neighbours are 0.97 correlated, so whole runs are left out: 20 folds of 5 samples in a row."""
    found = blocked_cross_validation(dataset, key=jax.random.key(0), folds=20)
    gain, error = found["surrogate"].gain_over(found["linear"])
    assert gain > 4 * error
    assert found["surrogate"].r_squared > 0.95
    assert found["linear"].r_squared < 0.8
    assert found["surrogate"].covered > 0.8


@pytest.mark.slow
def test_a_fifth_of_one_pass_is_extrapolation_and_the_surrogate_knows_it(dataset):
    """Runs of 20 samples: the ramps lead where nothing was measured. No mean is of use, but the intervals hold."""
    found = blocked_cross_validation(dataset, key=jax.random.key(0), folds=5)
    assert found["surrogate"].covered >= 0.9
    assert found["linear"].covered < 0.8
