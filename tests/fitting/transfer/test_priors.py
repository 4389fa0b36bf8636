"""Priors of a material network: shown with units, written, changed, and looked at before the data."""

import jax
import numpy as np
from designs import DESIGNS

from charz.fitting import fit, priors_for
from charz.fitting.population import default_priors
from charz.fitting.prior_expectation import expected_outcomes
from charz.fitting.prior_files import load_priors, priors_toml
from charz.fitting.prior_sites import prior_sites
from charz.fitting.prior_table import observed_with_pool, prior_table
from charz.fitting.registry import find_model

DATASET = DESIGNS["transfer"]["surrogate"].dataset


def test_table_has_units_and_natural_quantiles():
    model = find_model("surrogate")
    observations, pool = observed_with_pool(DATASET, "surrogate", None)
    priors = default_priors(model, observations, pool)
    rows = {row["name"]: row for row in prior_table(priors, prior_sites(model, observations, pool))}
    assert set(rows) == set(priors) == set(priors_for(DATASET, "surrogate"))
    units = [rows[name]["unit"] for name in ("slope[0]", "log_noise", "log_relevance[0]")]
    assert units == ["A/V", "A", "1/V"]
    assert 0 < rows["log_noise"]["q05"] < rows["log_noise"]["q95"] < np.ptp(DATASET["current"].values)


def test_a_file_of_priors_is_written_and_read(tmp_path):
    model = find_model("linear")
    observations, pool = observed_with_pool(DATASET, "linear", None)
    priors = default_priors(model, observations, pool)
    path = tmp_path / "priors.toml"
    path.write_text(priors_toml(priors, model, observations), encoding="utf-8")
    back = load_priors(path, model, observations, pool)
    assert set(back) == set(priors)
    for name, prior in priors.items():
        np.testing.assert_allclose(back[name].constants, prior.constants, rtol=1e-6)


def test_a_look_before_the_data_expects_more_than_was_measured():
    model = find_model("surrogate")
    observations, pool = observed_with_pool(DATASET, "surrogate", None)
    look = expected_outcomes(
        jax.random.key(0), model, observations, default_priors(model, observations, pool), pool, 400
    )
    assert look["expected"].attrs["units"] == "A"
    measured = np.ptp(look["measured"].values)
    assert measured < np.std(look["expected"].values) * 10 < 100 * measured


def test_bookkeeping_is_not_a_parameter():
    posterior = fit(DATASET, "surrogate", key=jax.random.key(0), draws=50, chains=2)
    shown = posterior.summary()["parameters"]
    assert "noise" in shown
    assert not [name for name in shown if "draw" in name]
