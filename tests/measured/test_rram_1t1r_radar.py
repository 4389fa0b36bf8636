"""Logs of a tester of 1T1R cells: pulses, ramps, forming, cycling, program and verify, relaxation."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

import charz
from charz.errors import ReadError, UnitError
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT

FOLDER = "rram-1t1r-radar"
PULSES = f"{FOLDER}-fppv.toml"
RAMPS = f"{FOLDER}-ispp-sweep.toml"
FITTED = 1e-2
SIX = ["trial", "width (ns)", "v_bl (V)", "v_wl (V)", "r_before (ohm)", "r_after (ohm)"]


@pytest.fixture(scope="module")
def folder(measured_root):
    path = measured_root / FOLDER
    if not path.is_dir():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture(scope="module")
def read(folder, descriptions):
    """Read what a description of this folder means."""

    def call(description, **keys):
        return charz.read(folder, description=descriptions / description, **keys)

    return call


def fit_logistic(dataset, asymptotes):
    """V0, w, lower, upper and the negative log-likelihood of single trials, by maximum likelihood."""
    volts, trials, switched = (
        dataset[name].values.ravel() for name in ("amplitude", "num_trials", "num_switched")
    )

    def loss(parameters):
        location, log_width = parameters[:2]
        lower, upper = expit(parameters[2:]) if asymptotes else (0.0, 0.0)
        p = lower + (1 - lower - upper) * expit((volts - location) / np.exp(log_width))
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return -float((switched * np.log(p) + (trials - switched) * np.log1p(-p)).sum())

    start = [1.63, np.log(0.01), -5.0, -7.0] if asymptotes else [1.63, np.log(0.05)]
    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 5000, "xatol": 1e-7})
    assert found.success
    lower, upper = expit(found.x[2:]) if asymptotes else (0.0, 0.0)
    return found.x[0], np.exp(found.x[1]), lower, upper, found.fun


# --- single pulses ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pulses(convert, folder):
    """Trials at 20 kohm, by the command line."""
    return convert(folder / "fppv-sweep-1us-4-2-21.csv", PULSES)


@pytest.fixture(scope="module")
def strict_pulses(read):
    """The same trials, with a threshold of 10 kohm."""
    return read(PULSES, switched="r_after < 10e3")


def of_state(dataset, state):
    return dataset.isel(setting=dataset["initial_state"].values[0] == state)


def test_trials_of_single_pulses(pulses):
    volts = np.unique(pulses["amplitude"])
    assert volts.size == 301
    np.testing.assert_allclose(volts, np.arange(301) * 0.01, atol=1e-12)
    per_voltage = np.bincount(
        np.searchsorted(volts, pulses["amplitude"].values[0]), pulses["num_trials"].values[0]
    )
    assert (per_voltage == 100).all()
    assert pulses["num_trials"].sum() == 30100
    assert np.unique(pulses["width"]) == 1e-6
    # The first column is a trial counter: there is one device, and no spread between devices.
    assert pulses.sizes["device"] == 1
    assert pulses.attrs["switched_rule"] == "r_after < 20e3"
    assert of_state(pulses, 0)["num_trials"].sum() == 29033


@pytest.mark.parametrize(
    ("volts", "fraction"),
    [(1.60, "0.06"), (1.62, "0.13"), (1.63, "0.32"), (1.64, "0.68"), (1.65, "0.91"), (1.70, "1.00")],
)
def test_observed_fractions(pulses, printed, volts, fraction):
    here = pulses.isel(setting=np.isclose(pulses["amplitude"].values[0], volts))
    assert float(here["num_switched"].sum() / here["num_trials"].sum()) == printed(fraction)


# Columns: threshold of R after, trials, asymptotes, V0, w, lower, upper, negative log-likelihood.
CURVES = {
    "all": ("20k", None, True, "1.6350", "0.0102", "0.0086", "0.000", "1132.4"),
    "start-high": ("20k", 0, True, "1.6344", "0.0090", "0.000", "0.000", "288.2"),
    "start-high-plain": ("20k", 0, False, "1.6344", "0.0090", None, None, "288.2"),
    "trap": ("20k", None, False, "1.6209", "0.0844", None, None, "2777.3"),
    "strict": ("10k", None, True, "1.6602", "0.0084", "0.002", "0.004", "872.5"),
    "strict-plain": ("10k", None, False, "1.6624", "0.0492", None, None, "1619.2"),
}


@pytest.mark.parametrize("name", CURVES)
def test_switching_curves(pulses, strict_pulses, printed, name):
    threshold, state, asymptotes, *numbers = CURVES[name]
    dataset = pulses if threshold == "20k" else strict_pulses
    found = fit_logistic(dataset if state is None else of_state(dataset, state), asymptotes)
    expected = zip(found, numbers, strict=True)
    checks = [(value, text) for value, text in expected if text is not None]
    assert len(checks) == (5 if asymptotes else 3)
    for value, text in checks:
        assert value == printed(text)


def test_leaving_the_asymptotes_out_costs_a_factor_of_eight(pulses, printed):
    assert fit_logistic(pulses, False)[1] / fit_logistic(pulses, True)[1] == printed("8")


def test_a_threshold_moves_the_location_by_some_widths(pulses, strict_pulses, printed):
    """Thresholds of 10 or 20 kohm move V0 by 2.5 w."""
    location, width, *_ = fit_logistic(pulses, True)
    assert (fit_logistic(strict_pulses, True)[0] - location) / width == printed("2.5")


def test_trials_that_start_low(folder, printed):
    """391 of them, scattered over the file; they alone make the lower asymptote."""
    rows = charz.read(
        folder / "fppv-sweep-1us-4-2-21.csv",
        "pulse_train",
        schema=SIX,
        columns={"r_before": "r_before", "amplitude": "v_wl", "trial": "trial"},
        units={"trial": "1"},
        derive={"conductance": "1 / r_after"},
    ).isel(device=0, cycle=0)
    trial = rows["trial"].values
    assert np.unique(trial).size == trial.size == 30100
    assert (trial.min(), trial.max()) == (300000, 330099)
    low = rows["r_before"].values < 20e3
    assert low.sum() == 391
    assert low.mean() == printed("1.30 %")
    # Not in sequence: hardly one follows another, and the file is full of them from end to end.
    assert (low[1:] & low[:-1]).sum() < 0.05 * low.sum()
    assert min(part.sum() for part in np.array_split(low, 10)) > 20
    below = rows["amplitude"].values < 1.5
    switched = rows["conductance"].values > 1 / 20e3
    assert switched[below & low].any()
    assert not switched[below & ~low & (rows["r_before"].values > 30e3)].any()


# --- ramps without a reset ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ramps(read):
    """First crossing of each ramp: (device, cycle) of ramp_switching."""
    return read(RAMPS)


@pytest.fixture(scope="module")
def raw_ramps(folder, descriptions):
    """The pulses themselves, without the extraction."""
    return charz.read(
        folder / "set-sweep-ispp-step-0.01-5-26-20.csv", description=descriptions / RAMPS, extract=[]
    )


def test_rows_make_four_hundred_ramps(ramps, raw_ramps):
    assert ramps.attrs["num_rows_read"] == 25846
    assert dict(ramps.sizes) == {"device": 20, "cycle": 20}
    assert np.isfinite(ramps["threshold"]).sum() == 400
    valid = np.isfinite(raw_ramps["amplitude"].values)
    assert np.unique(raw_ramps["width"].values[valid]) == 1e-7
    assert np.nanmin(raw_ramps["amplitude"]) == 2.0
    assert ramps["num_pulses"].sum() == 25846


# Columns: ramps, count, mean, sd, pooled sd within cells, sd of cell means, Weibull k, lam.
THRESHOLDS = {
    "all": (400, "2.2825", "0.0858", "0.0656", "0.0586", "42.75", "2.3143"),
    "start-high": (375, "2.3004", "0.0500", "0.0453", "0.0312", "52.35", "2.3216"),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_first_crossings(ramps, weibull, printed, name):
    count, *numbers = THRESHOLDS[name]
    threshold = ramps["threshold"]
    if name == "start-high":
        threshold = threshold.where(ramps["started"] == 0)
    values = threshold.values[np.isfinite(threshold.values)]
    assert values.size == count
    number = threshold.count("cycle")
    within = float(np.sqrt(((number - 1) * threshold.var("cycle", ddof=1)).sum() / (number - 1).sum()))
    means = threshold.mean("cycle").values
    found = (values.mean(), values.std(ddof=1), within, means.std(ddof=1))
    for value, text in zip(found, numbers[:4], strict=True):
        assert value == printed(text)
    for value, text in zip(weibull(values), numbers[4:], strict=True):
        assert value == printed(text, rel=FITTED)


def test_ramps_that_start_switched_are_left_censored(ramps):
    started = ramps["started"].sum("cycle").to_pandas()
    assert started[started > 0].to_dict() == {"1451": 9, "1455": 3, "1469": 13}
    assert (ramps["censored"].values[ramps["started"].values == 1] == FLAG_LEFT).all()
    # One ramp more is left-censored: it started high and crossed at the very first step.
    assert (ramps["censored"].values == FLAG_LEFT).sum() == 26
    inner = ramps["censored"].values == FLAG_INTERVAL
    np.testing.assert_allclose((ramps["upper"] - ramps["lower"]).values[inner], 0.01)


def test_ramps_that_switch_at_the_first_step(raw_ramps, ramps):
    """24 of 400 cross at 2.00 V, whatever they started from; a ramp may start low and rise first."""
    lows = raw_ramps["amplitude"].values[:, 0] == 2.0
    crossed = raw_ramps["conductance"].values[:, 0] > 1 / 20e3
    assert lows.sum() == 400
    assert (lows & crossed).sum() == 24


def test_ramps_that_come_back(ramps):
    assert (ramps["num_returns"] > 0).sum() == 167


def test_a_logistic_on_the_raw_rows_is_another_quantity(raw_ramps, printed):
    valid = np.isfinite(raw_ramps["amplitude"].values)
    switched = raw_ramps["conductance"].values[valid] > 1 / 20e3
    rows = raw_ramps[["amplitude"]].isel(device=[0], cycle=0, pulse=[0]).drop_vars("cycle")
    volts, number = np.unique(raw_ramps["amplitude"].values[valid], return_inverse=True)
    counts = {"num_trials": np.bincount(number), "num_switched": np.bincount(number, switched)}
    rows = rows.isel(pulse=np.zeros(volts.size, dtype=int)).assign(
        {"amplitude": ("pulse", volts), **{name: ("pulse", values) for name, values in counts.items()}}
    )
    location, width, *_ = fit_logistic(rows, False)
    assert location == printed("2.290", rel=1e-3)
    assert width == printed("0.048")


# --- forming ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forming(read):
    """Cells by the last step of their ramp: one cycle each."""
    return read(f"{FOLDER}-form.toml").isel(cycle=0)


# Columns: cells, count, mean, sd, median, Weibull k, lam.
FORMED = {
    "all": (8448, "3.0843", "0.4474", "3.15", "11.83", "3.222"),
    "later": (8240, "3.1369", "0.3045", "3.20", "15.12", "3.247"),
    "cut": (7483, "3.1789", "0.1958", "3.20", "17.85", "3.268"),
}


@pytest.mark.parametrize("name", FORMED)
def test_forming_voltages(forming, weibull, printed, name):
    count, mean, sd, median, shape, scale = FORMED[name]
    volts = forming["threshold"].values
    plot = np.isclose(forming["v_wl"], 2.0) & (volts > 2.49) & (volts < 4.01) & (forming["r_after"] < 15e3)
    kept = volts[{"all": volts > 0, "later": volts > 1.01, "cut": plot.values}[name]]
    assert kept.size == count
    assert kept.mean() == printed(mean)
    assert kept.std(ddof=1) == printed(sd)
    assert np.median(kept) == printed(median)
    k, lam = weibull(kept)
    assert k == printed(shape, rel=FITTED)
    assert lam == printed(scale, rel=FITTED)


def test_forming_is_censored_by_its_grid_and_its_first_step(forming, weibull, printed):
    flag = forming["censored"].values
    assert (flag == FLAG_LEFT).sum() == 208
    assert (flag == FLAG_INTERVAL).sum() == 8240
    assert (forming["success"] == 1).all()
    steps = forming["threshold"].values / 0.05
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert np.allclose(forming["threshold"].values[flag == FLAG_LEFT], 1.0)
    assert (~np.isclose(forming["v_wl"], 2.0)).sum() == 11
    k, lam = weibull([], np.nan_to_num(forming["lower"].values), forming["upper"].values)
    assert k == printed("11.57", rel=FITTED)
    assert lam == printed("3.195", rel=FITTED)


# --- cycling ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cycling(read):
    """Resistance by cell, cycle, and reading: HRS (polarity -1), then LRS (+1)."""
    return read(f"{FOLDER}-cycling.toml")


def test_two_readings_make_a_cycle(cycling):
    assert dict(cycling.sizes) == {"device": 136, "cycle": 100, "pulse": 2}
    assert np.isfinite(cycling["resistance"]).all()
    assert (cycling["polarity"] == [-1, 1]).all()
    np.testing.assert_allclose(cycling["conductance"], 1 / cycling["resistance"])
    high, low = (cycling["resistance"].isel(pulse=pulse) for pulse in (0, 1))
    assert high.size == 13600
    assert (high < low).sum() == 144


# Columns: reading, median, ln mean, ln sd, sd of cell means, pooled sd within cells, mean ac1 of the cells.
STATES = {
    "HRS": (0, "84238", "11.2758", "1.1849", "0.8936", "0.7857", "0.220"),
    "LRS": (1, "4980", "8.6109", "0.5160", "0.4416", "0.2708", "0.406"),
}


@pytest.mark.parametrize("name", STATES)
def test_states_of_cycling(cycling, ac1, printed, name):
    pulse, *numbers = STATES[name]
    resistance = cycling["resistance"].isel(pulse=pulse)
    logs = np.log(resistance.values)
    found = (
        np.median(resistance),
        logs.mean(),
        logs.std(ddof=1),
        logs.mean(axis=1).std(ddof=1),
        np.sqrt(logs.var(axis=1, ddof=1).mean()),
        np.mean([ac1(cell) for cell in logs]),
    )
    for value, text in zip(found, numbers, strict=True):
        assert value == printed(text)


def test_the_high_state_falls_with_cycling(cycling, printed):
    logs = np.log(cycling["resistance"].isel(pulse=0)).mean("device").values
    assert np.corrcoef(np.arange(100), logs)[0, 1] == printed("-0.897")
    assert np.exp(logs[:10].mean()) == printed("132", scale=1e3)
    assert np.exp(logs[-10:].mean()) == printed("62", scale=1e3)


# --- program and verify -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programmed(read):
    """One summary for each target window of each cell."""
    return read(f"{FOLDER}-ispp.toml")


def test_program_and_verify(programmed, printed):
    assert dict(programmed.sizes) == {"device": 256, "cycle": 1, "pulse": 8}
    assert programmed.attrs["num_rows_kept"] == 2048
    success = programmed["success"].values == 1
    assert success.mean() == printed("0.957")
    reads, sets, resets = (programmed[name].values for name in ("reads", "sets", "resets"))
    assert reads.mean() == printed("77.96")
    assert reads.std(ddof=1) == printed("92.60")
    assert sets.mean() == printed("58.80")
    assert resets.mean() == printed("19.43")
    assert (reads == sets + resets).mean() == printed("88 %")


def test_three_decimals_lose_the_current(read):
    """0.000 throughout: in ampere, small quantities vanish."""
    found = read(f"{FOLDER}-ispp.toml", columns={"current": "current"}, units={"current": "A"})
    assert (found["current"] == 0).all()


def test_no_bound_is_no_resistance(programmed, printed):
    masked = {name: one["count"] for name, one in json.loads(programmed.attrs["masked"]).items()}
    assert masked == {"target_low": 256, "target_high": 256}
    final, low, high = (programmed[name].values for name in ("r_final", "target_low", "target_high"))
    success = programmed["success"].values == 1
    inside = (np.isnan(low) | (final > low)) & (np.isnan(high) | (final < high))
    assert (inside == success).all()
    top = np.isnan(high)
    assert (low[top] == 80e3).all()
    assert np.unique(np.nan_to_num(low)).size == 8
    assert success[top].mean() == printed("0.785")


# --- relaxation ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def relaxation(read):
    """Every cell before and after the bake."""
    return read(f"{FOLDER}-relaxation.toml")


def test_relaxation_through_the_bake(relaxation, printed):
    assert dict(relaxation.sizes) == {"device": 1024, "time": 2}
    assert np.unique(relaxation["elapsed"]).tolist() == [0, 1800]
    before, after = relaxation["conductance"].values.T
    change = after - before
    assert change.mean() == printed("-8.702", scale=1e-6)
    assert change.std(ddof=1) == printed("14.983", scale=1e-6)
    assert np.median(change) == printed("-4.180", scale=1e-6)
    assert np.corrcoef(before, after)[0, 1] == printed("0.9807")


@pytest.mark.parametrize(("level", "sd"), [(50e-6, "21"), (200e-6, "3")])
def test_the_spread_of_relaxation_depends_on_the_level(relaxation, printed, level, sd):
    before, after = relaxation["conductance"].values.T
    near = np.abs(before - level) < 5e-6
    assert (after - before)[near].std(ddof=1) == printed(sd, scale=1e-6)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "description"),
    [
        ("form-5-23-20.csv", PULSES),
        ("set-sweep-ispp-step-0.01-5-26-20.csv", f"{FOLDER}-form.toml"),
        ("cycling-5-5-20.csv", f"{FOLDER}-ispp.toml"),
    ],
)
def test_another_width_than_the_schema_is_refused(folder, descriptions, file, description):
    with pytest.raises(ReadError, match=r"columns, but the schema names \d+ .* a log of another kind"):
        charz.read(folder / file, description=descriptions / description)


def test_six_columns_of_another_meaning_break_what_is_expected(folder, descriptions):
    """The SET ramps have six columns as well; only their bit-line voltage tells them apart."""
    with pytest.raises(ReadError, match=r"line 1: 'v_bl == 2.0' does not hold \(v_bl = 1.6"):
        charz.read(folder / "set-sweep-ispp-step-0.01-5-26-20.csv", description=descriptions / PULSES)


def test_the_threshold_must_be_said(folder):
    with pytest.raises(ReadError, match="--switched"):
        charz.read(
            folder / "fppv-sweep-1us-4-2-21.csv", "pulse_switching", schema=SIX, columns={"amplitude": "v_wl"}
        )


@pytest.mark.parametrize("name", ["width", "amplitude"])
def test_units_are_asked_for(folder, name):
    bare = ["trial", "width (ns)", "v_bl (V)", "v_wl (V)", "r_before", "r_after"]
    bare[{"width": 1, "amplitude": 3}[name]] = name
    columns = {"amplitude": "v_wl"} if name == "width" else {}
    with pytest.raises(UnitError, match=f"{name!r} is stated nowhere .* --unit {name}="):
        charz.read(
            folder / "fppv-sweep-1us-4-2-21.csv",
            "pulse_switching",
            schema=bare,
            columns=columns,
            switched="r_after < 20e3",
        )


def test_error_rates(folder, descriptions):
    """35 rows: six records, one for each number of bits a cell and each temperature."""
    dataset = charz.read(folder / "ber-time-temp.csv", description=descriptions / "rram-1t1r-radar-ber.toml")
    assert dataset["device"].values.tolist() == ["3 338", "3 358", "3 373", "2 338", "2 358", "2 373"]
    assert int(np.isfinite(dataset["error_rate"]).sum()) == 35
    assert dataset["elapsed"].attrs["units"] == "s"
    np.testing.assert_array_equal(np.nanmax(dataset["temperature"], axis=1), [338, 358, 373] * 2)
    assert (dataset["error_rate"].diff("time") > 0).sum() == 29, "every rate grows with time"
