"""Two current traces whose source calls the device an MTJ, which they do not prove."""

import numpy as np
import pytest

import charz
from charz.datachecks import check_data
from charz.errors import UnitError
from charz.extract import extract
from charz.readers.registry import open_tables

FOLDER = "smtj-current-traces"
DESCRIPTION = f"{FOLDER}-telegraph.toml"


@pytest.fixture(scope="module")
def folder(measured_root):
    path = measured_root / FOLDER
    if not path.is_dir():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture(scope="module")
def numbers(convert, folder):
    """The trace of ``random number.xlsx``, by the command line."""
    return convert(folder / "random number.xlsx", DESCRIPTION)


@pytest.fixture(scope="module")
def annealing(folder, descriptions):
    """The trace of ``simulated annealing.xlsx``, with its constant voltage."""
    return charz.read(
        folder / "simulated annealing.xlsx",
        description=descriptions / DESCRIPTION,
        columns={"voltage": "AV"},
        units={"voltage": "V"},
    )


def test_a_folder_of_two_traces(folder, descriptions):
    both = charz.read(folder, description=descriptions / DESCRIPTION)
    assert both["device"].values.tolist() == ["random number", "simulated annealing"]
    assert both["signal"].count("time").values.tolist() == [4096, 1000]
    assert both.attrs["device_family"] == "MTJ (claimed, not proven)"


def test_text_numbers_are_converted_and_said(numbers):
    assert numbers["signal"].shape == (1, 4096)
    assert "column AI: 4096 numbers are stored as text" in str(numbers.attrs["remarks"])


def test_random_number(numbers, ac1, printed):
    signal = numbers["signal"].values[0]
    assert signal.size == 4096
    assert signal.mean() == printed("1.9365e-5")
    assert signal.std(ddof=1) == printed("1.3471e-6")
    assert ac1(signal) == printed("0.9992")


def test_rounded_time_stamps_need_the_mean_step(numbers, printed):
    elapsed = numbers["elapsed"].values[0]
    steps = np.diff(elapsed)
    assert set(np.round(steps, 6).tolist()) >= {0.12, 0.125, 0.126, 0.13}
    assert steps.mean() == printed("0.12551")
    assert np.median(steps) == printed("0.126")
    assert steps[0] != printed("0.12551")


def test_a_two_state_cut(numbers, printed):
    found = extract(numbers, "dwells").isel(device=0)
    assert float(found["state_threshold"]) == printed("1.9687e-5")
    assert float(found["level_low"]) == printed("1.8538e-5")
    assert float(found["level_high"]) == printed("2.0837e-5")
    assert found["num_switches"] == 26
    assert found["dwell_time"].attrs["units"] == "s"
    dwells = [float(found[f"mean_complete_dwell_{side}"]) for side in ("high", "low")]
    assert dwells[0] == printed("8.13")
    assert dwells[1] == printed("25.32")
    # The median step would make them longer.
    steps = np.diff(numbers["elapsed"].values[0])
    scale = np.median(steps) / steps.mean()
    assert dwells[0] * scale == printed("8.2")
    assert dwells[1] * scale == printed("25.4")


def test_two_states_are_a_poor_model(numbers):
    warnings = {one.check for one in check_data(numbers) if one.severity == "warning"}
    assert "levels" in warnings


def test_simulated_annealing(annealing, ac1, printed):
    signal = annealing["signal"].values[0]
    assert signal.size == 1000
    assert (annealing["voltage"] == -2).all()
    assert signal.mean() == printed("-0.06698")
    assert signal.std(ddof=1) == printed("0.00557")
    assert ac1(signal) == printed("0.718")
    assert signal[:100].mean() == printed("-0.0613")
    assert signal[-100:].mean() == printed("-0.0700")


def test_one_broad_peak(annealing, printed):
    found = extract(annealing, "dwells").isel(device=0)
    assert float(found["state_threshold"]) == printed("-0.06766")
    assert found["num_switches"] == 133
    levels = [one for one in check_data(annealing) if one.check == "levels"]
    assert "one broad peak" in levels[0].meaning


def test_the_unit_of_the_current_is_asked_for(folder):
    """-0.07 at -2 V is hardly ampere, and nothing is guessed."""
    with pytest.raises(
        UnitError, match=r"'signal' is stated nowhere .* --unit signal=V .*arb if it is not known"
    ):
        charz.read(
            folder / "simulated annealing.xlsx",
            "telegraph",
            columns={"elapsed": "Time", "signal": "AI"},
            units={"elapsed": "s"},
        )


def test_empty_sheets_are_left_out(numbers, folder):
    """Each book has one table; two empty sheets make no cycles."""
    assert dict(numbers.sizes) == {"device": 1, "time": 4096}
    for path in sorted(folder.glob("*.xlsx")):
        (table,) = open_tables(path)
        assert table.dialect["skipped_sheets"] == "Sheet2 (empty), Sheet3 (empty)"
