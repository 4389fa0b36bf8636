"""Oscilloscope records of a memristor in series with a resistor that no file states."""

import numpy as np
import pytest

import charz
from charz.errors import ReadError, SchemaError
from charz.extract import extract

FOLDER = "sdc-scope-keysight"
LOOPS = f"{FOLDER}-hysteresis.toml"
READS = f"{FOLDER}-hysteresis-reads.toml"


@pytest.fixture(scope="module")
def folder(measured_root):
    return measured_root / FOLDER


@pytest.fixture(scope="module")
def loops(folder, descriptions):
    return charz.read(folder, description=descriptions / LOOPS)


@pytest.fixture(scope="module")
def reads(folder, descriptions):
    return charz.read(folder, description=descriptions / READS)


FILES = [
    ("triangle150m150m1ko1", "6.25e-6", "1000", ("-0.0342", "+0.0467"), ("-0.1530", "+0.1486"), "0.2531", "0.978"),
    ("long_meas_0", "0.5e-3", "25", ("-0.0379", "+0.0081"), ("-0.0615", "+0.0402"), "0.4365", "0.995"),
    ("long_meas_1", "0.5e-3", "25", ("-0.0092", "-0.0055"), ("-0.0544", "+0.0457"), "0.0204", "0.793"),
    ("long_meas_30", "0.5e-3", "25", ("-0.0085", "-0.0058"), ("-0.0544", "+0.0457"), "0.0098", "0.463"),
    ("long_meas_59", "0.5e-3", "25", ("-0.0151", "+0.00004"), ("-0.0549", "+0.0453"), "0.1380", "0.996"),
]  # fmt: skip


@pytest.mark.parametrize(("device", "step", "frequency", "shunt", "drive", "slope", "r_squared"), FILES)
def test_each_record(loops, printed, device, step, frequency, shunt, drive, slope, r_squared):
    one = loops.sel(device=device).isel(cycle=0)
    signal, field, time = (one[name].values for name in ("signal", "field", "time"))
    assert signal.size == 16000
    assert np.isfinite(signal).all()
    assert (signal.min(), signal.max()) == tuple(map(printed, shunt))
    assert (field.min(), field.max()) == tuple(map(printed, drive))
    assert np.diff(time).mean() == printed(step)
    assert float(one["slope"]) == printed(slope)
    assert float(one["r_squared"]) == printed(r_squared)
    spectrum = np.abs(np.fft.rfft(field - field.mean()))
    assert np.argmax(spectrum) / (time.size * np.diff(time).mean()) == printed(frequency)


def test_both_header_rows_are_read(loops):
    units = {name: loops[name].attrs["units"] for name in ("field", "signal", "time", "slope")}
    assert units == {"field": "V", "signal": "V", "time": "s", "slope": "1"}


def test_times_before_the_trigger_stay_negative(loops, printed):
    first = loops["time"].values[:, 0, 0].tolist()
    assert first == [printed("-4.0000000")] * 4 + [printed("-50.000000E-03")]


@pytest.mark.parametrize("device", ["long_meas_1", "long_meas_30", "long_meas_59"])
def test_a_read_takes_eight_seconds_and_has_an_offset(loops, printed, device):
    one = loops.sel(device=device).isel(cycle=0)
    time = one["time"].values
    assert time[-1] - time[0] == printed("8", rel=1e-3)
    offset = one["signal"].mean() - one["slope"] * one["field"].mean()
    assert float(offset) == printed("-7", scale=1e-3)


def test_a_low_r_squared_is_quantisation(loops):
    assert np.unique(loops["signal"].sel(device="long_meas_1").values).size == 38


def test_drift_is_not_monotonic(loops):
    first, middle, last = (loops["slope"].sel(device=f"long_meas_{number}").item() for number in (1, 30, 59))
    assert middle < first < last


def test_which_channel_is_the_drive_is_asked_for(folder):
    with pytest.raises(ReadError, match=r"hysteresis needs 'field' .*--column field=SOURCE"):
        charz.read(folder / "long_meas_1.csv", "hysteresis")


def test_without_the_series_resistor_there_is_no_conductance(loops, reads):
    assert "conductance" not in loops
    with pytest.raises(SchemaError, match="needs series_resistance too"):
        extract(reads, "slope", interval="60 s")


def test_the_reads_are_a_retention_curve_once_the_resistor_is_said(reads, loops):
    result = extract(reads, "slope", series_resistance="5 kohm", interval="60 s")
    assert result.attrs["experiment"] == "retention"
    # Reads 1, 30 and 59 of a series of one a minute; the programming (record 0) is no point of it.
    assert result["elapsed"].values.tolist() == [[0, 29 * 60, 58 * 60]]
    slope = result["slope"].values[0]
    np.testing.assert_allclose(result["conductance"].values[0] * 5e3, slope / (1 - slope))
    whole = loops["slope"].sel(device=["long_meas_1", "long_meas_30", "long_meas_59"]).values[:, 0]
    np.testing.assert_allclose(slope, whole, rtol=0.03)


def test_only_first_halves_are_compared(reads):
    assert reads["cycle"].values.tolist() == [1, 30, 59]
    assert (reads.sizes["point"], reads.attrs["num_rows_read"]) == (8000, 48000)
    assert reads["time"].values.max() < 0


def test_one_file_through_the_command_line(folder, convert, printed):
    one = convert(folder / "long_meas_59.csv", LOOPS)
    assert one["slope"].values.item() == printed("0.1380")
    assert one["r_squared"].values.item() == printed("0.996")
