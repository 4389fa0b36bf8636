import json

import numpy as np
import pytest
from typer.testing import CliRunner

from charz.cli.app import app
from charz.errors import CharzError
from charz.fitting import load_posterior
from charz.store import load, save

NUMBERS = {"mean", "sd", "q05", "q95", "rhat", "ess_bulk"}
SHORT = ["--draws", "500"]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def switching_file(path, num_devices, spread=0.2, floor=0.04, seed=0):
    xr = pytest.importorskip("xarray")
    generator = np.random.default_rng(seed)
    drive = np.tile(np.linspace(0.0, 4.0, 11), (num_devices, 1))
    location = generator.normal(2.0, spread, (num_devices, 1))
    probability = floor + (1 - floor) / (1 + np.exp(-(drive - location) / 0.25))
    dims = ("device", "setting")
    count = {"units": "1", "long_name": "count"}
    dataset = xr.Dataset(
        {
            "amplitude": (dims, drive, {"units": "V", "long_name": "pulse amplitude"}),
            "num_trials": (dims, np.full(drive.shape, 200), count),
            "num_switched": (dims, generator.binomial(200, probability), count),
        },
        coords={"device": ("device", [f"d{i}" for i in range(num_devices)], {"long_name": "device"})},
        attrs={"experiment": "pulse_switching"},
    )
    save(dataset, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fit")


@pytest.fixture(scope="module")
def pooled(folder):
    """Equal devices fitted as one: data file, posterior file, result of the command."""
    data = switching_file(folder / "one.nc", 8, spread=0.0)
    posterior = folder / "one-posterior.nc"
    return data, posterior, run("fit", data, *SHORT, "--pool", "complete", "-o", posterior, "--json")


@pytest.fixture(scope="module")
def wafer(folder):
    data = switching_file(folder / "many.nc", 8)
    posterior = folder / "many-posterior.nc"
    return data, posterior, run("fit", data, *SHORT, "--seed", "3", "-o", posterior, "--json")


def test_json_of_one_device(pooled):
    _, path, result = pooled
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found["parameters"]) == {"location", "width", "floor"}
    assert all(set(numbers) == NUMBERS for numbers in found["parameters"].values())
    assert found["population"] == {}
    assert (found["pool"], found["converged"], found["divergences"]) == ("complete", True, 0)
    assert found["units"] == {"location": "V", "width": "V", "floor": "1"}
    assert found["interval"] == "90 % equal-tailed"
    assert found["parameters"] == load_posterior(path).summary()["parameters"]


def test_json_of_a_hierarchy(wafer):
    _, path, result = wafer
    found = json.loads(result.stdout)
    assert found["pool"] == "hierarchical"
    assert set(found["parameters"]["width"]) == {f"d{i}" for i in range(8)}
    assert "pool: hierarchical (chosen for 8 device(s))" in result.stderr
    assert set(found["population"]["location_sd"]) == NUMBERS
    assert result.exit_code == (0 if found["converged"] else 3)
    record = json.loads(load_posterior(path).tree.attrs["provenance"])
    assert record["seed"] == 3
    assert list(record["sources"]) == ["many.nc"]


def test_table_names_units_and_interval(pooled, folder):
    data, _, _ = pooled
    result = run("fit", data, *SHORT, "--pool", "complete", "-o", folder / "table.nc")
    assert result.exit_code == 0
    assert "90 % equal-tailed" in result.stdout
    assert "location (V)" in result.stdout
    assert "converged: largest R-hat" in result.stdout


def test_same_command_same_bytes(pooled, folder):
    data, posterior, _ = pooled
    again = folder / "again.nc"
    run("fit", data, *SHORT, "--pool", "complete", "-o", again, "--json")
    assert again.read_bytes() == posterior.read_bytes()


def test_chains_too_short_leave_with_3(pooled, folder, monkeypatch):
    data, _, _ = pooled
    monkeypatch.setattr("charz.fitting.convergence.MIN_ESS_BULK", 1e6)
    result = run("fit", data, "--draws", "100", "--pool", "complete", "-o", folder / "s.nc", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["converged"] is False
    assert "extended from 100 to 400 draws" in found["remarks"]
    assert any("NOT CONVERGED" in warning for warning in found["warnings"])
    checked = run("check", folder / "s.nc", "--json")
    assert checked.exit_code == 3
    assert any("NOT CONVERGED" in warning for warning in json.loads(checked.stdout)["warnings"])


def test_check_passes_and_writes(wafer):
    _, path, _ = wafer
    result = run("check", path)
    assert result.exit_code == 0, result.output
    written = json.loads(path.with_name("many-posterior-check.json").read_text(encoding="utf-8"))
    assert written["passed"] is True
    assert set(written["loo"]) >= {"elpd", "se", "p_loo", "num_high_k"}
    assert path.with_name("many-posterior-check.png").read_bytes()[:4] == b"\x89PNG"
    assert "describes these data" in result.stdout


def test_check_fails_without_floor(pooled, folder):
    data, _, _ = pooled
    posterior, out, plot = folder / "plain.nc", folder / "verdict.json", folder / "curve.png"
    assert (
        run(
            "fit", data, *SHORT, "--model", "logistic-plain", "--pool", "complete", "-o", posterior, "--json"
        ).exit_code
        == 0
    )
    result = run("check", posterior, "-o", out, "--plot", plot, "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["checks"]["low plateau"]["passed"] is False
    assert found["passed"] is json.loads(out.read_text(encoding="utf-8"))["passed"] is False
    assert plot.is_file()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--model", "weibull"], "model 'weibull' is not known"),
        (["--pool", "some"], "pool 'some' is not known"),
        (["--draws", "50"], "multiple of 100"),
        (["--chains", "1"], "at least 2"),
    ],
)
def test_bad_options_leave_nothing(pooled, folder, arguments, match):
    data, _, _ = pooled
    result = run("fit", data, *arguments, "-o", folder / "bad.nc")
    assert isinstance(result.exception, CharzError)
    assert match in str(result.exception)
    assert not (folder / "bad.nc").exists()


def test_posterior_is_not_data_and_data_no_posterior(pooled, folder):
    data, posterior, _ = pooled
    assert isinstance(run("check", data).exception, CharzError)
    assert isinstance(run("fit", posterior, "-o", folder / "x.nc").exception, CharzError)
    assert load(data).sizes["device"] == 8
