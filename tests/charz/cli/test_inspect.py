"""`charz inspect`: datasets, files of groups, and raw text."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import openpyxl
import pytest
import xarray as xr

import charz
import charz.kinds
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


def make(kind, variables, **attrs):
    """A valid dataset from arrays; volts, amperes and seconds as the kind has them first."""
    table = charz.kinds.KINDS[kind]
    data = {}
    for name, values in variables.items():
        variable = table.variable(name)
        data[name] = (
            variable.dims,
            np.asarray(values),
            {"units": variable.units[0], "long_name": variable.long_name},
        )
    devices = next(iter(data.values()))[1].shape[0]
    coords = {"device": [f"d{index}" for index in range(devices)]}
    return xr.Dataset(data, coords, {"experiment": kind, **attrs})


@pytest.fixture
def ramps(tmp_path):
    """Thresholds of ten devices that drift, some of them right-censored, in ramps.nc."""
    rng = np.random.default_rng(5)
    threshold = 1 + 0.1 * rng.standard_normal((10, 60)) + np.linspace(0, 0.3, 60)
    censored = np.where(threshold > 1.4, 2, 0)
    censored[:, 0] = 1
    found = make("ramp_switching", {"threshold": np.minimum(threshold, 1.4), "censored": censored})
    charz.save(found, tmp_path / "ramps.nc")
    return found


def test_statistics_lines_and_checks(run, ramps):
    out, err = run("ramps.nc")
    for words in (
        "10 left",
        "right, 0 interval",
        "median",
        "and 2 devices more",
        "warnings",
        "drift",
        "cycle-to-cycle",
    ):
        assert words in out
    lines = [line for line in out.splitlines() if line.startswith(tuple(f"d{index} " for index in range(8)))]
    assert len(lines) == 8
    assert all("█" in line and len(line) <= 132 for line in lines)
    assert err == ""


def test_statistics_and_checks_as_json(run, ramps):
    result = json.loads(run("ramps.nc --json")[0])
    assert (result["num_devices"], result["num_cycles"]) == (10, 60)
    flags, values = ramps["censored"].values, ramps["threshold"].values
    assert result["censored"] == {
        "none": int((flags == 0).sum()), "left": 10, "right": int((flags == 2).sum()), "interval": 0,
    }  # fmt: skip
    found = result["statistics"]
    assert (found["variable"], found["units"], found["all"]["num"]) == ("threshold", "V", 600)
    for entry, reference in ((found["all"], values.ravel()), (found["devices"]["d3"], values[3])):
        assert entry["mean"] == pytest.approx(reference.mean())
        assert entry["sd"] == pytest.approx(reference.std(ddof=1))
        assert entry["median"] == pytest.approx(np.median(reference))
        assert (entry["min"], entry["max"]) == (reference.min(), reference.max())
    drift = next(finding for finding in result["checks"] if finding["check"] == "drift")
    assert set(drift) == {"check", "where", "seen", "meaning", "severity"}
    assert drift["severity"] == "warning"


def test_clean_data_are_said_to_be_clean(run, tmp_path):
    rng = np.random.default_rng(1)
    charz.save(
        make("ramp_switching", {"threshold": 1 + 0.1 * rng.standard_normal((4, 60))}), tmp_path / "clean.nc"
    )
    assert "nothing was found" in run("clean.nc")[0]


@pytest.mark.parametrize(
    ("kind", "variables", "counts"),
    [
        ("telegraph", {"signal": np.tile([0.0, 1.0, 0.5], (2, 40))}, {"num_samples": 120}),
        ("pulse_train", {"conductance": np.ones((2, 3, 20)) * 1e-6}, {"num_cycles": 3, "num_pulses": 20}),
        (
            "iv_sweep",
            {"voltage": np.ones((2, 3, 9)), "current": np.full((2, 3, 9), np.nan)},
            {"num_cycles": 3, "num_points": 9},
        ),
        (
            "retention",
            {"elapsed": np.tile(np.arange(9.0), (2, 1)), "resistance": np.ones((2, 9))},
            {"num_samples": 9},
        ),
    ],
)
def test_every_kind_is_shown(run, tmp_path, kind, variables, counts):
    charz.save(make(kind, variables), tmp_path / "data.nc")
    out, _ = run("data.nc")
    assert "d1 " in out
    result = json.loads(run("data.nc --json --plot data.png")[0])
    assert {key: result[key] for key in counts} == counts
    assert result["plot"] == "data.png"
    assert (tmp_path / "data.png").read_bytes().startswith(b"\x89PNG")


def test_a_kind_without_devices(run, tmp_path):
    voltage = np.random.default_rng(0).uniform(size=(50, 2))
    data = {
        "voltage": (("sample", "electrode"), voltage, {"units": "V", "long_name": "control voltage"}),
        "current": ("sample", voltage[:, 0] * 1e-9, {"units": "A", "long_name": "output current"}),
    }
    charz.save(xr.Dataset(data, attrs={"experiment": "transfer"}), tmp_path / "transfer.nc")
    assert "current (A)" in run("transfer.nc")[0]
    result = json.loads(run("transfer.nc --json")[0])
    assert (result["num_samples"], result["num_electrodes"], result["statistics"]["all"]["num"]) == (
        50,
        2,
        50,
    )


def refused(monkeypatch, capsys, command):
    """Message of a command that must leave with exit code 2 and one line."""
    monkeypatch.setattr(sys, "argv", ["charz", "inspect", *shlex.split(command)])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1)
    return captured.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("data.nc --plot data.nc", "also an input"),
        ("data.nc --plot nowhere/a.png", "does not exist"),
        ("data.nc -o same --plot ./same", "give each its own name"),
        ("data.csv --plot a.png", "no dataset of charz"),
    ],
)
def test_plots_that_cannot_be(monkeypatch, capsys, tmp_path, dataset, options, words):
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert words in refused(monkeypatch, capsys, options)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_dataset_that_breaks_its_contract(monkeypatch, capsys, tmp_path, dataset):
    monkeypatch.chdir(tmp_path)
    dataset["num_switched"] = dataset["num_switched"] + 100
    dataset["num_switched"].attrs = {"units": "1", "long_name": "n"}
    dataset.to_netcdf(tmp_path / "broken.nc")
    message = refused(monkeypatch, capsys, "broken.nc")
    assert "broken.nc: pulse_switching: num_switched = 101 at device w1" in message


def test_a_dataset_with_damaged_values(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(4).standard_normal((1, 50_000))
    charz.save(make("telegraph", {"signal": noise}), tmp_path / "damaged.nc")
    content = bytearray((tmp_path / "damaged.nc").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    (tmp_path / "damaged.nc").write_bytes(content)
    assert "damaged.nc: not an HDF5 file that can be read" in refused(monkeypatch, capsys, "damaged.nc")


def test_large_variables_are_read_in_blocks(run, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    found = make("telegraph", {"signal": rng.standard_normal((3, 10_007))})
    found["signal"].values[1, 9_000:] = np.nan
    encoding = {"signal": {"zlib": True, "chunksizes": (2, 333)}}
    found.to_netcdf(tmp_path / "large.nc", engine="netcdf4", encoding=encoding)
    monkeypatch.setattr("charz.cli.inspect._BLOCK", 1000)
    result = json.loads(run("large.nc --json")[0])
    values = found["signal"].values
    assert result["variables"]["signal"]["missing"] == 1_007
    assert result["variables"]["signal"]["min"] == np.nanmin(values)
    assert result["statistics"]["devices"]["d1"]["mean"] == pytest.approx(np.nanmean(values[1]))
    assert result["statistics"]["all"]["median"] == pytest.approx(np.nanmedian(values))


def test_terminals_without_blocks(tmp_path, ramps):
    command = [
        sys.executable,
        "-c",
        "from charz.cli import main; main()",
        "inspect",
        str(tmp_path / "ramps.nc"),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.decode("ascii").splitlines() if line.startswith("d3 ")]
    assert "#" in line


def test_foreign_netcdf_is_a_laboratory_file(run, tmp_path):
    foreign = xr.Dataset(
        {"current": ("gate", np.arange(4.0), {"units": "A"})}, {"gate": ("gate", np.arange(4) / 10)}
    )
    foreign.to_netcdf(tmp_path / "qcodes.nc")
    result = json.loads(run("qcodes.nc --json")[0])
    assert (result["type"], result["num_rows"]) == ("table", 4)
    current = next(column for column in result["columns"] if column["name"] == "current")
    assert (current["unit"], current["first"][1]) == ("A", "1")


@pytest.fixture
def workbook(tmp_path):
    """Eight sheets of two columns in runs.xlsx; one number of the first sheet is text."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for run_number in range(8):
        sheet = book.create_sheet(f"Run{run_number}")
        sheet.append(["AV (V)", "AI"])
        for row in range(7):
            sheet.append([row / 10, str(row / 1000) if run_number == 0 and row == 3 else row / 1000])
    book.save(tmp_path / "runs.xlsx")


def test_several_tables(run, workbook):
    out, err = run("runs.xlsx")
    for words in ("Run0", "Run5", "7 rows, 2 columns", "and 2 tables more"):
        assert words in out
    assert "Run6" not in out
    assert "warning: Run0" in err
    result = json.loads(run("runs.xlsx --json")[0])
    assert (result["type"], result["num_tables"], len(result["tables"])) == ("tables", 8, 8)
    last = result["tables"][7]
    assert (last["name"], last["num_rows"], last["units_missing"]) == ("Run7", 7, ["@2"])
    assert last["columns"][0]["unit"] == "V"
    assert len(last["columns"][0]["first"]) == 5
    assert result["tables"][0]["remarks"]
    assert any("Run0" in warning for warning in result["warnings"])
