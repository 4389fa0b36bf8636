import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from charz.cli.app import app
from charz.cli.fitted import fit_result, say_result
from charz.cli.output import Report
from charz.errors import CharzError
from charz.fitting import load_posterior
from charz.store import load, save

NUMBERS = {"mean", "sd", "q05", "q95", "rhat", "ess_bulk", "identified"}
SHORT = ["--draws", "500"]
LOGISTIC = ["--model", "logistic", *SHORT]


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
    return data, posterior, run("fit", data, *LOGISTIC, "--pool", "complete", "-o", posterior, "--json")


@pytest.fixture(scope="module")
def wafer(folder):
    data = switching_file(folder / "many.nc", 8)
    posterior = folder / "many-posterior.nc"
    return data, posterior, run("fit", data, *LOGISTIC, "--seed", "3", "-o", posterior, "--json")


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
    expected = load_posterior(path).summary()["parameters"]
    assert {n: row | {"identified": True} for n, row in expected.items()} == found["parameters"]
    assert found["sampler"] == "NUTS, double precision"


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
    result = run("fit", data, *LOGISTIC, "--pool", "complete", "-o", folder / "table.nc")
    assert result.exit_code == 0
    assert "90 % equal-tailed" in result.stdout
    assert "location (V)" in result.stdout
    assert "sampler: NUTS, double precision" in result.stdout
    assert "converged: largest R-hat" in result.stdout


def test_same_command_same_bytes(pooled, folder):
    data, posterior, _ = pooled
    again = folder / "again.nc"
    run("fit", data, *LOGISTIC, "--pool", "complete", "-o", again, "--json")
    assert again.read_bytes() == posterior.read_bytes()


def test_chains_too_short_leave_with_3(pooled, folder, monkeypatch):
    data, _, _ = pooled
    monkeypatch.setattr("charz.fitting.convergence.MIN_ESS_BULK", 1e6)
    result = run(
        "fit",
        data,
        "--model",
        "logistic",
        "--draws",
        "100",
        "--pool",
        "complete",
        "-o",
        folder / "s.nc",
        "--json",
    )
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
    assert written["loo"]["one_observation"] == "one setting of one device"
    assert written["loo"]["num_observations"] == 88
    for name in ("many-posterior-check.png", "many-posterior-check-statistics.png"):
        assert path.with_name(name).read_bytes()[:4] == b"\x89PNG"
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
        (["--model", "logistik"], r"model 'logistik' is not known \(did you mean 'logistic'\?\)"),
        (["--method", "guess"], "method 'guess' is not known; choose one of auto, nuts, marginal, laplace"),
        (["--pool", "some"], "pool 'some' is not known"),
        (["--draws", "50"], "multiple of 100"),
        (["--chains", "1"], "at least 2"),
    ],
)
def test_bad_options_leave_nothing(pooled, folder, arguments, match):
    data, _, _ = pooled
    result = run("fit", data, "--model", "logistic", *arguments, "-o", folder / "bad.nc")
    assert isinstance(result.exception, CharzError)
    assert re.search(match, str(result.exception))
    assert not (folder / "bad.nc").exists()


def test_posterior_is_not_data_and_data_no_posterior(pooled, folder):
    data, posterior, _ = pooled
    assert isinstance(run("check", data).exception, CharzError)
    assert isinstance(
        run("fit", posterior, "--model", "logistic", "-o", folder / "x.nc").exception, CharzError
    )
    assert load(data).sizes["device"] == 8


def test_without_a_model_the_suitable_ones_are_listed(pooled, folder):
    data, _, _ = pooled
    result = run("fit", data, "-o", folder / "untouched.nc")
    assert result.exit_code == 0
    assert "logistic-asymptotes" in result.stdout
    assert "location (V)" in result.stdout
    assert "nothing was fitted; choose one, for example --model logistic" in result.stdout
    assert not (folder / "untouched.nc").exists()
    found = json.loads(run("fit", data, "--json").stdout)
    assert found["experiment"] == "pulse_switching"
    models = {model["name"]: model for model in found["models"]}
    assert "thermal" in models
    assert [row["name"] for row in models["logistic"]["parameters"]] == ["location", "width", "floor"]
    assert models["logistic"]["parameters"][1] == {
        "name": "width",
        "unit": "V",
        "meaning": "logistic scale",
        "shared": False,
    }


def test_model_without_a_file_for_the_posterior(pooled):
    result = run("fit", pooled[0], "--model", "logistic")
    assert isinstance(result.exception, CharzError)
    assert "--model logistic needs -o POSTERIOR.nc" in str(result.exception)


def test_priors_from_a_file_decide_where_they_are_narrow(pooled, folder):
    data, _, _ = pooled
    file, out = folder / "narrow.toml", folder / "narrow.nc"
    # Eight wires at 2 V are known to about 6 mV; a prior of 1 mV at 1.9 V overrules them.
    file.write_text('[priors.location]\nfamily = "normal"\nmean = 1900\nsd = 1\nunit = "mV"\n')
    result = run("fit", data, *LOGISTIC, "--pool", "complete", "--priors", file, "-o", out, "--json")
    found = json.loads(result.stdout)
    assert abs(found["parameters"]["location"]["mean"] - 1.9) < 0.02
    assert {"name": "location", "distribution": "normal(1.9, 0.001)", "unit": "V"} in found["priors"]
    record = json.loads(load_posterior(out).tree.attrs["provenance"])
    assert set(record["sources"]) == {"one.nc", "narrow.toml"}


def test_laplace_where_it_holds(pooled, folder):
    data, _, sampled = pooled
    options = ["--method", "laplace", "--pool", "complete", "-o", folder / "laplace.nc", "--json"]
    result = run("fit", data, *LOGISTIC, *options)
    assert result.exit_code == 0, result.output
    found, reference = json.loads(result.stdout), json.loads(sampled.stdout)
    assert "Laplace" in found["sampler"]
    for name, row in reference["parameters"].items():
        assert abs(found["parameters"][name]["mean"] - row["mean"]) < 0.3 * row["sd"]


WARNING = {
    "check": "pulse_events",
    "where": "d0",
    "seen": "2 settings",
    "meaning": "width hardly known",
    "severity": "warning",
}
NOTE = WARNING | {"check": "duplicates", "severity": "note"}


def remarked(posterior, folder, monkeypatch):
    """The same posterior with remarks, a finding of the data checks, and one parameter not identified."""
    loaded = load_posterior(posterior)
    loaded.tree.attrs["data_remarks"] = "two settings left out\none width not known"
    loaded.tree.attrs["data_checks"] = json.dumps([WARNING, NOTE])
    loaded.save(folder / "remarked.nc")
    found = {
        "width": SimpleNamespace(identified=False, statement="only an upper bound: width < 3 V (95 %)"),
        "location": SimpleNamespace(identified=True, statement=""),
    }
    monkeypatch.setattr("charz.fitting.identification.identification", lambda posterior: found)
    return load_posterior(folder / "remarked.nc")


def test_limits_are_stated_with_the_result(pooled, folder, monkeypatch, capsys):
    posterior = remarked(pooled[1], folder, monkeypatch)
    say_result(Report(False), posterior, folder / "remarked.nc")
    said = capsys.readouterr()
    assert "data: two settings left out\n" in said.out
    assert "warning: data check, pulse events: d0: 2 settings; width hardly known\n" in said.err
    assert "duplicates" not in said.err
    assert "warning: width: only an upper bound: width < 3 V (95 %)\n" in said.err
    (row,) = [line for line in said.out.splitlines() if "width (V)" in line]
    assert [cell.strip() for cell in row.split("│")[2:4]] == ["not identified", ""]
    (row,) = [line for line in said.out.splitlines() if "location (V)" in line]
    assert "not identified" not in row


def test_json_keeps_numbers_of_what_is_not_identified(pooled, folder, monkeypatch):
    result = fit_result(remarked(pooled[1], folder, monkeypatch), folder / "remarked.nc")
    width = result["parameters"]["width"]
    assert width["identified"] is False
    assert width["statement"].startswith("only an upper bound")
    assert width["mean"] > 0
    assert result["parameters"]["location"]["identified"] is True
    assert result["data_remarks"] == ["two settings left out", "one width not known"]
    assert result["data_checks"] == [WARNING, NOTE]


def test_typical_value_stands_for_population_and_devices(wafer, monkeypatch, capsys):
    found = {"floor": SimpleNamespace(identified=False, statement="not identified: as wide as the prior")}
    monkeypatch.setattr("charz.fitting.identification.identification", lambda posterior: found)
    posterior = load_posterior(wafer[1])
    say_result(Report(False), posterior, wafer[1])
    said = capsys.readouterr()
    marked = [line for line in said.out.splitlines() if "not identified" in line]
    assert len(marked) == 7  # the centre of the population, and the six devices that are shown
    assert "logit_floor_mean" in marked[0]
    assert said.err.count("floor: not identified: as wide as the prior") == 1
    numbers = fit_result(posterior, wafer[1])
    assert numbers["population"]["logit_floor_mean"]["identified"] is False
    assert numbers["population"]["logit_floor_sd"]["identified"] is True
    assert not any(row["identified"] for row in numbers["parameters"]["floor"].values())
    assert all(row["identified"] for row in numbers["parameters"]["location"].values())


def test_only_one_device_is_not_identified(wafer, monkeypatch):
    found = {"width[d1]": SimpleNamespace(identified=False, statement="not identified")}
    monkeypatch.setattr("charz.fitting.identification.identification", lambda posterior: found)
    width = fit_result(load_posterior(wafer[1]), wafer[1])["parameters"]["width"]
    assert [device for device, row in width.items() if not row["identified"]] == ["d1"]


def test_check_repeats_the_limits(pooled, folder, monkeypatch):
    remarked(pooled[1], folder, monkeypatch)
    result = run("check", folder / "remarked.nc", "--json")
    assert any("data check, pulse events" in text for text in json.loads(result.stdout)["warnings"])
    assert "data: one width not known" in result.stderr
