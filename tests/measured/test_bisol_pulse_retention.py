"""Pulse programming of FIB memristors, and a noise record with an overload sentinel."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import charz
from charz.datachecks import check_data
from charz.description import load_description

FOLDER = "bisol-pulse-retention"
RETENTION = f"{FOLDER}-retention.toml"
TRAIN = f"{FOLDER}-pulse_train.toml"


@pytest.fixture(scope="module")
def folder(measured_root):
    return measured_root / FOLDER


@pytest.fixture(scope="module")
def noise(folder, convert):
    return convert(folder, RETENTION)


@pytest.fixture(scope="module")
def unmasked(folder, descriptions):
    return charz.read(folder, description=replace(load_description(descriptions / RETENTION), mask={}))


@pytest.fixture(scope="module")
def train(folder, descriptions):
    return charz.read(folder, description=descriptions / TRAIN)


def test_sentinels_are_masked_and_counted(noise):
    current, resistance = noise["current"].values[0], noise["resistance"].values[0]
    assert current.size == 10000
    assert np.flatnonzero(np.isnan(current)).tolist() == list(range(5741, 5758))
    assert np.flatnonzero(np.isnan(resistance)).tolist() == list(range(5741, 5758))
    masked = json.loads(noise.attrs["masked"])
    assert {name: entry["count"] for name, entry in masked.items()} == {"current": 17, "resistance": 17}


def test_current_and_resistance_without_sentinels(noise, printed):
    current, resistance = (noise[name].dropna("time").values[0] for name in ("current", "resistance"))
    assert current.mean() == printed("-4.2947", scale=1e-9)
    assert current.std(ddof=1) == printed("0.3329", scale=1e-9)
    assert np.corrcoef(current[:-1], current[1:])[0, 1] == printed("0.9997")
    assert resistance.mean() == printed("23.403", scale=1e6)
    assert resistance.std(ddof=1) == printed("1.541", scale=1e6)
    assert (resistance[:500].mean(), resistance[-500:].mean()) == (
        printed("23.774", scale=1e6),
        printed("23.011", scale=1e6),
    )


def test_samples_inside_the_target_band(noise, printed):
    resistance, low, high = (noise[name].values[0] for name in ("resistance", "target_low", "target_high"))
    assert (set(low), set(high)) == ({23.8e6}, {25.0e6})
    known = np.isfinite(resistance)
    assert ((resistance >= low) & (resistance <= high))[known].mean() == printed("31.5 %")


def test_unmasked_statistics_are_wrong(unmasked, printed):
    current, resistance = unmasked["current"].values[0], unmasked["resistance"].values[0]
    assert current.mean() == printed("-8.4e26")
    # The mean resistance looks harmless.
    assert resistance.mean() == printed("23.363", scale=1e6)
    assert resistance.std(ddof=1) == printed("1.816", scale=1e6)


def test_the_sentinel_is_the_overload_value_times_the_multiplier(unmasked, printed):
    assert unmasked["current"].values[0, 5741] == printed("-4.95e29")
    assert unmasked["resistance"].values[0, 5741] == printed("2.02e-31")
    (line,) = (note for note in unmasked.attrs["notes"] if "Sensitivity multiplier" in note)
    assert float(line.rpartition(" ")[2]) == printed("5e-9", rel=1e-9)
    assert -unmasked["current"].values[0, 5741] == pytest.approx(9.9e37 * 5e-9)


@pytest.mark.parametrize(("which", "check"), [("noise", "masked"), ("unmasked", "sentinels")])
def test_the_data_check_speaks_of_the_sentinels(request, which, check):
    found = [finding for finding in check_data(request.getfixturevalue(which)) if finding.check == check]
    assert found
    assert any("17" in finding.seen for finding in found)


def test_resistance_is_the_read_voltage_over_the_current(noise):
    product = noise["resistance"].values * np.abs(noise["current"].values)
    np.testing.assert_allclose(product[np.isfinite(product)], 0.1, rtol=1e-9)


def test_time_starts_at_one_second_and_runs_at_200_hertz(noise, printed):
    elapsed = noise["elapsed"].values[0]
    assert elapsed[0] == 1.0
    assert 1 / np.diff(elapsed).mean() == printed("200")
    assert elapsed[-1] - elapsed[0] == printed("50")


def test_side_files_and_the_name_become_metadata(noise):
    notes = noise.attrs["notes"]
    assert any(re.search(r"_info\.txt: Sample time \(s\): 0\.005$", note) for note in notes)
    assert any(note.startswith("comments.txt: ") for note in notes)
    assert noise["device"].values.tolist() == ["U8_3_5"]
    assert noise["power_line_cycles"].values.tolist() == [0.2]


def test_names_in_the_header_are_split_from_their_units(noise):
    assert noise["resistance"].attrs["units"] == "ohm"
    assert noise["elapsed"].attrs["units"] == "s"
    assert noise.attrs["unused_columns"] == ["integ_time", "sensitivity"]


@pytest.mark.parametrize(
    ("device", "steps", "volts", "nanosiemens"),
    [
        ("U8_3_5", 37, ("-2.8", "+5.8"), ("12.19", "57.53")),
        ("U8_3_7", 26, ("-0.6", "+7.2"), ("8.38", "48.58")),
    ],
)
def test_programming(train, printed, device, steps, volts, nanosiemens):
    one = train.sel(device=device).isel(cycle=0).dropna("pulse")
    amplitude, conductance = one["amplitude"].values, one["conductance"].values
    assert amplitude.size == steps
    assert (amplitude.min(), amplitude.max()) == tuple(map(printed, volts))
    assert (conductance.min(), conductance.max()) == tuple(printed(text, scale=1e-9) for text in nanosiemens)
    assert set(one["width"].values.tolist()) == {500e-9}
    assert set(one["num_pulses"].values.tolist()) == {1000.0}
    assert set(one["read_voltage"].values.tolist()) == {-0.1}
    # Steps are ordered in time: the amplitude goes up and down.
    assert {-1.0, 1.0} <= set(np.sign(np.diff(amplitude)).tolist())


def test_reads_of_one_step_relax(train, printed):
    first, last = (train[f"current_{number}"].values for number in (0, 4))
    assert np.nanmax(np.abs(last / first - 1)) == printed("49 %")


def test_conductance_is_the_mean_of_five_reads(train):
    reads = np.stack([train[f"current_{number}"].values for number in range(5)])
    expected = (reads / train["read_voltage"].values).mean(axis=0)
    np.testing.assert_allclose(train["conductance"].values, expected)


def test_a_programming_file_through_the_command_line(folder, convert, train):
    one = convert(folder / "FIB3_U8_3_7_low_drift_LP6dB6dBHz_Integ1.0.csv", TRAIN)
    assert one["device"].values.tolist() == ["U8_3_7"]
    assert one.sizes["pulse"] == 26
    expected = train["conductance"].sel(device="U8_3_7").dropna("pulse")
    np.testing.assert_array_equal(one["conductance"].values[0], expected.values)
