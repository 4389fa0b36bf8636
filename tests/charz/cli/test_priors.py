"""`charz priors`: table, file to edit, and plot; all without a fit."""

import json
import tomllib

import pytest
from typer.testing import CliRunner

from charz import read, save
from charz.cli.app import app
from charz.fitting.priors import Prior
from charz.store import load

TEXT = "amplitude (mV),num_trials,num_switched,device\n" + "".join(
    f"{100 * step},50,{10 * step},{name}\n" for name in "abc" for step in range(6)
)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def data(tmp_path):
    (tmp_path / "lab.csv").write_text(TEXT)
    save(read(tmp_path / "lab.csv", "pulse_switching", {"device": "device"}), tmp_path / "data.nc")
    return tmp_path / "data.nc"


def test_json_has_distributions_and_natural_quantiles(data):
    result = run("priors", data, "--model", "logistic", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["model"], found["pool"]) == ("logistic", "hierarchical")
    rows = {row["name"]: row for row in found["priors"]}
    assert set(rows) == {
        "location",
        "log_width",
        "logit_floor",
        "location_sd",
        "log_width_sd",
        "logit_floor_sd",
    }
    assert all(row["q05"] < row["q50"] < row["q95"] for row in rows.values())
    assert rows["location"]["q50"] == pytest.approx(0.25)  # the middle of the sweep, in volts
    assert (rows["log_width"]["unit"], rows["log_width"]["scale_unit"]) == ("V", "ln(V)")
    assert not any(row["from_file"] for row in rows.values())


def test_table_names_what_comes_from_where(data, tmp_path):
    (tmp_path / "mine.toml").write_text('[priors.location]\nfamily="normal"\nmean=300\nsd=10\nunit="mV"\n')
    result = run(
        "priors", data, "--model", "logistic", "--pool", "complete", "--priors", tmp_path / "mine.toml"
    )
    (location,) = [line for line in result.stdout.splitlines() if "│ location" in line]
    cells = [cell.strip() for cell in location.split("│")[1:-1]]
    assert cells == [
        "location",
        "centre of the curve",
        "normal(0.3, 0.01) V",
        "0.2836",
        "0.3",
        "0.3164",
        "V",
        "file",
    ]
    (width,) = [line for line in result.stdout.splitlines() if "│ log_width" in line]
    assert width.split("│")[-2].strip() == "default"
    assert "location_sd" not in result.stdout


def test_written_file_is_read_back(data, tmp_path):
    written, again = tmp_path / "priors.toml", tmp_path / "again.toml"
    assert run("priors", data, "--model", "logistic", "--toml", written).exit_code == 0
    assert set(tomllib.loads(written.read_text())["priors"]) >= {"location", "log_width_sd"}
    result = run("priors", data, "--model", "logistic", "--priors", written, "--toml", again, "--json")
    found = json.loads(result.stdout)
    assert all(row["from_file"] for row in found["priors"])
    first, second = (tomllib.loads(path.read_text())["priors"] for path in (written, again))
    for name, section in first.items():
        assert second[name].keys() == section.keys()
        for key, value in section.items():
            assert second[name][key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-12))


def test_plot_without_a_fit(data, tmp_path):
    result = run("priors", data, "--model", "logistic", "--plot", tmp_path / "look.png", "--json")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "look.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads(result.stdout)["plot"].endswith("look.png")


def test_priors_of_a_dataset_in_python(data):
    from charz.fitting.prior_table import priors_for

    assert priors_for(load(data), "logistic", "complete")["location"] == Prior("normal", (0.25, 0.5), "V")
