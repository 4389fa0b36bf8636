"""`charz inspect`: datasets, files of groups, and raw text."""

import json
import shlex
import sys

import numpy as np
import pytest
import xarray as xr

import charz
from charz.cli.app import main
from charz.store import save_result

TEXT = "# taken at night\nwire,amplitude (mV),n\n" + "".join(
    f"w{w},{v},10\n" for w in (1, 2) for v in (100, 200)
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run `charz inspect` in an empty folder; gives standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(command):
        monkeypatch.setattr(sys, "argv", ["charz", "inspect", *shlex.split(command)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        assert caught.value.code == 0, captured.err
        return captured.out, captured.err

    return call


@pytest.fixture
def dataset(tmp_path):
    """A dataset of three devices, one of them shorter, in data.nc."""
    text = "device,amplitude (V),num_trials,num_switched\n"
    text += "".join(f"w{w},{v},10,{v + w}\n" for w in (1, 2, 3) for v in range(4 - (w == 3)))
    (tmp_path / "data.csv").write_text(text)
    found = charz.read(tmp_path / "data.csv", "pulse_switching", device_family="domain-wall")
    charz.save(found, tmp_path / "data.nc")
    return found


def test_a_dataset(run, dataset):
    out, err = run("data.nc")
    for words in ("3 device, 4 setting", "110 trials at 11 settings", "amplitude", "domain-wall", "w3"):
        assert words in out
    assert err == ""


def test_a_dataset_as_json(run, dataset, tmp_path):
    out, _ = run("data.nc --json -o report.json")
    result = json.loads(out)
    assert (result["type"], result["experiment"]) == ("dataset", "pulse_switching")
    assert result["dims"] == {"device": 3, "setting": 4}
    assert (result["num_devices"], result["num_settings"], result["num_trials"]) == (3, 11, 110)
    assert result["variables"]["amplitude"] == {
        "dims": ["device", "setting"],
        "units": "V",
        "long_name": "pulse amplitude",
        "min": 0.0,
        "max": 3.0,
        "missing": 1,
    }
    assert result["devices"]["w3"]["fraction_max"] == 0.5
    written = json.loads((tmp_path / "report.json").read_text())
    assert written == {key: value for key, value in result.items() if key != "warnings"}


def test_many_devices_are_shortened(run, tmp_path):
    rows = "".join(f"w{w},1,10,1\n" for w in range(60))
    (tmp_path / "many.csv").write_text("device,amplitude (V),num_trials,num_switched\n" + rows)
    charz.save(charz.read(tmp_path / "many.csv", "pulse_switching"), tmp_path / "many.nc")
    assert "and 20 devices more" in run("many.nc")[0]


def test_another_kind(run, tmp_path):
    (tmp_path / "trace.csv").write_text("signal (mV),elapsed (s)\n1,0\n2,1\n")
    charz.save(charz.read(tmp_path / "trace.csv", "telegraph"), tmp_path / "trace.nc")
    assert json.loads(run("trace.nc --json")[0])["variables"]["signal"]["max"] == 2e-3


def test_a_file_of_groups(run, tmp_path):
    posterior = xr.Dataset({"location": (("chain", "draw"), np.zeros((2, 3)), {"units": "V"})})
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"converged": 0, "model": "logistic"}), "posterior": posterior}
    )
    tree.to_netcdf(tmp_path / "fit.nc")
    out, _ = run("fit.nc")
    for words in ("posterior", "location", "chain 2, draw 3", "converged", "logistic"):
        assert words in out
    result = json.loads(run("fit.nc --json")[0])
    assert result["type"] == "tree"
    assert result["groups"]["posterior"]["variables"]["location"] == {"dims": ["chain", "draw"], "units": "V"}
    assert result["attributes"] == {"converged": 0, "model": "logistic"}


def test_a_result_without_groups(run, tmp_path):
    save_result(
        xr.Dataset({"accuracy": ("draw", np.zeros(3))}, attrs={"scheme": "mean-variance"}), tmp_path / "p.nc"
    )
    out, _ = run("p.nc")
    for words in ("p.nc: /", "accuracy", "draw 3", "mean-variance"):
        assert words in out


def test_raw_text(run, tmp_path):
    (tmp_path / "raw.txt").write_text(TEXT)
    out, _ = run("raw.txt")
    for words in ("4 rows, 3 columns", "comma", "amplitude", "mV", "taken at night", "--unit NAME=UNIT"):
        assert words in out
    result = json.loads(run("raw.txt --json")[0])
    assert (result["type"], result["num_rows"]) == ("table", 4)
    assert result["columns"][1] == {
        "source": "@2",
        "name": "amplitude",
        "unit": "mV",
        "first": ["100", "200", "100", "200"],
    }
    assert result["units_missing"] == ["@1", "@3"]
    assert result["dialect"]["header"] == "line 2"
