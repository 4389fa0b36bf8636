"""Reads of RRAM cells after programming, and the logs of forming and SET, of a digital tester."""

import jax
import numpy as np
import pytest

import charz
from charz.datachecks import check_data
from charz.errors import FitError, ReadError, UnitError
from charz.extract import extract
from charz.fitting import fit
from charz.kinds import FLAG_RIGHT

FOLDER = "rram-skywater-ni"


@pytest.fixture(scope="module")
def folder(measured_root):
    path = measured_root / FOLDER
    if not path.is_dir():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture(scope="module")
def traces(convert, folder):
    """Reads of every cell, by the command line."""
    return convert(folder / "target20-40_old.csv", f"{FOLDER}-target.toml")


@pytest.fixture(scope="module")
def states(traces):
    """Every trace cut at the exact Otsu split of ln R."""
    return extract(traces, "dwells", scale="log")


@pytest.fixture(scope="module")
def forming(folder, descriptions):
    """Conditions at which cells formed."""
    return charz.read(folder, description=descriptions / f"{FOLDER}-form.toml")


@pytest.fixture(scope="module")
def setting(folder, descriptions):
    """SET at one pair of voltages."""
    return charz.read(folder, description=descriptions / f"{FOLDER}-set.toml")


# --- traces -------------------------------------------------------------------------------------------------


def test_a_line_is_a_device_with_a_time_axis(traces):
    assert dict(traces.sizes) == {"device": 156, "time": 501}
    assert traces["signal"].attrs["units"] == "ohm"
    assert np.isfinite(traces["signal"]).all()
    assert {"588", "176", "72", "472"} <= set(traces["device"].values.tolist())


def test_an_unknown_interval_stays_unknown(traces, states):
    assert "sample_interval" not in traces
    assert "elapsed" not in traces
    assert states["dwell_time"].attrs["units"] == "1"
    assert "in samples, as the sample interval is not known" in states.attrs["extract_rule"]


def test_an_interval_that_the_user_gives_makes_seconds(folder, descriptions, states):
    timed = charz.read(
        folder, description=descriptions / f"{FOLDER}-target.toml", constants={"sample_interval": "2 ms"}
    )
    dwells = extract(timed, "dwells", scale="log")
    assert dwells["dwell_time"].attrs["units"] == "s"
    np.testing.assert_allclose(dwells["ml_dwell_low"], 2e-3 * states["ml_dwell_low"])


def test_cells_of_the_target_window(traces, states, printed):
    signal = traces["signal"].values
    inside = (signal >= 20e3) & (signal <= 40e3)
    assert inside[:, 0].all()
    assert inside[:, -1].mean() == printed("46.15 %")
    assert np.median(signal.std(axis=1, ddof=1) / signal.mean(axis=1)) == printed("0.0442")
    assert np.median(states["lag1_correlation"]) == printed("0.904")


def test_drift_of_the_cells(traces, printed):
    drift = extract(traces, "drift_ratio", last=20, first=5)["log_drift"].values
    assert drift.mean() == printed("-0.1057")
    assert drift.std(ddof=1) == printed("0.1892")


# Columns: levels low and high (ohm), switches, fraction high, mean complete dwell high and low, ML dwell high and
# low, ac1 of ln R, 1 - 1/tau_high - 1/tau_low of the ML dwells, separation / noise sd.
CELLS = {
    "588": ("17298", "20247", 41, "0.242", "3.10", "7.55", "5.76", "18.95", "0.805", "0.774", "7.3"),
    "176": ("17343", "19259", 25, "0.305", "1.08", "27.83", "11.77", "28.92", "0.901", "0.880", "7.5"),
    "72": ("17256", "20022", 21, "0.212", "8.30", "26.60", "9.64", "39.40", "0.937", "0.871", "7.6"),
    "472": ("17946", "19897", 14, "0.978", "78.5", "1.57", "69.86", "1.57", "0.411", "0.349", "13.1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_telegraph_cells(states, printed, name):
    low, high, switches, fraction, *rest = CELLS[name]
    cell = states.sel(device=name)
    assert cell["num_switches"] == switches
    markov = 1 - 1 / cell["ml_dwell_high"] - 1 / cell["ml_dwell_low"]
    names = ("mean_complete_dwell_high", "mean_complete_dwell_low", "ml_dwell_high", "ml_dwell_low")
    found = [cell[one] for one in ("level_low", "level_high", "fraction_high", *names)]
    found += [cell["lag1_correlation"], markov, cell["separation"]]
    for value, text in zip(found, (low, high, fraction, *rest), strict=True):
        assert float(value) == printed(text)


def test_a_histogram_finds_other_switches_than_the_exact_split(traces):
    """Otsu over 64 bins gives cell 588 43 switches, where the exact split gives 41."""
    logs = np.log(traces["signal"].sel(device="588").values)
    counts, edges = np.histogram(logs, bins=64)
    centres = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(counts)[:-1], np.cumsum(counts * centres)
    means = total[:-1] / below, (total[-1] - total[:-1]) / (logs.size - below)
    best = np.argmax(below * (logs.size - below) * (means[1] - means[0]) ** 2)
    high = logs > centres[best]
    assert (high[1:] != high[:-1]).sum() == 43


def test_two_estimators_give_two_answers(states, printed):
    cell = states.sel(device="176")
    assert float(cell["ml_dwell_high"] / cell["mean_complete_dwell_high"]) == printed("11")


def test_long_open_dwells(states):
    """Cell 176 begins with a long high dwell, cell 588 ends with a long low one; neither is complete."""
    for name, length, end in (("176", 140, 0), ("588", 229, -1)):
        cell = states.sel(device=name)
        real = cell["dwell_state"].values >= 0
        dwell, state, complete = (
            cell[one].values[real] for one in ("dwell_time", "dwell_state", "dwell_complete")
        )
        assert (dwell[end], state[end], complete[end]) == (length, int(end == 0), 0)
    cell = states.sel(device="176")
    highs = cell["dwell_time"].values[cell["dwell_state"].values == 1]
    assert highs[1:].max() == 2


def test_cells_that_are_not_stationary_are_flagged(traces):
    """Two cells have one pair of rates neither in the data nor in a fit; the cleanest cell has."""
    for name, expected in (("588", True), ("176", True), ("472", False)):
        found = {one.check for one in check_data(traces.sel(device=[name]))}
        assert ("stationarity" in found) == expected


# --- forming and SET ----------------------------------------------------------------------------------------


def test_forming_conditions(forming, printed):
    measured = np.isfinite(forming["threshold"].values)
    assert measured.sum() == 1026
    success = forming["success"].values[measured] == 1
    assert success.mean() == printed("0.9903")
    formed = forming["threshold"].values[measured][success]
    assert formed.size == 1016
    assert formed.mean() == printed("2.458")
    assert formed.std(ddof=1) == printed("0.300")


def test_failures_are_right_censored_at_the_end_of_both_loops(forming):
    failed = forming["success"].values == 0
    assert failed.sum() == 10
    assert (forming["censored"].values == FLAG_RIGHT).tolist() == failed.tolist()
    assert (forming["v_wl"].values[failed] == 3.7).all()
    assert (forming["threshold"].values[failed] == 3.0).all()


def test_the_condition_is_the_pair(forming):
    """V_BL runs over its whole range at a given V_WL before V_WL rises."""
    measured = np.isfinite(forming["threshold"].values)
    inner, outer = (forming[name].values[measured] for name in ("threshold", "v_wl"))
    assert (inner.min(), inner.max()) == (2.0, 3.0)
    assert (outer.min(), outer.max()) == (2.0, 3.7)
    assert forming["v_wl"].attrs["units"] == "V"
    assert max(np.unique(inner[outer == volts]).size for volts in np.unique(outer)) > 5


def test_an_address_that_occurs_twice_has_two_cycles(forming):
    assert forming.sizes["cycle"] == 2
    twice = forming["threshold"].count("cycle").to_pandas()
    assert twice[twice > 1].index.tolist() == ["4000"]


def test_set_at_one_voltage(setting, printed):
    assert setting["threshold"].size == 157
    assert (setting["v_wl"] == 1.4).all()
    volts, rows = np.unique(setting["threshold"], return_counts=True)
    assert dict(zip(volts.tolist(), rows.tolist(), strict=True)) == {1.5: 1, 1.6: 156}
    assert np.median(setting["r_after"]) == printed("3963")


def test_one_voltage_has_no_threshold_to_fit(setting):
    with pytest.raises(FitError):
        fit(setting, key=jax.random.key(0))


def test_the_two_logs_cannot_be_taken_for_one_another(folder, descriptions):
    with pytest.raises(ReadError, match="6 columns, but the schema names 5"):
        charz.read(folder / "set.csv", description=descriptions / f"{FOLDER}-form.toml")


def test_the_unit_of_the_reads_must_be_said(folder):
    with pytest.raises(UnitError, match="--unit signal=V"):
        charz.read(
            folder / "target20-40_old.csv",
            "telegraph",
            schema=["addr", "v_wl", "v_bl", "..."],
            wide={"keep": ["addr", "v_wl", "v_bl"], "values": ["signal"]},
            columns={"device": "addr"},
        )
