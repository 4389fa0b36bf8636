"""Endurance of one RRAM device on a Keithley 4200A-SCS: sweeps, a sheet a cycle, and tables of derived values."""

from datetime import datetime, timedelta

import numpy as np
import pytest

import charz
from charz.datachecks import check_data
from charz.errors import ReadError, SchemaError, UnitError
from charz.extract import extract
from charz.kinds import FLAG_NONE, FLAG_RIGHT

FOLDER = "keithley4200-tud-m12"
SERIES = {1000: "M12, series 05", 50: "M12, series 03", 10: "M12, series 04"}
FITTED = 1e-2


@pytest.fixture(scope="module")
def folder(measured_root):
    path = measured_root / FOLDER
    if not path.is_dir():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture(scope="module")
def read(folder, descriptions):
    """Read what a description of this folder means: ``read("set")``."""

    def call(which, path=folder, **keys):
        return charz.read(path, description=descriptions / f"{FOLDER}-{which}.toml", **keys)

    return call


@pytest.fixture(scope="module")
def set_ratios(read):
    """SET voltages of all three tables: one device a series."""
    return read("ratio-set")


@pytest.fixture(scope="module")
def reset_ratios(read):
    """RESET voltages of all three tables."""
    return read("ratio-reset")


@pytest.fixture(scope="module")
def set_sweeps(read):
    """All 55 SET sweeps."""
    return read("set")


@pytest.fixture(scope="module")
def reset_sweeps(convert, folder):
    """Five RESET sweeps, by the command line."""
    return convert(folder / "04 endurance reset.xlsx", f"{FOLDER}-reset.toml")


@pytest.fixture(scope="module")
def single(read):
    """Leakage, forming, first RESET."""
    return read("single")


def of_series(dataset, cycles):
    """Cycles of one series, without padding."""
    return dataset.sel(device=SERIES[cycles]).dropna("cycle", subset=["threshold"])


# --- the table of 1000 cycles -------------------------------------------------------------------------------


def test_the_footer_is_no_cycle(convert, folder):
    """1000 cycles, where a naive reader finds 1006 or 1007; the footer is kept."""
    dataset = convert(folder / "05 endurance ratio csv.csv", f"{FOLDER}-ratio-set.toml")
    assert dataset["cycle"].values.tolist() == list(range(1, 1001))
    assert dataset.attrs["num_rows_kept"] == 1000
    footer = dataset.attrs["source_metadata"]
    assert {"Subsite Name,reram", "Total Cycles,1000", "Total Execution Time:,00:14:54:41"} <= set(footer)


def test_tests_that_did_not_run_are_said(set_ratios):
    empty = "no values in the columns of SET_positive#1, RESET_negative#1, CVS#1: these tests did not run"
    (said,) = (remark for remark in set_ratios.attrs["remarks"] if empty in remark)
    assert "3 tables, 03 endurance ratio.xlsx to 05 endurance ratio csv.csv" in said


def test_a_cycle_number_stored_as_text_is_said(set_ratios):
    said = [remark.partition(": ")[2] for remark in set_ratios.attrs["remarks"] if "as text" in remark]
    assert said == [f"column Cycle.Index: {count} numbers are stored as text" for count in (50, 10)]


def test_both_header_rows_name_a_column(folder):
    with pytest.raises(
        ReadError, match=r"'VSET' is ambiguous, 2 columns are called so .*SET_negative#1\.VSET"
    ):
        charz.read(
            folder / "05 endurance ratio csv.csv",
            "ramp_switching",
            columns={"threshold": "VSET"},
            units={"threshold": "V"},
        )


def test_units_are_asked_for(folder):
    with pytest.raises(UnitError, match=r"'threshold' is stated nowhere .* --unit threshold=V"):
        charz.read(
            folder / "05 endurance ratio csv.csv",
            "ramp_switching",
            columns={"threshold": "SET_negative#1.VSET"},
        )


# Columns: dataset, mean, sd, median, min, max, at the limit, ac1, k, lam, k and lam with right-censoring.
VOLTAGES = {
    "set": ("1.1104", "0.3474", "1.06", "0.42", "2.50", 1, "0.603", "3.229", "1.234", "3.225", "1.235"),
    "reset": ("0.9309", "0.2857", "0.90", "0.46", "2.50", 8, "0.798", "3.048", "1.031", "3.017", "1.032"),
}


@pytest.fixture(params=list(VOLTAGES))
def table(request, set_ratios, reset_ratios):
    """1000 cycles of one voltage, and its row of reference numbers."""
    dataset = set_ratios if request.param == "set" else reset_ratios
    return of_series(dataset, 1000), VOLTAGES[request.param]


def test_moments_of_the_voltages(table, ac1, printed):
    dataset, (*numbers, limit, serial, _, _, _, _) = table
    volts = dataset["threshold"].values
    assert volts.size == 1000
    found = (volts.mean(), volts.std(ddof=1), np.median(volts), volts.min(), volts.max())
    for value, text in zip(found, numbers, strict=True):
        assert value == printed(text)
    assert ac1(volts) == printed(serial)
    assert (dataset["censored"] == FLAG_RIGHT).sum() == limit
    assert (dataset["censored"] == FLAG_NONE).sum() == 1000 - limit


def test_weibull_of_the_voltages(table, weibull, printed):
    dataset, (*_, k, lam, censored_k, censored_lam) = table
    volts = dataset["threshold"].values
    for value, text in zip(weibull(volts), (k, lam), strict=True):
        assert value == printed(text, rel=1e-3)
    right = dataset["censored"].values == FLAG_RIGHT
    bounds = dataset["lower"].values[right], np.full(right.sum(), np.inf)
    for value, text in zip(weibull(volts[~right], *bounds), (censored_k, censored_lam), strict=True):
        assert value == printed(text, rel=1e-3)


def test_set_voltages_drift(set_ratios, printed):
    volts = of_series(set_ratios, 1000)["threshold"].values
    logs = np.log(volts)
    assert logs.mean() == printed("0.0592")
    assert logs.std(ddof=1) == printed("0.3003")
    assert volts[:100].mean() == printed("0.800")
    assert volts[-100:].mean() == printed("1.554")


def test_cycles_are_not_independent(set_ratios, ac1, weibull, printed):
    """An i.i.d. Weibull never gives the measured ac1, and its standard error is far too small."""
    cycles = of_series(set_ratios, 1000)
    volts = cycles["threshold"].values
    assert volts.std(ddof=1) / np.sqrt(volts.size) == printed("0.011")
    k, lam = weibull(volts)
    draws = lam * np.random.default_rng(0).weibull(k, (500, volts.size))
    assert max(ac1(draw) for draw in draws) < 0.3 * ac1(volts)
    found = {one.check for one in check_data(set_ratios.sel(device=[SERIES[1000]]))}
    assert {"serial_correlation", "drift"} <= found


def test_set_and_reset_go_together(set_ratios, reset_ratios, printed):
    pair = [of_series(one, 1000)["threshold"].values for one in (set_ratios, reset_ratios)]
    assert np.corrcoef(*pair)[0, 1] == printed("0.606")


# Columns: current, ln mean, ln sd, ac1, ac1 of ln I.
CURRENTS = {
    "i_lrs": ("-9.157", "0.9405", "0.672", "0.877"),
    "i_hrs": ("-13.438", "0.8499", "0.731", "0.747"),
}


@pytest.mark.parametrize("name", CURRENTS)
def test_currents_of_the_set_test(set_ratios, ac1, printed, name):
    current = of_series(set_ratios, 1000)[name].values
    logs = np.log(current)
    found = (logs.mean(), logs.std(ddof=1), ac1(current), ac1(logs))
    for value, text in zip(found, CURRENTS[name], strict=True):
        assert value == printed(text)


def test_median_reset_current(reset_ratios, printed):
    current = np.abs(of_series(reset_ratios, 1000)["i_reset"].values)
    assert np.median(current) == printed("4.903e-4")


# --- the shorter series -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cycles", "set_mean", "set_sd", "reset_mean", "reset_sd"),
    [(50, "1.0850", "0.3996", "1.0148", "0.1298"), (10, "1.196", "0.2544", "1.003", "0.0962")],
)
def test_shorter_series(set_ratios, reset_ratios, printed, cycles, set_mean, set_sd, reset_mean, reset_sd):
    for dataset, mean, sd in ((set_ratios, set_mean, set_sd), (reset_ratios, reset_mean, reset_sd)):
        series = of_series(dataset, cycles)
        assert series["cycle"].values.tolist() == list(range(1, cycles + 1))
        assert series["threshold"].values.mean() == printed(mean)
        assert series["threshold"].values.std(ddof=1) == printed(sd)


def test_weibull_of_fifty_cycles(set_ratios, weibull, ac1, printed):
    volts = of_series(set_ratios, 50)["threshold"].values
    k, lam = weibull(volts)
    assert k == printed("2.802", rel=FITTED)
    assert lam == printed("1.218", rel=FITTED)
    assert ac1(volts) == printed("0.706")


# --- sweeps -------------------------------------------------------------------------------------------------


def test_runs_are_sorted_and_whole(set_sweeps):
    points = set_sweeps["voltage"].count("point")
    runs = {
        device: points["cycle"].values[points.sel(device=device).values > 0].tolist()
        for device in points["device"].values
    }
    assert runs == {"M12, series 03": list(range(173, 223)), "M12, series 04": [6, 7, 8, 9, 10]}
    assert np.unique(points).tolist() == [0, 502]
    swept = set_sweeps["voltage"].values[points.values > 0]
    assert (swept[:, [0, -1]] == 0).all()
    np.testing.assert_allclose(swept.min(axis=1), -2.5, rtol=1e-6)
    assert swept.max() == 0


def test_signs_are_kept_in_sweeps(set_sweeps, reset_sweeps):
    assert np.nanmin(set_sweeps["current"]) < -4e-4
    assert np.nanmax(reset_sweeps["voltage"]) == pytest.approx(2.5)


def test_error_cells_are_counted(set_sweeps):
    """``#REF`` stands in three cells of each of 55 runs; `ID` in the first row, `NORM_COND` in first and last."""
    said = [remark for remark in set_sweeps.attrs["remarks"] if "#REF" in remark]
    assert len(said) == 2
    for remark, column, cells in zip(said, ("ID", "NORM_COND"), ("1 cell", "2 cells"), strict=True):
        assert f"column {column}: {cells} #REF became NaN (in 55 tables, " in remark


@pytest.mark.parametrize(("column", "places"), [("ID", [0]), ("NORM_COND", [0, 501])])
def test_error_cells_are_missing_values(read, folder, column, places):
    run = read(
        "set",
        folder / "04 endurance set.xlsx",
        table="Run10",
        columns={"more": column},
        units={"more": "arb"},
        mask={"more": "more != more"},
    )
    assert np.flatnonzero(np.isnan(run["more"].values.ravel())).tolist() == places


def test_settings_are_kept(set_sweeps):
    """Those of the swept terminal: 0.5 mA, not the 105 mA of the common one."""
    kept = set_sweeps.attrs["source_metadata"]
    assert {"swept_terminal: A", "compliance: 0.0005", "start: 0.0", "stop: -2.5", "step: -0.01"} <= set(kept)
    assert "num_points: 502" in kept
    assert not any(line.startswith("compliance: 0.105") for line in kept)
    assert sum(line.startswith("settings: ") for line in kept) == 55
    assert any(line.startswith("formulas: ") and "VSET = ABS(AT(AV, MAXPOS(ID)))" in line for line in kept)
    compliance = set_sweeps["compliance"].values
    assert np.unique(compliance[np.isfinite(compliance)]).tolist() == [5e-4]


def test_a_book_without_settings_is_read(reset_sweeps):
    assert reset_sweeps["cycle"].values.tolist() == [6, 7, 8, 9, 10]
    assert not any("compliance" in str(line) for line in reset_sweeps.attrs.get("source_metadata", []))
    assert "compliance" not in reset_sweeps


def test_set_voltages_recomputed_from_the_sweeps(set_sweeps, set_ratios, printed):
    found = extract(set_sweeps, "thresholds", at="largest-increase")
    sheet = set_sweeps["vset"].max("point")
    both = found["threshold"].where(np.isfinite(sheet))
    assert int(np.isfinite(both).sum()) == 55
    np.testing.assert_array_equal(both, sheet)
    for device, count, mean, sd in ((50, 50, "1.0850", "0.3996"), (10, 5, "1.162", "0.2383")):
        volts = of_series(found, device)["threshold"].values
        assert volts.size == count
        assert volts.mean() == printed(mean)
        assert volts.std(ddof=1) == printed(sd)


def test_runs_are_cycles_of_the_ratio_tables(set_sweeps, reset_sweeps, set_ratios, reset_ratios):
    """Series 03: cycle = run - 172. Series 04: runs 6 to 10 are cycles 6 to 10."""
    fifty = set_sweeps["vset"].max("point").sel(device=SERIES[50]).dropna("cycle")
    np.testing.assert_allclose(fifty, of_series(set_ratios, 50)["threshold"], rtol=1e-9)
    assert (fifty["cycle"].values - 172).tolist() == list(range(1, 51))
    for sweeps, name, ratios in ((set_sweeps, "vset", set_ratios), (reset_sweeps, "vreset", reset_ratios)):
        five = sweeps[name].max("point").sel(device=SERIES[10]).dropna("cycle")
        table = of_series(ratios, 10)["threshold"].sel(cycle=five["cycle"])
        assert five["cycle"].values.tolist() == [6, 7, 8, 9, 10]
        np.testing.assert_allclose(five, table, rtol=1e-9)


def test_reset_voltages_are_of_another_kind(reset_sweeps, printed):
    """VRESET is V at the maximum of I; the drop comes later: in run 6, 1.04 V against 1.15 V."""
    peak, drop = (extract(reset_sweeps, "thresholds", at=at) for at in ("maximum-current", "largest-drop"))
    np.testing.assert_array_equal(peak["threshold"], reset_sweeps["vreset"].max("point"))
    run = {"device": SERIES[10], "cycle": 6}
    assert float(peak["threshold"].sel(run)) == printed("1.04")
    assert float(drop["threshold"].sel(run)) == printed("1.15")
    assert "maximum of |I|" in peak.attrs["extract_rule"]
    assert (drop["threshold"] > peak["threshold"]).all()


def test_sweeps_of_both_polarities_are_not_mixed(single):
    with pytest.raises(SchemaError, match="both polarities"):
        extract(single, "thresholds")


# Columns: record, points, least and greatest voltage.
RECORDS = {
    "M12 Leakage": (82, "-0.2", "0.2"),
    "M12 Electroforming": (2002, "-10", "0"),
    "M12 reset": (602, "0", "3"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_single_records(single, printed, name):
    points, low, high = RECORDS[name]
    volts = single["voltage"].sel(device=name).values
    volts = volts[np.isfinite(volts)]
    assert volts.size == points
    assert volts.min() == pytest.approx(float(low), rel=1e-6)
    assert volts.max() == pytest.approx(float(high), rel=1e-6)


def of_record(single, name):
    return single.sel(device=[name])


def test_leakage_is_noise(read, folder):
    """Currents of 1e-13 A, so that a resistance from them changes its sign."""
    leakage = read("single", folder / "00 Leakage.xlsx")
    current = leakage["current"].values.ravel()
    assert 1e-14 < np.median(np.abs(current)) < 1e-12
    ratio = leakage["voltage"].values.ravel() / current
    away = np.abs(leakage["voltage"].values.ravel()) > 0.05
    assert (ratio[away] > 0).any()
    assert (ratio[away] < 0).any()


def test_forming(single, read, folder, printed):
    forming = extract(of_record(single, "M12 Electroforming"), "thresholds", at="largest-increase")
    assert float(forming["threshold"].max()) == printed("5.47")
    alone = read("single", folder / "01 Electroforming.xlsx")
    assert "compliance: 0.0005" in alone.attrs["source_metadata"]


def test_first_reset(single, printed):
    record = of_record(single, "M12 reset")
    peak = extract(record, "thresholds", at="maximum-current")
    assert float(peak["threshold"].max()) == printed("1.96")
    assert float(np.abs(peak["current_after"]).max()) == printed("7.573", scale=1e-3)


# --- dates --------------------------------------------------------------------------------------------------


def test_dates_stay_text_and_the_month_comes_first(set_ratios, printed):
    """The 1000 cycles began four minutes after the 10 cycles ended only if 12/06 is the sixth of December."""
    kept = set_ratios.attrs["source_metadata"]
    assert {"last_executed: 12/05/2025 12:43:31", "last_executed: 12/06/2025 03:42:25"} <= set(kept)

    def between(order):
        ended, began_before = (
            datetime.strptime(text, f"{order}/%Y %H:%M:%S")
            for text in ("12/06/2025 03:42:25", "12/05/2025 12:43:31")
        )
        began = ended - timedelta(hours=14, minutes=54, seconds=41)
        return began, began - began_before

    began, pause = between("%m/%d")
    assert began.time().isoformat() == "12:47:44"
    assert pause.total_seconds() / 60 == printed("4")
    assert between("%d/%m")[1] > timedelta(days=29)
