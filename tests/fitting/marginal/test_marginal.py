"""Marginal fits: the same posterior as joint NUTS, a fallback that says so, refusals; and the parts beneath."""

import jax
import numpy as np
import pytest
from arviz_stats.base import array_stats
from design_pulse_train import DESIGNS
from design_telegraph import DESIGNS as TELEGRAPH
from design_telegraph import INTERVAL, dataset_of, placeholder, states

from charz.errors import FitError
from charz.fitting import fit, load_posterior
from charz.fitting.marginal import drawn_twice
from charz.fitting.marginal.grid import gauss_hermite, on_a_sphere
from charz.fitting.marginal.tails import pareto_shapes

POPULATION = ("location_mean", "location_sd", "log_width_mean", "log_width_sd")


@pytest.fixture(scope="module")
def both(simulate):
    data, _ = simulate(1, num_devices=40, num_settings=13)
    options = {"key": jax.random.key(0), "pool": "hierarchical"}
    return {
        "marginal": fit(data, "logistic-plain", method="marginal", **options),
        "nuts": fit(data, "logistic-plain", method="nuts", draws=500, warmup=300, **options),
    }


def test_equal_to_nuts(both):
    marginal, nuts = (both[name].tree["posterior"].to_dataset() for name in ("marginal", "nuts"))
    assert set(marginal) == set(nuts)
    assert both["marginal"].tree.attrs["method"] == "marginal"
    assert both["nuts"].tree.attrs["method"] == "nuts"
    for name in POPULATION:
        sd = float(nuts[name].std())
        # A mean of some 1,000 effective draws has a standard error of 0.03 sd.
        assert abs(float(marginal[name].mean() - nuts[name].mean())) < 0.15 * sd, name
        assert abs(float(marginal[name].std()) / sd - 1) < 0.15, name
    for name in ("location", "width"):
        sd = nuts[name].std(("chain", "draw"))
        off = np.abs((marginal[name] - nuts[name].mean(("chain", "draw"))).mean(("chain", "draw")) / sd)
        assert float(off.max()) < 0.2, name
        assert abs(float((marginal[name].std(("chain", "draw")) / sd).mean()) - 1) < 0.05, name


def test_what_the_file_says(both, tmp_path):
    posterior = both["marginal"]
    assert posterior.converged
    assert "devices integrated out" in posterior.tree.attrs["convergence"]
    stats = posterior.tree["sample_stats"]
    assert float(stats["pareto_k_population"]) <= 0.7
    assert stats["pareto_k_device"].dims == ("device",)
    assert float(stats["pareto_k_device"].max()) <= 0.7
    assert posterior.tree.attrs["effective_proposals"] > 1000
    posterior.save(tmp_path / "p.nc")
    loaded = load_posterior(tmp_path / "p.nc")
    assert loaded.summary()["population"].keys() == both["nuts"].summary()["population"].keys()
    assert loaded.new_devices(jax.random.key(0), 3, (4, 2)).location.shape == (3, 4, 2)


@pytest.mark.parametrize(
    ("key", "reason"),
    [(3, "Pareto k is above 0.7"), pytest.param(4, "no quadrature of the devices", marks=pytest.mark.slow)],
)
def test_few_trials_fall_back_to_nuts_and_say_so(simulate, key, reason):
    """Four devices, ten trials a setting: floors are hardly known, and a device's weights have a long tail.

    Given up with every key that was tried; the key decides which of the two checks says so first.
    """
    data, _ = simulate(4, num_devices=4, num_settings=11, num_trials=10)
    options = {"pool": "hierarchical", "draws": 200, "warmup": 200, "chains": 2}
    posterior = fit(data, "logistic", key=jax.random.key(key), method="marginal", **options)
    assert posterior.tree.attrs["method"] == "nuts"
    assert "the marginal fit was given up" in posterior.tree.attrs["remarks"]
    assert reason in posterior.tree.attrs["remarks"]


def test_two_hundred_devices_are_integrated_out_unless_asked_otherwise(simulate):
    data, _ = simulate(3, num_devices=200, num_settings=9, logit_floor_mean=-30.0)
    options = {"key": jax.random.key(0), "draws": 200, "warmup": 100, "chains": 2}
    assert fit(data, "logistic-plain", **options).tree.attrs["method"] == "marginal"
    fewer = data.isel(device=slice(6))
    assert fit(fewer, "logistic-plain", **options).tree.attrs["method"] == "nuts"


@pytest.mark.slow
def test_many_devices_are_not_given_up(simulate):
    """Their population is known better than the grid of the first guess can tell."""
    data, _ = simulate(7, num_devices=1500, num_settings=5, logit_floor_mean=-30.0)
    posterior = fit(
        data, "logistic-plain", key=jax.random.key(0), pool="hierarchical", method="marginal", chains=2
    )
    assert posterior.tree.attrs["method"] == "marginal", posterior.tree.attrs["remarks"]
    spread = posterior.summary()["population"]["location_sd"]
    # An estimate of a spread from 1,500 devices is known to 1/sqrt(3000) = 1.8 % at best.
    assert 0.01 < spread["sd"] / spread["mean"] < 0.03


@pytest.mark.parametrize(("num_trials", "expected"), [(100, True), (10**8, False)])
def test_single_precision_weighs_candidates_only_where_it_is_exact(
    simulate, monkeypatch, num_trials, expected
):
    """Of 1e8 trials a likelihood is -1e8 nats and more: single precision has an error of some nats."""
    data, _ = simulate(2, num_devices=20, num_settings=9, num_trials=num_trials, logit_floor_mean=-30.0)
    draw, seen = drawn_twice.draw_given_population, []

    def watched(key, devices, surrogate, phis, pairs, single=False):
        seen.append(single and len(phis) == 400)  # else a trial
        return draw(key, devices, surrogate, phis, pairs, single)

    def locations():
        posterior = fit(
            data, "logistic-plain", key=jax.random.key(0), pool="hierarchical", method="marginal", draws=100
        )
        assert posterior.tree.attrs["method"] == "marginal", posterior.tree.attrs["remarks"]
        return posterior.tree["posterior"]["location"].to_numpy()

    monkeypatch.setattr(drawn_twice, "draw_given_population", watched)
    monkeypatch.setattr(drawn_twice, "OUTCOMES_WITH_SEVERAL", 0)
    double = locations()
    assert not any(seen)
    monkeypatch.setattr(drawn_twice, "OUTCOMES_IN_SINGLE", 0)
    found = locations()
    assert any(seen) == expected
    # The weights differ by 1e-3 nats at most: so rarely another candidate is picked.
    assert (found != double).mean() <= (0.001 if expected else 0)


def test_refusals(simulate):
    data, _ = simulate(1)
    with pytest.raises(FitError, match=r"method='marginal' .* pool='complete' has no population"):
        fit(data, "logistic", key=jax.random.key(0), pool="complete", method="marginal")


def test_long_telegraph_records_share_a_population():
    """Rates of every device within five of its posterior's standard deviations of the truth, mostly within two."""
    generator, number = np.random.default_rng(3), 6
    leave = np.exp(generator.normal(np.log(0.1), 0.3, (2, number)))
    levels = np.stack([states(generator, *chances, 4000) for chances in leave.T])
    signal = levels + 0.15 * generator.normal(size=levels.shape)
    posterior = fit(
        dataset_of(signal), "two-state", key=jax.random.key(0), pool="hierarchical", method="marginal"
    )
    assert posterior.tree.attrs["method"] == "marginal", posterior.tree.attrs["remarks"]
    assert posterior.converged
    rate = -np.log(1 - leave.sum(0)) / INTERVAL * leave / leave.sum(0)
    drawn = posterior.tree["posterior"].to_dataset()
    for name, truth in zip(("rate_up", "rate_down"), rate, strict=True):
        logs = np.log(drawn[name])
        off = np.abs(logs.mean(("chain", "draw")) - np.log(truth)) / logs.std(("chain", "draw"))
        assert float(off.max()) < 5, name
        assert float(off.median()) < 2, name
    # Candidates are picked again and again: their number is what the draws are worth.
    assert 1500 < posterior.tree.attrs["effective_proposals"] < 3600
    assert len(np.unique(drawn["rate_up"].isel(device=0))) > 1000


@pytest.mark.slow
def test_long_records_drawn_anew_have_the_same_posterior(monkeypatch):
    """Candidates that serve all populations, and candidates for each of them: means within four standard errors."""
    generator, number = np.random.default_rng(1), 3
    leave = np.exp(generator.normal(np.log(0.16), 0.2, (number, 2)))
    signal = np.stack([states(generator, *chances, 1500) for chances in leave])
    data = dataset_of(signal + 0.15 * generator.normal(size=signal.shape))
    found = []
    for doubtful in (np.inf, -np.inf):
        monkeypatch.setattr(drawn_twice, "DOUBTFUL_K", doubtful)
        posterior = fit(
            data,
            "two-state",
            key=jax.random.key(0),
            pool="hierarchical",
            method="marginal",
            priors=TELEGRAPH["two-state"].priors,
            draws=400,
            chains=2,
        )
        assert posterior.tree.attrs["method"] == "marginal", posterior.tree.attrs["remarks"]
        found.append(posterior.tree["posterior"].to_dataset())
    once, anew = found
    for name in ("low", "separation", "noise", "rate_up", "rate_down"):
        sd = once[name].std(("chain", "draw"))
        off = np.abs((anew[name] - once[name]).mean(("chain", "draw"))) / sd
        # 800 draws each, of some 600 effective candidates and more.
        assert 0 < float(off.max()) < 4 * np.sqrt(2 / 500), name
        ratio = anew[name].std(("chain", "draw")) / sd
        assert float(np.abs(ratio - 1).max()) < 4 * np.sqrt(1 / 500), name


def test_more_than_five_parameters_of_a_device_are_refused():
    data = dataset_of(np.tile(placeholder(1), (3, 1)))
    with pytest.raises(
        FitError, match=r"'three-state' has 10 parameters that vary .* more than 5 has too many"
    ):
        fit(data, "three-state", key=jax.random.key(0), pool="hierarchical", method="marginal")


def test_latent_variables_are_refused():
    data = DESIGNS["soft-bounds-read"].dataset.isel(device=[0, 0, 0]).assign_coords(device=["a", "b", "c"])
    with pytest.raises(FitError, match=r"method='marginal' .* 'soft-bounds-read' has latent variables"):
        fit(data, "soft-bounds-read", key=jax.random.key(0), pool="hierarchical", method="marginal")


@pytest.mark.parametrize(("num_axes", "per_axis"), [(1, 5), (2, 7), (3, 5), (4, 3)])
def test_grid_has_moments_of_a_normal(num_axes, per_axis):
    nodes, weights = gauss_hermite(num_axes, per_axis)
    np.testing.assert_allclose(weights.sum(), 1)
    np.testing.assert_allclose((weights[:, None] * nodes).sum(0), 0, atol=1e-12)
    np.testing.assert_allclose(np.einsum("n,ni,nj->ij", weights, nodes, nodes), np.eye(num_axes), atol=1e-3)


@pytest.mark.parametrize("num_axes", [1, 3, 5])
def test_nodes_on_a_sphere_have_moments_of_a_normal_to_the_fifth(num_axes):
    nodes, weights = on_a_sphere(num_axes)
    assert (weights >= 0).all()
    exponents = np.stack(np.meshgrid(*[range(6)] * num_axes, indexing="ij"), -1).reshape(-1, num_axes)
    of_normal = np.array([1, 0, 1, 0, 3, 0])
    for powers in exponents[exponents.sum(1) <= 5]:
        found = (weights * np.prod(nodes**powers, axis=1)).sum()
        np.testing.assert_allclose(found, of_normal[powers].prod(), atol=1e-12)


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_shapes_are_those_of_arviz(scale):
    ratios = scale * np.random.default_rng(0).standard_normal((3, 1000))
    expected = [float(array_stats.psislw(-row)[1]) for row in ratios]
    np.testing.assert_allclose(pareto_shapes(ratios), expected, atol=0.05)


def test_spoilt_ratios_have_infinite_shape():
    ratios = np.zeros((2, 100))
    ratios[0, 3] = np.inf
    shapes = pareto_shapes(ratios)
    assert shapes[0] == np.inf
    assert shapes[1] == -np.inf
