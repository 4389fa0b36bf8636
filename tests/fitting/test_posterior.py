import hashlib
import json

import arviz_stats
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from charz.devices import LogisticSwitching
from charz.errors import FitError
from charz.fitting import Posterior, fit, load_posterior

POPULATIONS = {
    f"{name}_{what}" for name in ("location", "log_width", "logit_floor") for what in ("mean", "sd")
}
GROUPS = {
    "posterior",
    "sample_stats",
    "log_likelihood",
    "posterior_predictive",
    "prior",
    "prior_predictive",
    "observed_data",
    "constant_data",
}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_hierarchy_recovers_population_and_devices(hierarchical, simulate, truth):
    _, wires = simulate(1)
    summary = hierarchical.summary()
    assert hierarchical.converged
    assert set(summary["population"]) == POPULATIONS
    for name, numbers in summary["population"].items():
        assert abs(numbers["mean"] - truth[name]) < 3.5 * numbers["sd"], name
    covered = [
        numbers["q05"] <= value <= numbers["q95"]
        for name, values in wires.items()
        for numbers, value in zip(summary["parameters"][name].values(), values, strict=True)
    ]
    assert len(covered) == 24
    assert sum(covered) >= stats.binom.ppf(0.001, 24, 0.9)


def test_separate_fits_recover_devices(separate, simulate):
    _, wires = simulate(1)
    summary = separate.summary()
    assert separate.converged
    assert summary["population"] == {}
    for numbers, value in zip(summary["parameters"]["location"].values(), wires["location"], strict=True):
        assert abs(numbers["mean"] - value) < 4 * numbers["sd"]


def test_complete_pooling_agrees_with_maximum_likelihood(complete, simulate):
    _, wires = simulate(2, location_sd=0.0, log_width_sd=0.0, logit_floor_sd=0.0)
    numbers = complete.summary()["parameters"]
    assert complete.converged
    assert abs(numbers["location"]["mean"] - wires["location"][0]) < 3.5 * numbers["location"]["sd"]
    assert abs(numbers["floor"]["mean"] - wires["floor"][0]) < 3.5 * numbers["floor"]["sd"]


def test_groups_and_dims_follow_arviz(hierarchical):
    tree = hierarchical.tree
    assert set(tree.children) == GROUPS
    assert tree["posterior"]["width"].dims == ("chain", "draw", "device")
    assert tree["posterior"]["location_mean"].dims == ("chain", "draw")
    assert tree["log_likelihood"]["num_switched"].dims == ("chain", "draw", "device", "setting")
    assert tree["posterior_predictive"]["num_switched"].dims == ("chain", "draw", "device", "setting")
    assert tree["prior"]["width"].dims == ("chain", "draw", "device")
    assert tree["constant_data"]["centring_logit_floor"].dims == ("device",)
    assert tree["posterior"]["width"].dtype == np.float64
    table = arviz_stats.summary(tree, var_names=["location_mean"])
    assert len(table) == 1


def test_units_and_provenance_are_kept(hierarchical):
    units = hierarchical.units()
    assert (units["location"], units["width"], units["floor"]) == ("V", "V", "1")
    assert (units["log_width_mean"], units["log_width_sd"], units["location_sd"]) == ("ln(V)", "1", "V")
    attrs = hierarchical.tree.attrs
    assert attrs["source_file"] == "simulated"
    record = json.loads(attrs["provenance"])
    assert record["seed"] == 1
    assert record["settings"]["pool"] == "hierarchical"
    assert "created_at" not in attrs
    assert "logit_floor" in attrs["parametrization"]
    names = {row["name"]: row for row in hierarchical.priors()}
    assert names["location"]["unit"] == "V"
    assert set(names) == {"location", "log_width", "logit_floor"} | {
        n for n in POPULATIONS if n.endswith("_sd")
    }


def test_location_is_centred_and_weak_floor_is_not(hierarchical):
    constant = hierarchical.tree["constant_data"]
    assert float(constant["centring_location"].min()) > 0.8
    assert float(constant["centring_logit_floor"].max()) < float(constant["centring_location"].min())


def test_saved_file_gives_the_same_posterior(hierarchical, tmp_path):
    path = tmp_path / "posterior.nc"
    hierarchical.save(path)
    loaded = load_posterior(path)
    xr.testing.assert_identical(
        loaded.tree["posterior"].to_dataset(), hierarchical.tree["posterior"].to_dataset()
    )
    assert loaded.summary() == hierarchical.summary()
    assert loaded.tree.attrs == hierarchical.tree.attrs
    again = tmp_path / "again.nc"
    loaded.save(again)
    assert digest(again) == digest(path)


def test_same_key_same_bytes_other_key_other_draws(simulate, hierarchical, tmp_path):
    again = fit(simulate(1)[0], "logistic", key=jax.random.key(1))
    hierarchical.save(tmp_path / "a.nc")
    again.save(tmp_path / "b.nc")
    assert digest(tmp_path / "a.nc") == digest(tmp_path / "b.nc")
    other = fit(simulate(1)[0], "logistic", key=jax.random.key(5))
    assert not np.array_equal(other.tree["posterior"]["location"], again.tree["posterior"]["location"])


def test_failed_save_leaves_nothing(hierarchical, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        hierarchical.save(tmp_path / "nowhere" / "p.nc")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_posterior(tmp_path, make_dataset):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_posterior(tmp_path / "missing.nc")
    text = tmp_path / "text.nc"
    text.write_text("not netCDF")
    with pytest.raises(FitError, match="not a netCDF file"):
        load_posterior(text)
    data = tmp_path / "data.nc"
    make_dataset([[1, 2, 3]], [[9, 9, 9]], [[0, 5, 9]]).to_netcdf(data)
    with pytest.raises(FitError, match="not a posterior"):
        load_posterior(data)


def test_measured_devices_are_joint_draws(hierarchical):
    law = hierarchical.devices(jax.random.key(0), 50)
    assert isinstance(law, LogisticSwitching)
    assert law.width.shape == law.floor.shape == law.ceiling.shape == (50, 8)
    assert law.width.dtype == jnp.float32
    draws = hierarchical.tree["posterior"]["location"].to_numpy().reshape(-1, 8).astype(np.float32)
    rows = [np.flatnonzero((draws == row).all(1)) for row in np.asarray(law.location)]
    assert all(len(found) == 1 for found in rows)
    assert len({int(found[0]) for found in rows}) == 50  # without replacement
    many = hierarchical.devices(jax.random.key(0), len(draws) + 1)
    assert many.width.shape == (len(draws) + 1, 8)


def test_new_devices_follow_their_population(hierarchical):
    law = hierarchical.new_devices(jax.random.key(0), 4, (40, 50))
    assert law.location.shape == (4, 40, 50)
    draws = hierarchical.tree["posterior"].to_dataset().stack(sample=("chain", "draw"))
    means, sds = draws["location_mean"].to_numpy(), draws["location_sd"].to_numpy()
    for location in np.asarray(law.location, float):
        # Each array comes from ONE draw of the population: some draw explains it as a normal sample.
        closest = np.argmin(np.abs(means - location.mean()) + np.abs(sds - location.std()))
        assert abs(location.mean() - means[closest]) < 5 * sds[closest] / np.sqrt(location.size)
        assert stats.kstest(location.ravel(), "norm", (location.mean(), location.std())).pvalue > 1e-3
    assert np.all(np.asarray(law.floor) > 0)
    assert np.all(np.asarray(law.floor) < np.asarray(law.ceiling))
    assert np.all(np.asarray(law.width) > 0)


def test_new_devices_of_a_completely_pooled_fit_are_one_device(complete):
    law = complete.new_devices(jax.random.key(0), 3, (2, 5))
    assert law.width.shape == (3, 2, 5)
    assert np.all(np.ptp(np.asarray(law.location), axis=(1, 2)) == 0)
    assert len(np.unique(np.asarray(law.location))) == 3
    assert complete.devices(jax.random.key(0), 3).location.shape == (3, 8)


def test_separate_fits_know_no_new_device(separate):
    with pytest.raises(FitError, match="cannot produce new devices"):
        separate.new_devices(jax.random.key(0), 3, (2,))


@pytest.mark.parametrize("name", ["hierarchical", "complete", "separate"])
def test_believed_device_is_typical(name, request, truth):
    law = request.getfixturevalue(name).believed()
    assert law.location.shape == law.width.shape == law.floor.shape == law.ceiling.shape == ()
    assert abs(float(law.location) - truth["location_mean"]) < 0.5
    assert abs(np.log(float(law.width)) - truth["log_width_mean"]) < 0.3
    assert 0.005 < float(law.floor) < 0.06
    assert float(law.ceiling) == 1


def test_drive_range_and_names(hierarchical):
    low, high = hierarchical.drive_range
    assert high - low == pytest.approx(4.0)
    assert hierarchical.device_names == [f"w{i}" for i in range(8)]
    assert hierarchical.drive_unit == "V"
    assert hierarchical.model == "logistic"
    assert hierarchical.warning is None


def test_unconverged_fit_says_so(hierarchical, tmp_path):
    tree = hierarchical.tree.copy()
    tree.attrs = {**tree.attrs, "converged": 0, "convergence": "NOT CONVERGED: 7 divergences"}
    Posterior(tree).save(tmp_path / "p.nc")
    loaded = load_posterior(tmp_path / "p.nc")
    assert not loaded.converged
    assert "NOT CONVERGED" in loaded.warning


def test_prior_predictive_covers_the_sweep(hierarchical):
    prior = hierarchical.tree["prior"].to_dataset()
    low, high = hierarchical.drive_range
    inside = ((prior["location"] > low) & (prior["location"] < high)).mean()
    assert 0.2 < float(inside) < 0.9
    relative = prior["width"] / (high - low)
    assert float(relative.quantile(0.02)) < 0.01
    assert float(relative.quantile(0.98)) > 0.3
    fraction = hierarchical.prior_predictive["num_switched"] / 100
    # At every amplitude the prior allows anything between never and always.
    assert float(fraction.quantile(0.1, ("chain", "draw", "device")).max()) < 0.2
    assert float(fraction.quantile(0.9, ("chain", "draw", "device")).min()) > 0.8


def test_second_fit_of_a_shape_does_not_compile(simulate, hierarchical):
    from charz.fitting import inference

    programs = list(inference._PROGRAMS.values())
    before = sum(p._advance._cache_size() for p in programs)
    fit(simulate(3)[0], "logistic", key=jax.random.key(8))
    assert sum(p._advance._cache_size() for p in inference._PROGRAMS.values()) == before


def test_double_precision_stays_inside(hierarchical):
    assert jnp.zeros(1).dtype == jnp.float32
