"""Nb:SrTiO3 junctions: sweeps in three layouts, pulse trains in three more, and two programmes that are no data."""

from dataclasses import replace

import numpy as np
import pytest

import charz
from charz.datachecks import check_data
from charz.description import load_description
from charz.errors import ReadError
from charz.extract import extract

FOLDER = "nbsto-groningen"
PROGRAMMES = ("Sp1V_RSm2V_R300mV.txt", "Sp1V_RSm2V_Rm500mV.txt")


@pytest.fixture(scope="module")
def folder(measured_root):
    return measured_root / FOLDER


@pytest.fixture(scope="module")
def described(descriptions):
    return lambda name: descriptions / f"{FOLDER}-{name}.toml"


@pytest.fixture(scope="module")
def sweeps(folder, described):
    return charz.read(folder / "radius-10um", description=described("iv_sweep"))


@pytest.fixture(scope="module")
def small(folder, described):
    return charz.read(folder / "iv-small", description=described("iv_sweep-small"))


@pytest.fixture(scope="module")
def old(folder, convert):
    return convert(folder / "old-device" / "p1V_m4V.dat", f"{FOLDER}-iv_sweep-old-device.toml")


@pytest.fixture(scope="module")
def hold(folder, described):
    return charz.read(folder / "pulses", description=described("pulse_train-hold"))


@pytest.fixture(scope="module")
def wide(folder, described):
    return charz.read(folder / "pulses", description=described("pulse_train-m4V"))


@pytest.fixture(scope="module")
def train(folder, described):
    return charz.read(folder / "pulses", description=described("pulse_train-processed"))


def power(number, values):
    """Slope of ln values against ln number."""
    return np.polyfit(np.log(number), np.log(values), 1)[0]


SWEEPS = [
    ("DG01_3A", 35, 601, "-2", "1.034e-6", "6.226e-6"),
    ("DG01_3A", 36, 801, "-3", "3.442e-7", "4.799e-6"),
    ("DG01_3A", 37, 1001, "-4", "5.942e-8", "2.628e-6"),
    ("DG01_3C", 42, 1001, "-4", "5.896e-8", "5.316e-6"),
    ("DG01_3D", 47, 1001, "-4", "3.808e-8", "3.088e-6"),
]


@pytest.mark.parametrize(("device", "cycle", "points", "end", "first", "second"), SWEEPS)
def test_sweeps_of_2020(sweeps, printed, device, cycle, points, end, first, second):
    one = sweeps.sel(device=device, cycle=cycle)
    voltage = one["voltage"].dropna("point").values
    assert voltage.size == points
    assert voltage.min() == printed(end)
    assert voltage.max() == printed("+1")
    # 0 V is not exact, and the sweep goes up first.
    assert 0 < voltage[0] < 2e-6
    assert voltage[50] > voltage[0]
    assert float(one["negative_end"]) == float(end)
    assert float(sweeps["radius"].sel(device=device)) == 10e-6
    reads = extract(sweeps, "conductance_at", read_voltage="0.3 V", interpolate=False)
    current = reads["current"].sel(device=device, cycle=cycle).values
    assert current.tolist() == [printed(first), printed(second)]
    assert reads["direction"].sel(device=device, cycle=cycle).values.tolist() == [1, -1]


def test_nothing_but_the_five_sweeps_is_in_the_cube(sweeps):
    assert np.isfinite(sweeps["current"].values).any(axis=2).sum() == len(SWEEPS)
    # The empty column that a trailing comma makes, and the resistance, are left out and said to be.
    assert sweeps.attrs["unused_columns"] == ["@6", "Item", "Smu1.R[1][1]"]


def test_the_sweep_to_minus_four_volts(sweeps, printed):
    current = sweeps["current"].sel(device="DG01_3A", cycle=37).values
    assert (current.min(), current.max()) == (printed("-6.598", scale=1e-3), printed("6.544", scale=1e-3))
    reads = extract(sweeps, "conductance_at", read_voltage="0.3 V", interpolate=False)
    first, second = reads["current"].sel(device="DG01_3A", cycle=37).values
    assert second / first == printed("44")


@pytest.mark.parametrize(
    ("cycle", "points", "end", "first", "second"),
    [
        (355, 402, "-1", "2.005e-7", "8.954e-10"),
        (357, 502, "-1.5", "2.535e-7", "8.867e-10"),
        (400, 602, "-2", "2.320e-7", "3.858e-10"),
    ],
)
def test_sweeps_of_2022(small, printed, cycle, points, end, first, second):
    one = small.sel(device="DG01_3D", cycle=cycle)
    voltage = one["voltage"].dropna("point").values
    assert (voltage.size, voltage[0], voltage.min()) == (points, 1.0, float(end))
    assert voltage[1] < voltage[0]
    assert float(one["negative_end"]) == float(end)
    reads = extract(small, "conductance_at", read_voltage="0.3 V")
    assert reads["current"].sel(cycle=cycle).values.ravel().tolist() == [printed(first), printed(second)]


def test_the_old_device(old, printed):
    voltage, current, time = (old[name].values.ravel() for name in ("voltage", "current", "time"))
    assert (voltage.size, voltage[0], voltage.min(), voltage.max()) == (502, 1, -4, 1)
    assert voltage[1] < voltage[0]
    assert current.max() == printed("9.54", scale=1e-3)
    assert time[0] == printed("1483.843")


def test_devices_are_strongly_asymmetric(sweeps):
    voltage, current = (
        sweeps[name].sel(device="DG01_3A", cycle=35).values[:601] for name in ("voltage", "current")
    )
    assert current[np.argmax(voltage)] > 1e-3
    assert np.abs(current[np.abs(voltage + 0.3) < 0.005]).max() < 1e-6


def test_reads_of_the_hold_experiment(hold, printed):
    applied, resistance = (hold[name].values.ravel() for name in ("amplitude", "resistance"))
    reads = resistance[applied == -1]
    assert (hold.attrs["num_rows_read"], reads.size) == (751, 180)
    assert np.median(reads) == printed("8.462e7")
    assert (reads.min(), reads.max()) == (printed("2.296e7"), printed("2.962e8"))
    conductance = hold["conductance"].values.ravel()
    assert conductance[applied == -1] == pytest.approx(1 / reads)


def test_a_resistance_of_zero_is_not_defined_and_counted(hold):
    applied, resistance = (hold[name].values.ravel() for name in ("amplitude", "resistance"))
    assert '"count": 371' in hold.attrs["masked"]
    assert np.isnan(resistance).sum() == 371
    assert (applied[np.isnan(resistance)] == 0).all()
    assert (resistance[applied != 0] > 0).all()


def test_without_the_mask_the_zeros_are_no_conductances(folder, described):
    said = replace(load_description(described("pulse_train-hold")), mask={})
    with pytest.raises(charz.CharzError, match="conductance = inf"):
        charz.read(folder / "pulses", description=said)


@pytest.mark.parametrize(("amplitude", "single"), [(0.1, 29), (0.5, 29), (1.0, 32)])
def test_the_applied_voltage_comes_from_its_column(hold, amplitude, single):
    applied = hold["amplitude"].values.ravel()
    starts = np.flatnonzero(np.append(True, np.diff(applied) != 0))
    lengths = np.diff(np.append(starts, applied.size))
    assert ((applied[starts] == amplitude) & (lengths == 1)).sum() == single
    # The name promises three repeats.
    assert hold["cycle"].values.tolist() == [1]


@pytest.mark.parametrize(
    ("amplitude", "negative", "positive", "mixed"),
    [
        (1.0, "+0.3267", "-0.4924", "-0.3615"),
        (0.6, "+0.2087", "-0.2913", "-0.2228"),
        (0.1, "+0.2055", "-0.1222", "-0.0236"),
    ],
)
def test_two_trains_in_one_column_are_kept_apart(wide, printed, amplitude, negative, positive, mixed):
    assert wide["resistance"].sizes == {"device": 1, "cycle": 20, "pulse": 10}
    column = (wide["positive_amplitude"].values[0, :, 0] == amplitude).nonzero()[0]
    falling, rising = wide["resistance"].values[0, column]
    assert wide["amplitude"].values[0, column].tolist() == [[-4] * 10, [amplitude] * 10]
    assert wide["polarity"].values[0, column].tolist() == [[-1] * 10, [1] * 10]
    number = np.arange(1, 11)
    slopes = [power(number, values) for values in (falling, rising)]
    assert slopes == [printed(negative), printed(positive)]
    # The slope of both in one is that of neither train.
    both = power(np.arange(1, 21), np.concatenate([falling, rising]))
    assert both == printed(mixed)
    assert np.abs(np.subtract(slopes, both)).min() > 0.06


def test_resistances_at_one_volt(wide, printed):
    first, second = wide["resistance"].values[0, :2]
    assert (first[0], first[9]) == (printed("9.260e7"), printed("1.991e8"))
    assert (second[0], second[9]) == (printed("1.224e8"), printed("4.023e7"))


def test_increments_do_not_cross_from_one_train_to_the_other(wide):
    result = extract(wide, "increments")
    assert np.isnan(result["increment"].values[..., 0]).all()
    median = np.nanmedian(result["increment"].values[0], axis=1)
    assert (median[0::2] < 0).all()
    assert (median[1::2] > 0).all()


def test_trains_that_are_read_as_one_are_warned_of(folder, wide):
    mixed = charz.read(
        folder / "pulses",
        "pulse_train",
        {"resistance": "resistance"},
        files="m4V_*.txt",
        wide={"keep": ["pulse number"], "values": ["resistance"], "position": "cycle", "label": "volts"},
        derive={"conductance": "1 / resistance"},
    )
    assert mixed.sizes["pulse"] == 20
    found = [finding for finding in check_data(mixed) if finding.check == "reversal"]
    assert len(found) == 1
    assert "10 of 10 cycles" in found[0].where
    assert not [finding for finding in check_data(wide) if finding.check == "reversal"]


def test_a_hundred_pulses_down_and_a_hundred_up(train, printed):
    current = train["current"].values[0]
    assert train.attrs["num_rows_read"] == 201
    assert train["number"].values[0, 0, 0] == 0
    assert current[0, 0] == printed("5.912e-5")
    assert np.isfinite(current).sum(axis=1).tolist() == [1, 100, 100]
    assert (current[1, 0], current[1, -1]) == (printed("2.922e-6"), printed("6.352e-8"))
    assert (current[2, 0], current[2, -1]) == (printed("3.360e-7"), printed("4.228e-6"))
    number = np.arange(1, 101)
    assert power(number, current[1]) == printed("-0.762")
    assert power(number, current[2]) == printed("+0.517")
    assert train["conductance"].values[0, 0, 0] == pytest.approx(current[0, 0] / 0.3)


def test_the_protocol_stands_in_the_name(train):
    given = {name: train[name].values.item() for name in ("set_voltage", "reset_voltage", "stated_read")}
    assert given == {"set_voltage": 1.0, "reset_voltage": -2.0, "stated_read": 0.3}
    amplitude = train["amplitude"].values[0]
    assert [set(row[np.isfinite(row)].tolist()) for row in amplitude] == [{0.0}, {-2.0}, {1.0}]
    assert np.nanmax(np.abs(train["read_voltage"].values - 0.3)) == 0


def test_a_read_voltage_that_contradicts_the_name_is_refused(folder, described):
    with pytest.raises(ReadError, match=r"does not hold .*stated_read = 300"):
        charz.read(
            folder / "pulses", description=described("pulse_train-processed"), units={"stated_read": "V"}
        )


@pytest.mark.parametrize("name", PROGRAMMES)
@pytest.mark.parametrize(
    ("kind", "columns", "units"),
    [
        ("pulse_train", {"conductance": "@2"}, {"conductance": "S"}),
        ("iv_sweep", {"voltage": "@1", "current": "@2"}, {"voltage": "V", "current": "A"}),
    ],
)
def test_programmes_are_no_data(folder, name, kind, columns, units):
    with pytest.raises(
        ReadError, match=r"in 805 rows, as a stimulus programme .* what was applied, not what"
    ):
        charz.read(folder / "pulses" / name, kind, columns, units)


@pytest.mark.parametrize("name", PROGRAMMES)
def test_programmes_do_not_fit_the_schema_of_the_reads(folder, described, name):
    with pytest.raises(ReadError, match="2 columns, but the schema names 4"):
        charz.read(folder / "pulses" / name, description=described("pulse_train-processed"))
