import csv

import jax
import numpy as np
import pytest

import charz
from charz.datasets import simulate_wires, wires_dataset, write_lab_csv
from charz.errors import CharzError
from charz.schema import validate


@pytest.fixture(scope="module")
def wires():
    return simulate_wires(jax.random.key(7), num_wires=4, num_settings=5, num_trials=30)


def test_defaults_are_the_documented_measurement():
    wires = simulate_wires(jax.random.key(0))
    assert wires.num_passed.shape == (24, 13)
    assert wires.num_passed.dtype == np.int64
    assert wires.num_trials == 100
    assert (wires.amplitude[0], wires.amplitude[6], wires.amplitude[-1]) == (2.6317, 4.6317, 6.6317)
    assert wires.law.location.shape == (24,)
    assert wires.wire_names[0] == "wire-01"
    assert wires.wire_names[-1] == "wire-24"
    assert [float(sd) for sd in wires.population[1::2]] == pytest.approx([0.2, 0.15, 0.5])


def test_key_decides_everything(wires):
    again = simulate_wires(jax.random.key(7), num_wires=4, num_settings=5, num_trials=30)
    other = simulate_wires(jax.random.key(8), num_wires=4, num_settings=5, num_trials=30)
    np.testing.assert_array_equal(wires.num_passed, again.num_passed)
    assert not np.array_equal(wires.num_passed, other.num_passed)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"num_wires": 0}, "num_wires is 0; a measurement needs at least 1"),
        ({"num_settings": 0}, "num_settings is 0"),
        ({"num_trials": -1}, "num_trials is -1"),
        ({"location_sd": -0.1}, r"location_sd is -0\.1; a standard deviation is zero"),
        ({"log_width_sd": float("nan")}, "log_width_sd is nan"),
        ({"logit_floor_sd": float("inf")}, "logit_floor_sd is inf"),
        ({"span": 0.0}, r"span is 0\.0; half the width of a sweep must be above zero"),
    ],
)
def test_impossible_measurement(argument, message):
    with pytest.raises(CharzError, match=message):
        simulate_wires(jax.random.key(0), **argument)


def test_dataset_fulfils_the_contract(wires):
    dataset = validate(wires_dataset(wires))
    assert dataset["num_switched"].dims == ("device", "setting")
    assert dataset["amplitude"].attrs == {"units": "arb", "long_name": "control variable w"}
    assert dataset["num_switched"].dtype == dataset["num_trials"].dtype == np.int64
    assert dataset["device"].values.tolist() == ["wire-01", "wire-02", "wire-03", "wire-04"]
    assert dataset.attrs["simulated"].startswith("true")
    np.testing.assert_array_equal(dataset["num_switched"], wires.num_passed)
    np.testing.assert_array_equal(dataset["amplitude"][2], wires.amplitude)


def test_dataset_survives_netcdf(wires, tmp_path):
    import xarray as xr

    dataset = wires_dataset(wires)
    dataset.to_netcdf(tmp_path / "wires.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "wires.nc", engine="netcdf4") as loaded:
        xr.testing.assert_identical(loaded.load(), dataset)


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_csv_holds_the_counts(wires, tmp_path, delimiter):
    path = write_lab_csv(tmp_path / "wires.csv", wires, delimiter=delimiter)
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf# SIMULATED")
    assert content.endswith(b"\r\n")
    lines = content.decode("utf-8-sig").splitlines()
    body = [line for line in lines if not line.startswith("#")]
    rows = list(csv.reader(body, delimiter=delimiter))
    assert rows[0] == ["wire", "control_w", "num_trials", "num_passed"]
    table = [row for row in rows[1:] if len(row) == 4]
    assert len(table) == 4 * 5
    assert [row[0] for row in table[::5]] == wires.wire_names
    np.testing.assert_array_equal(np.reshape([int(row[3]) for row in table], (4, 5)), wires.num_passed)
    np.testing.assert_array_equal([float(row[1]) for row in table[:5]], wires.amplitude)
    assert {row[2] for row in table} == {"30"}


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_csv_is_read_as_the_dataset(wires, tmp_path, delimiter):
    path = write_lab_csv(tmp_path / "wires.csv", wires, delimiter=delimiter)
    columns = {"device": "wire", "amplitude": "control_w", "num_switched": "num_passed"}
    loaded = charz.read(path, "pulse_switching", columns, {"amplitude": "arb"})
    expected = wires_dataset(wires)
    for name in ("amplitude", "num_trials", "num_switched", "device"):
        np.testing.assert_array_equal(loaded[name], expected[name])
    assert loaded["amplitude"].attrs["units"] == "arb"
    # the reader keeps comments and footer, so that the label travels with the data
    assert "simulated" in " ".join(loaded.attrs["source_metadata"]).lower()


def test_csv_says_simulated_above_and_below_the_table(wires, tmp_path):
    lines = write_lab_csv(tmp_path / "wires.csv", wires).read_text("utf-8-sig").splitlines()
    footer = dict(line.split(";") for line in lines[-6:])
    assert footer["simulated"] == "yes"
    assert "not published" in footer["spread between wires"]
    assert footer["location"] == "normal with sd 0.2 arb"
    assert footer["width"] == "log-normal with sd 0.15"
    assert footer["floor"] == "logit-normal with sd 0.5"
    assert any(line.startswith("#") and "SIMULATED" in line for line in lines[:3])
    assert any("unit of control_w: arb" in line for line in lines[:3])


def test_csv_bytes_are_deterministic(wires, tmp_path):
    first = write_lab_csv(tmp_path / "a.csv", wires).read_bytes()
    again = simulate_wires(jax.random.key(7), num_wires=4, num_settings=5, num_trials=30)
    assert write_lab_csv(tmp_path / "b.csv", again).read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_csv_delimiter(wires, tmp_path):
    with pytest.raises(CharzError, match=r"delimiter is '\|'; choose ';', ',' or a tab"):
        write_lab_csv(tmp_path / "wires.csv", wires, delimiter="|")
    assert not list(tmp_path.iterdir())


def test_csv_needs_its_folder(wires, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        write_lab_csv(tmp_path / "nowhere" / "wires.csv", wires)
