"""Through the front door: fit, save, load, check, compare; and records that the models must not pass."""

import jax
import numpy as np
import pytest
from design_transfer import NANO, WRONG, bent_current, box, record_of

from charz.fitting import Posterior, check, compare, fit, load_posterior

VOLTAGE = box(60, 3, seed=2)


@pytest.fixture(scope="module")
def dataset():
    generator = np.random.default_rng(3)
    current = bent_current(generator, VOLTAGE, gain=1.2) + 0.2 * NANO * generator.standard_normal(60)
    return record_of(VOLTAGE, current)


@pytest.fixture(scope="module", params=["linear", "surrogate"])
def posterior(request, dataset) -> Posterior:
    return fit(dataset, request.param, key=jax.random.key(0), draws=300, chains=2)


def test_a_saved_posterior_is_the_same(posterior, tmp_path):
    posterior.save(tmp_path / "p.nc")
    loaded = load_posterior(tmp_path / "p.nc")
    for group, data in posterior.tree.children.items():
        for name, variable in data.data_vars.items():
            np.testing.assert_array_equal(loaded.tree[group][name].to_numpy(), variable.to_numpy())
    assert [one.as_dict() for one in check(loaded)] == [one.as_dict() for one in check(posterior)]
    for key in (0, 1):
        one, other = (p.new_devices(jax.random.key(key), 4, (2,)) for p in (posterior, loaded))
        assert all(
            np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
        )


def test_it_states_units_interval_convergence_and_what_it_is(posterior):
    attrs, units = posterior.tree.attrs, posterior.units()
    assert attrs["interval"] == "90 % equal-tailed"
    assert posterior.converged
    assert attrs["experiment"] == "transfer"
    assert posterior.pool == "complete"
    assert units["noise"] == units["level"] == "A"
    assert units["slope_2"] == "A/V"
    assert {"level", "slope[0]", "log_noise"} <= {row["name"] for row in posterior.priors()}
    table = posterior.summary()["parameters"]
    draws = posterior.tree["posterior"]["noise"].to_numpy()
    assert table["noise"]["mean"] == pytest.approx(draws.mean())
    if posterior.model == "surrogate":
        assert (units["relevance_0"], units["amplitude"]) == ("1/V", "A")


def test_measured_devices_keep_their_ranges(posterior):
    devices = posterior.devices(jax.random.key(0), 5)
    assert devices.lowest.shape == (5, 1, 3)
    np.testing.assert_allclose(devices.highest[2, 0], VOLTAGE.max(0), rtol=1e-6)
    assert np.asarray(devices.inside(VOLTAGE[:, None, None])).all()


def test_replicates_scatter_with_the_noise_of_their_draw(posterior):
    replicated = posterior.tree["posterior_predictive"]["current"].to_numpy()
    assert replicated.shape[:2] == (2, 300)
    assert replicated.shape[2:] == (1, 60)
    observations = posterior.observations()
    values = {name: v.reshape(-1, 1) for name, v in posterior.law_draws().items()}
    drawn = posterior.fit_model.replicate(np.random.default_rng(0), values, observations)["current"]
    again = posterior.fit_model.replicate(np.random.default_rng(1), values, observations)["current"]
    # Two replicates of a draw differ by twice its variance: 600 draws of 60 samples each.
    ratio = (drawn - again).std(axis=2)[:, 0] / (np.sqrt(2) * values["noise"][:, 0])
    assert abs(ratio.mean() - 1) < 4 / np.sqrt(2 * 600 * 60) + 0.01


def test_the_plot_has_units(posterior, tmp_path):
    curves = posterior.family.curves(posterior, jax.random.key(0))
    assert {str(v.attrs["units"]) for v in curves.data_vars.values()} == {"A", "V"}
    low, middle, high = curves["fitted"].to_numpy()
    assert np.all((low <= middle) & (middle <= high))
    outer_low, _, outer_high = curves["replicated"].to_numpy()
    assert np.mean(outer_high - outer_low) > np.mean(high - low)
    posterior.family.plot(curves, tmp_path / "p.png", "title")
    assert (tmp_path / "p.png").stat().st_size > 20_000


def test_the_surrogate_passes_on_a_smooth_device_and_beats_the_line(dataset):
    found = {
        name: fit(dataset, name, key=jax.random.key(0), draws=300, chains=2)
        for name in ("linear", "surrogate")
    }
    assert all(one.passed for one in check(found["surrogate"])), check(found["surrogate"])
    assert not {one.name: one for one in check(found["linear"])}["nonlinearity"].passed
    ranking = compare(found)
    assert ranking[0].name == "surrogate"
    assert ranking[1].difference > 4 * ranking[1].se


def test_the_line_passes_on_a_linear_device_and_loses_nothing():
    generator = np.random.default_rng(6)
    current = NANO * (VOLTAGE @ [2.0, -1.0, 0.5] + 0.3 * generator.standard_normal(60))
    dataset = record_of(VOLTAGE, current)
    found = {
        name: fit(dataset, name, key=jax.random.key(0), draws=300, chains=2)
        for name in ("linear", "surrogate")
    }
    assert all(one.passed for one in check(found["linear"])), check(found["linear"])
    (linear,) = [row for row in compare(found) if row.name == "linear"]
    assert linear.difference <= 4 * linear.se


# By default one case of the linear model; the others, each a fit of its own, are slow tests.
FIRST = next(id(wrong) for wrong in WRONG if wrong.model == "linear")
CASES = [
    pytest.param(
        wrong, id=f"{wrong.model}: {wrong.name}", marks=() if id(wrong) == FIRST else pytest.mark.slow
    )
    for wrong in WRONG
]


@pytest.mark.parametrize("wrong", CASES)
def test_a_wrong_model_is_caught(wrong):
    posterior = fit(wrong.dataset, wrong.model, key=jax.random.key(11), pool=wrong.pool, draws=300, chains=2)
    results = {one.name: one for one in check(posterior)}
    assert any(not results[name].passed for name in wrong.fails), results
    if wrong.better:
        better = fit(wrong.dataset, wrong.better, key=jax.random.key(11), draws=300, chains=2)
        ranking = compare({"wrong": posterior, "better": better})
        assert ranking[0].name == "better"
        assert ranking[1].difference > 4 * ranking[1].se
