"""Pinched loops in two files a folder, whose conditions stand in the folder's name only."""

import numpy as np
import pytest

import charz
from charz.errors import ReadError, UnitError

FOLDER = "knowm-discovery"
DESCRIPTION = f"{FOLDER}-hysteresis.toml"
NAMES = ("field", "signal", "total_voltage")


@pytest.fixture(scope="module")
def folder(measured_root):
    return measured_root / FOLDER


@pytest.fixture(scope="module")
def dataset(folder, descriptions):
    return charz.read(folder, description=descriptions / DESCRIPTION)


LOOPS = [
    ("M1", 1, ("-0.7563", "0.2105"), ("-26.1", "+119.0"), ("0.0039", "0.0922", "0.5876")),
    ("M1", 10, ("-0.7610", "0.2616"), ("-24.1", "+108.0"), ("0.0035", "0.0176", "0.4249")),
    ("M2", 10, ("-0.7471", "0.2735"), ("-37.5", "+106.9"), ("0.0063", "0.1007", "0.4539")),
    ("M1", 100, ("-0.7607", "0.2401"), ("-69.9", "+111.9"), ("0.0027", "0.3130", "0.4931")),
    ("M1", 1000, ("-0.6514", "0.3535"), ("-52.2", "+92.3"), ("0.0216", "0.1405", "0.2789")),
]


@pytest.mark.parametrize(("device", "frequency", "volts", "microamperes", "conductances"), LOOPS)
def test_each_loop(dataset, printed, device, frequency, volts, microamperes, conductances):
    one = dataset.sel(device=device, cycle=frequency)
    field, signal, total = (one[name].values for name in NAMES)
    assert np.isfinite(signal).sum() == 200
    assert (field.min(), field.max()) == tuple(map(printed, volts))
    assert (signal.min(), signal.max()) == tuple(printed(text, scale=1e-6) for text in microamperes)
    assert ((total - field) / signal).tolist() == [printed("5.000", scale=1e3)] * 200
    far = np.abs(field) > 0.05
    percentiles = np.percentile(signal[far] / field[far], [5, 50, 95])
    assert percentiles.tolist() == [printed(text, scale=1e-3) for text in conductances]
    assert float(one["frequency"]) == frequency


def test_conditions_come_from_the_name_of_the_folder(dataset):
    assert dataset["series_resistance"].values.tolist() == [5000.0, 5000.0]
    assert dataset["drive_amplitude"].values.tolist() == [0.8, 0.8]
    assert dataset["series_resistance"].attrs["units"] == "ohm"
    assert np.isfinite(dataset["signal"].values).any(axis=2).sum() == len(LOOPS)


def test_the_ohm_sign_is_the_greek_letter(folder, descriptions):
    one = charz.read(
        folder / "5k\u03a9_.8V_10Hz_M2" / "Memristor.csv",
        description=descriptions / DESCRIPTION,
        path="{series_resistance}k\u2126_{drive_amplitude}V_{frequency}Hz_{memristor}/Memristor.csv",
    )
    assert one["device"].values.tolist() == ["M2"]
    assert one["series_resistance"].values.tolist() == [5000.0]


@pytest.mark.parametrize("unit", ["A", "mA", "nA"])
def test_a_wrong_unit_breaks_the_check_against_the_known_resistor(folder, descriptions, unit):
    with pytest.raises(
        ReadError, match=r"does not hold .*200 of 200 rows.*a unit or a constant may be wrong"
    ):
        charz.read(
            folder, description=descriptions / DESCRIPTION, units={"signal": unit, "same_current": unit}
        )


def test_the_unit_of_the_current_is_asked_for(folder):
    file = folder / "5k\u03a9_.8V_10Hz_M1" / "Memristor.csv"
    with pytest.raises(UnitError, match="unit of 'signal' is stated nowhere"):
        charz.read(file, "hysteresis", {"field": "@1", "signal": "@2"}, {"field": "V"})


def test_columns_of_a_file_without_header_go_by_number(folder):
    file = folder / "5k\u03a9_.8V_10Hz_M1" / "Memristor.csv"
    with pytest.raises(ReadError, match="the file has no header row"):
        charz.read(file, "hysteresis", {"field": "voltage"}, {"field": "V"})


def test_there_is_no_time(dataset):
    assert set(dataset.data_vars).isdisjoint({"time", "elapsed", "sample_interval"})
    # The record starts at any phase of the sine.
    assert np.abs(dataset["total_voltage"].values[0, :, 0]).min() > 0.05


def test_the_folder_through_the_command_line(folder, convert, dataset):
    converted = convert(folder, DESCRIPTION)
    for name in NAMES:
        np.testing.assert_array_equal(converted[name].values, dataset[name].values)
