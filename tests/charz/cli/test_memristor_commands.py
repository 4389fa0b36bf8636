"""`charz train` and `charz predict` with weights on memristors, from outside."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from design_pulse_train import soft_bounds_trains, train_dataset, up_and_down

from charz import store
from charz.fitting import fit, load_posterior
from charz.learning import BinaryStochastic, Inference
from charz.learning.energy import event_attrs

SCHEME = ["--scheme", "binary-stochastic", "--data", "digits", "--epochs", "2"]


def test_without_devices_weights_are_ideal(charz, tmp_path):
    path = tmp_path / "run.nc"
    code, out, _ = charz("train", *SCHEME, "--json", "-o", path)
    run = xr.load_dataset(path)
    assert code == 0
    assert json.loads(out)["accuracy"]["mean"] > 0.15
    assert "gray" in run.attrs["data"]
    assert run["weight_0"].shape == (64, 10)


def test_a_run_on_memristors_keeps_conductances_and_devices(charz, tmp_path):
    path = tmp_path / "run.nc"
    options = ["--device", "example-memristor", "--carry-digits", "2", "--differential"]
    code, out, _ = charz("train", *SCHEME, *options, "--json", "-o", path)
    result, run = json.loads(out), xr.load_dataset(path)
    assert code == 0
    assert result["num_devices"] == 4 * 65 * 10 == run.sizes["device"]
    assert run["weight_0"].shape == (64, 10)
    assert run["conductance_0_0"].shape == (2, 64, 10)  # array 0, digit 0: both devices of each pair
    assert 1e-6 < float(run["conductance_0_1"].mean()) < 3e-5
    assert float(run["count_pulses"]) > 0
    assert "not measured" in run.attrs["device"]


@pytest.fixture(scope="module")
def train_file(tmp_path_factory):
    """Posterior of three simulated devices with soft bounds, 2 to 20 µS."""
    path = tmp_path_factory.mktemp("trains") / "memristors.nc"
    polarity = up_and_down(30)
    reads = soft_bounds_trains(np.random.default_rng(0), polarity, num_devices=3)
    dataset = train_dataset(reads, polarity)
    posterior = fit(
        dataset, "soft-bounds", key=jax.random.key(0), pool="complete", draws=100, warmup=200, chains=2
    )
    posterior.save(path)
    return path


def test_an_energy_draws_its_conductance_from_a_posterior(charz, train_file, tmp_path):
    path, scheme = tmp_path / "result.nc", BinaryStochastic((64, 10))
    attrs = {"scheme": scheme.name, "inference": "deterministic"} | event_attrs(
        scheme, Inference("deterministic")
    )
    store.save_result(xr.Dataset({"accuracy": ("draw", np.linspace(0.8, 0.9, 20))}, attrs=attrs), path)
    code, out, err = charz("energy", path, "--device", train_file, "--json")
    assert code == 0, err
    row = next(row for row in json.loads(out)["inputs"] if row["name"] == "conductance")
    typical = float(jnp.mean(load_posterior(train_file).believed().symmetry_point()))
    assert row["from"] == "memristors.nc"
    assert row["q05"] < typical < row["q95"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["in-situ", "transfer"])
def test_measured_trains_predict_accuracy(mode, charz, train_file, tmp_path):
    design = ["--draws", "2", "--arrays", "1", "--seeds", "1", "--repeats", "2", "--mode", mode]
    code, out, _ = charz(
        "predict", *SCHEME, "--device", train_file, *design, "--inference", "deterministic", "--json",
        "-o", tmp_path / "prediction.nc",
    )  # fmt: skip
    assert code in (0, 3)  # 3: a fit so short may not have converged, and says so
    assert json.loads(out)["accuracy"]["mean"] > 0.3
