"""`charz compare`: ranking of models fitted to the same simulated wires, and what it refuses."""

import json

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from charz.cli.app import app
from charz.errors import CharzError
from charz.fitting import load_posterior
from charz.store import save


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def wires(path, seed):
    """Eight equal wires with a floor of 0.05."""
    generator = np.random.default_rng(seed)
    drive = np.tile(np.linspace(0.0, 4.0, 11), (8, 1))
    probability = 0.05 + 0.95 / (1 + np.exp(-(drive - 2.0) / 0.25))
    dims, count = ("device", "setting"), {"units": "1", "long_name": "count"}
    dataset = xr.Dataset(
        {
            "amplitude": (dims, drive, {"units": "V", "long_name": "pulse amplitude"}),
            "num_trials": (dims, np.full(drive.shape, 200), count),
            "num_switched": (dims, generator.binomial(200, probability), count),
        },
        coords={"device": ("device", [f"d{i}" for i in range(8)], {"long_name": "device"})},
        attrs={"experiment": "pulse_switching"},
    )
    save(dataset, path)
    return path


def fitted(data, model, path):
    options = ["--pool", "complete", "--draws", "500", "-o", path]
    assert run("fit", data, "--model", model, *options).exit_code == 0
    return path


@pytest.fixture(scope="module")
def posteriors(tmp_path_factory):
    """The right model, and one without a floor, on the same data; the right one on other data."""
    folder = tmp_path_factory.mktemp("compare")
    data, others = wires(folder / "data.nc", 0), wires(folder / "others.nc", 1)
    return (
        fitted(data, "logistic", folder / "floor.nc"),
        fitted(data, "logistic-plain", folder / "plain.nc"),
        fitted(others, "logistic", folder / "others-floor.nc"),
    )


def test_the_model_with_a_floor_wins(posteriors):
    floor, plain, _ = posteriors
    result = run("compare", plain, floor, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    best, worst = found["ranking"]
    assert (best["posterior"], worst["posterior"]) == ("floor.nc", "plain.nc")
    assert (best["elpd_difference"], best["difference_se"]) == (0, 0)
    assert worst["elpd_difference"] < -4 * worst["difference_se"] < 0
    assert worst["elpd_difference"] == pytest.approx(worst["elpd"] - best["elpd"])
    assert (best["model"], best["pool"], best["num_observations"]) == ("logistic", "complete", 88)
    assert found["one_observation"] == "one setting of one device"
    assert "pointwise" not in best


def test_table_says_what_an_observation_is(posteriors):
    floor, plain, _ = posteriors
    result = run("compare", floor, plain)
    assert "Leave-one-out, one setting of one device, in nats" in result.stdout
    assert "One observation is one setting of one device" in result.stdout
    first, second = (line for line in result.stdout.splitlines() if "complete" in line)
    assert "floor.nc" in first
    assert "plain.nc" in second


def test_different_data_are_refused(posteriors):
    floor, _, others = posteriors
    result = run("compare", floor, others)
    assert isinstance(result.exception, CharzError)
    assert "fitted to different data" in str(result.exception)


def test_one_posterior_is_refused(posteriors):
    result = run("compare", posteriors[0])
    assert isinstance(result.exception, CharzError)
    assert "at least two" in str(result.exception)


def test_fit_that_did_not_converge_is_named(posteriors, tmp_path):
    floor, plain, _ = posteriors
    posterior = load_posterior(plain)
    posterior.tree.attrs |= {"converged": 0, "convergence": "NOT CONVERGED: R-hat 1.2"}
    posterior.save(tmp_path / "doubtful.nc")
    result = run("compare", floor, tmp_path / "doubtful.nc", "--json")
    assert result.exit_code == 3
    (warning,) = json.loads(result.stdout)["warnings"]
    assert warning.endswith("doubtful.nc: NOT CONVERGED: R-hat 1.2")


def test_high_pareto_k_is_warned_of(posteriors, tmp_path):
    floor, plain, _ = posteriors
    posterior = load_posterior(plain)
    # Importance ratios exp(1.5 E) of an exponential E have a Pareto tail with k = 1.5.
    group = posterior.tree["log_likelihood"].to_dataset()
    terms = group["num_switched"].to_numpy().copy()
    terms[:, :, 0, 0] = -np.random.default_rng(0).exponential(1.5, terms.shape[:2])
    group["num_switched"] = group["num_switched"].copy(data=terms)
    posterior.tree["log_likelihood"] = xr.DataTree(group)
    posterior.save(tmp_path / "heavy.nc")
    result = run("compare", floor, tmp_path / "heavy.nc")
    assert "Pareto k > 0.7 at 1 of 88 observations" in result.stderr


def test_posterior_of_another_kind_makes_no_synapses(posteriors, tmp_path, monkeypatch):
    posterior = load_posterior(posteriors[0])
    posterior.tree.attrs["model"] = "logistic-directions"
    posterior.save(tmp_path / "directions.nc")
    monkeypatch.setattr("charz.fitting.Posterior.believed", lambda self: object())
    result = run("train", "--device", tmp_path / "directions.nc", "-o", tmp_path / "run.nc")
    assert isinstance(result.exception, CharzError)
    assert "takes a posterior of pulse_switching data" in str(result.exception)
    assert not (tmp_path / "run.nc").exists()


def test_curve_that_needs_a_pulse_width_makes_no_synapses(posteriors, tmp_path, monkeypatch):
    import jax.numpy as jnp

    from charz.devices import ThermalActivation

    law = ThermalActivation(*map(jnp.asarray, (40.0, 2.0, 1e-9, float("nan"))))
    monkeypatch.setattr("charz.fitting.Posterior.believed", lambda self: law)
    result = run("predict", "--device", posteriors[0], "-o", tmp_path / "prediction.nc")
    assert isinstance(result.exception, CharzError)
    assert "depends on the pulse width" in str(result.exception)
