"""Every check fires on data that have its fault, with the numbers of the fault, and is silent on clean data."""

import json

import numpy as np
import pytest

from charz.datachecks import CHECKS, check_data
from charz.errors import SchemaError
from charz.kinds import FLAG_LEFT, KINDS

rng = np.random.default_rng(7)


def autoregressive(shape, memory):
    values = rng.standard_normal(shape)
    for index in range(1, shape[-1]):
        values[..., index] = memory * values[..., index - 1] + (1 - memory**2) ** 0.5 * values[..., index]
    return values


def states(devices, samples, rate=0.1):
    return np.cumsum(rng.random((devices, samples)) < rate, axis=1) % 2


def noisy(values, noise=0.1):
    return values + noise * rng.standard_normal(np.shape(values))


def with_value(values, index, value):
    changed = np.array(values, dtype=float)
    changed[index] = value
    return changed


def even(samples, devices=3, step=1e-3):
    return np.tile(np.arange(samples) * step, (devices, 1))


TRACE = noisy(states(3, 1000))
THRESHOLD = 1 + 0.1 * rng.standard_normal((4, 100))
LIMITED = np.minimum(THRESHOLD, 1.12)
ELAPSED = np.tile(np.logspace(0, 4, 200), (3, 1))
RESISTANCE = 1e4 * (1 + 0.01 * rng.standard_normal((3, 200)))
UP_AND_DOWN = np.concatenate([np.arange(1, 11), np.arange(10, 0, -1)]) * np.ones((3, 4, 1)) * 1e-6
CURVE = np.tile(np.linspace(0.2, 1.0, 9), (4, 1))
FIFTY = np.full((4, 9), 50)
INPUTS = rng.uniform(-1, 1, (300, 4))
OUTPUT = 1e-9 * rng.standard_normal(300)
SINE = np.sin(2 * np.pi * np.arange(401) / 400) * np.ones((2, 3, 1))
CURRENT = 1e-3 * SINE + 1e-6 * rng.standard_normal(SINE.shape)
CHANCE = ("serial_correlation", "drift", "effective_samples", "devices")

# check, kind, what is changed, attributes, words of the finding
CASES = {
    "gap": ("sampling", "telegraph", {"signal": TRACE, "elapsed": even(1000) + 0.5 * (np.arange(1000) > 400)},
            {}, ("3 steps above 1.5 x the median step of 0.001 s", "0.501 s", "samples are missing")),
    "gap in retention": ("sampling", "retention", {
        "resistance": RESISTANCE, "elapsed": 1 + even(200, step=1.0) + 9.0 * (np.arange(200) > 50)},
            {}, ("the longest 10 s",)),
    "rounded stamps": ("sampling", "telegraph", {
        "signal": TRACE, "elapsed": np.round(even(1000, step=0.12551), 2)},
            {}, ("mean 0.1255 s, median 0.13 s", "use the mean step")),
    "equal stamps": ("time_order", "telegraph", {
        "signal": TRACE, "elapsed": np.floor(even(1000, step=1.0) / 2)},
            {}, ("500 of 1000 time stamps equal the one before",)),
    "setting twice": ("duplicates", "pulse_switching", {
        "amplitude": with_value(CURVE, (1, 4), CURVE[1, 3]), "width": np.full((4, 9), 1e-7)},
            {}, ("1 of 4 devices: d1", "1 settings more", "amplitude 0.5 V, width 1e-07 s 2 times")),
    "inputs twice": ("duplicates", "transfer", {
        "voltage": np.concatenate([INPUTS[:200], INPUTS[:100]]), "current": OUTPUT},
            {}, ("100 of 300 rows of inputs", "A")),
    "clipped signal": ("saturation", "telegraph", {"signal": np.minimum(TRACE, 1.1)},
            {}, ("readings exactly at the largest value, 1.1 V",)),
    "clipped below": ("saturation", "transfer", {"voltage": INPUTS, "current": np.maximum(OUTPUT, -1e-9)},
            {}, ("exactly at the smallest value, -1e-09 A",)),
    "saturated loop": ("saturation", "hysteresis", {"signal": np.round(np.tanh(40 * SINE), 12), "field": SINE},
            {}, ("exactly at the largest value, 1 V",)),
    "compliance": ("saturation", "iv_sweep", {
        "voltage": SINE, "current": np.clip(CURRENT, -5e-4, 5e-4), "compliance": np.full((2, 3), 5e-4)},
            {}, ("points at the stated compliance",)),
    "overload": ("sentinels", "telegraph", {"signal": with_value(TRACE, (1, slice(5, 9)), -4.95e29)},
            {}, ("1 of 3 devices: d1", "4 values, for example -4.95e+29 V")),
    "far and alone": ("sentinels", "ramp_switching", {"threshold": with_value(THRESHOLD, (0, 3), 1e8)},
            {}, ("1 values, for example 1e+08 V; the median is", "mask them by a rule")),
    "no resistance": ("sentinels", "retention", {
        "resistance": with_value(RESISTANCE, (2, 7), 0.0), "elapsed": ELAPSED},
            {}, ("d2", "for example 0 ohm")),
    "tiny resistance": ("sentinels", "retention", {
        "resistance": with_value(RESISTANCE, (2, 7), 2.02e-31), "elapsed": ELAPSED},
            {}, ("for example 2.02e-31 ohm",)),
    "no bound": ("sentinels", "retention", {
        "resistance": with_value(RESISTANCE * 1e4, (0, 7), 1e10), "elapsed": ELAPSED},
            {}, ("for example 1e+10 ohm",)),
    "masked": ("masked", "telegraph", {},
            {"masked": json.dumps({"signal": {"rule": "abs(signal) > 1", "count": 17}})},
            ("17 values masked by the rule 'abs(signal) > 1'",)),
    "masked, unreadable": ("masked", "telegraph", {}, {"masked": "17 values"}, ("'17 values'", "cannot be told")),
    "stimulus": ("stimulus_only", "telegraph", {"signal": states(3, 200).astype(float)},
            {}, ("2 distinct values in 200 points",)),
    "few levels": ("quantisation", "hysteresis", {"field": SINE, "signal": np.round(noisy(SINE, 0.1), 1)},
            {}, ("0.1 V apart; noise", "step/sqrt(12)")),
    "coarse ramp": ("quantisation", "ramp_switching", {"threshold": np.round(THRESHOLD * 20) / 20},
            {}, ("0.05 V apart", "interval-censored")),
    "limit": ("unflagged_limit", "ramp_switching", {"threshold": LIMITED},
            {}, ("4 of 4 devices", "at exactly the largest value, 1.12 V", "mark as censored (right)")),
    "limit that few devices reach": ("unflagged_limit", "ramp_switching", {
        "threshold": with_value(THRESHOLD, ([0, 1, 2], [5, 6, 7]), 2.5)},
            {}, ("3 of 4 devices", "2.5 V")),
    "first step": ("unflagged_limit", "ramp_switching", {"threshold": with_value(THRESHOLD, (1, slice(0, 5)), 0.2)},
            {}, ("1 of 4 devices: d1", "5 cycles at exactly the smallest value, 0.2 V", "(left)")),
    "left-censored few": ("left_censored", "ramp_switching", {
        "threshold": with_value(THRESHOLD, (2, slice(0, 5)), 0.2),
        "censored": with_value(np.zeros((4, 100)), (2, slice(0, 5)), FLAG_LEFT).astype(int)},
            {}, ("d2", "5 of 100 thresholds are left-censored")),
    "never": ("pulse_events", "pulse_switching", {"num_switched": with_value(FIFTY, 3, 0).astype(int)},
            {}, ("d3", "no pulse switched it (0 of 450 trials)")),
    "always": ("pulse_events", "pulse_switching", {"num_switched": FIFTY},
            {}, ("4 of 4 devices", "every pulse switched it")),
    "step": ("pulse_events", "pulse_switching", {"num_switched": np.where(CURVE > 0.55, 50, 0)},
            {}, ("no setting between 5 % and 95 %",)),
    "few trials": ("pulse_events", "pulse_switching", {
        "num_trials": np.full((4, 9), 4), "num_switched": np.tile([0, 0, 0, 1, 2, 3, 4, 4, 4], (4, 1))},
            {}, ("median of 4 trials a setting; the standard error of a fraction is 0.25",)),
    "few cycles": ("cycle_events", "ramp_switching", {"threshold": THRESHOLD[:, :9], "censored": None},
            {}, ("9 thresholds that are not censored",)),
    "few switches": ("switch_events", "telegraph", {
        "signal": noisy(np.tile(np.arange(2000) // 500 % 2, (4, 1)))}, {}, ("3 switches; 10 are the least",)),
    "one device": ("devices", "telegraph", {"signal": TRACE[:1], "elapsed": None}, {}, ("1 device; 3 are",)),
    "short retention": ("decades", "retention", {
        "elapsed": np.tile(np.linspace(10, 60, 200), (3, 1)), "resistance": RESISTANCE},
            {}, ("0.78 decades of time, up to 60 s",)),
    "memory": ("serial_correlation", "ramp_switching", {"threshold": 1 + 0.1 * autoregressive((4, 100), 0.6)},
            {}, ("i.i.d. standard errors are too small by sqrt((1+r)/(1-r))",)),
    "weak memory of many": ("serial_correlation", "ramp_switching", {
        "threshold": 1 + 0.1 * autoregressive((200, 40), 0.15), "censored": None},
            {}, ("mean of all 0.1",)),
    "anticorrelation": ("serial_correlation", "ramp_switching", {
        "threshold": 1 + 0.1 * autoregressive((4, 400), -0.5), "censored": None}, {}, ("too large by",)),
    "memory of samples": ("serial_correlation", "transfer", {
        "voltage": INPUTS, "current": 1e-9 * autoregressive((300,), 0.9)}, {}, ("between 300 samples",)),
    "memory of trains": ("serial_correlation", "pulse_train", {
        "conductance": 1e-6 * (5 + autoregressive((3, 100), 0.8)[..., None] + rng.random((3, 100, 20))),
        "polarity": None}, {}, ("mean conductance of a cycle",)),
    "trace": ("effective_samples", "telegraph", {}, {}, ("2000 samples are worth at most",)),
    "drift": ("drift", "ramp_switching", {"threshold": THRESHOLD + np.linspace(0, 0.3, 100)},
            {}, ("in the first 10 cycles", "standard errors")),
    "drift of a loop": ("drift", "iv_sweep", {
        "voltage": SINE[:, :1] * np.ones((2, 40, 1)),
        "current": CURRENT[:, :1] * np.linspace(1, 2, 40)[None, :, None]}, {}, ("mean |current| of a cycle",)),
    "two trains": ("reversal", "pulse_train", {"conductance": UP_AND_DOWN, "polarity": None},
            {}, ("rises up to pulse 10, then falls", "12 of 12 cycles")),
    "two trains, one polarity": ("reversal", "pulse_train", {
        "conductance": 3e-5 - UP_AND_DOWN, "polarity": np.ones((3, 4, 20))}, {}, ("falls up to pulse 10",)),
    "one level": ("levels", "telegraph", {"signal": rng.standard_normal((4, 2000))},
            {}, ("noise sd apart (one normal peak gives 2.7)", "one broad peak")),
    "three levels": ("levels", "telegraph", {"signal": noisy(rng.integers(0, 3, (4, 2000)), 0.05)},
            {}, ("4 of 4 devices", "more than two levels")),
    "occupancy": ("stationarity", "telegraph", {
        "signal": noisy(rng.random((4, 2000)) < np.where(np.arange(2000) < 1000, 0.7, 0.3))},
            {}, ("of the first half", "standard errors")),
    "collinear": ("inputs", "transfer", {
        "voltage": np.c_[INPUTS, INPUTS[:, :1] - 2 * INPUTS[:, 1:2]], "current": OUTPUT}, {}, ("rank 5 of 6",)),
    "constant electrode": ("inputs", "transfer", {
        "voltage": with_value(INPUTS, (slice(None), 2), 0.3), "current": OUTPUT},
            {}, ("rank 4 of 5", "1 of them never changed")),
    "nearly collinear": ("inputs", "transfer", {
        "voltage": np.c_[INPUTS, INPUTS[:, 0] + 1e-4 * OUTPUT * 1e9], "current": OUTPUT}, {}, ("condition number",)),
    "one polarity": ("loops", "iv_sweep", {"voltage": np.abs(SINE), "current": np.abs(CURRENT)},
            {}, ("voltage from 0 V to 1 V: one polarity",)),
    "cut loop": ("loops", "hysteresis", {"field": SINE[..., :220], "signal": noisy(SINE[..., :220], 0.01)},
            {}, ("field begins at 0 A/m and ends at -0.294 A/m", "one branch is cut")),
    "open loop": ("loops", "hysteresis", {
        "field": SINE, "signal": noisy(SINE + np.linspace(0, 0.3, 401), 0.01)}, {}, ("does not close",)),
    "offset": ("loops", "iv_sweep", {"voltage": SINE, "current": CURRENT + 3e-4},
            {}, ("current 0.0003", "at zero voltage", "offset of the instrument")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_found(simulate, case):
    check, kind, changes, attrs, words = CASES[case]
    if kind == "telegraph" and "signal" in changes and "elapsed" not in changes:
        changes = {**changes, "elapsed": None}
    if kind == "ramp_switching" and "threshold" in changes and "censored" not in changes:
        changes = {**changes, "censored": np.zeros(changes["threshold"].shape, dtype=int)}
    found = [
        finding for finding in check_data(simulate(kind, attrs=attrs, **changes)) if finding.check == check
    ]
    assert found, f"{check} saw nothing"
    text = " | ".join(" ".join(finding) for finding in found)
    for word in words:
        assert word in text


def test_every_check_has_a_case():
    assert {case[0] for case in CASES.values()} == set(CHECKS)


@pytest.mark.parametrize("kind", KINDS)
def test_clean_data_cause_no_alarm(simulate, kind):
    """Of 200 clean datasets a check may alarm as often as chance does: 0.54 % each, so 5 of 200 is p < 0.6 %."""
    alarms = {}
    for seed in range(200):
        for name in {finding.check for finding in check_data(simulate(kind, seed))} - {"effective_samples"}:
            alarms[name] = alarms.get(name, 0) + 1
    assert all(count <= 4 for count in alarms.values()), alarms
    assert set(alarms) <= set(CHANCE) | {"stationarity", "loops"}, alarms


@pytest.mark.parametrize("shape", [(1, 1000), (100, 30), (1000, 12)])
def test_many_devices_alarm_no_more_often_than_one(simulate, shape):
    alarms = {"serial_correlation": 0, "drift": 0, "unflagged_limit": 0}
    for seed in range(200):
        values = np.random.default_rng([seed, *shape]).lognormal(0, 0.5, shape)
        found = check_data(simulate("ramp_switching", threshold=values, censored=None))
        for name in alarms.keys() & {finding.check for finding in found}:
            alarms[name] += 1
    assert max(alarms.values()) <= 4, alarms


def test_memory_without_drift_is_no_drift(simulate):
    alarms = 0
    for _ in range(200):
        values = 1 + 0.1 * autoregressive((1, 400), 0.8)
        found = check_data(simulate("ramp_switching", threshold=values, censored=None))
        alarms += "drift" in {finding.check for finding in found}
    assert alarms <= 4


def test_a_polarity_that_changes_explains_a_reversal(simulate):
    polarity = np.where(np.arange(20) < 10, 1.0, -1.0) * np.ones((3, 4, 1))
    for change in ({"polarity": polarity}, {"polarity": None, "amplitude": polarity}):
        found = check_data(simulate("pulse_train", conductance=UP_AND_DOWN, **change))
        assert "reversal" not in {finding.check for finding in found}


def test_flagged_limits_are_silent(simulate):
    censored = np.where(LIMITED == 1.12, 2, 0)
    found = check_data(simulate("ramp_switching", threshold=LIMITED, censored=censored))
    assert "unflagged_limit" not in {finding.check for finding in found}


def test_padding_changes_nothing(simulate):
    for kind, name in (
        ("telegraph", "signal"),
        ("ramp_switching", "threshold"),
        ("pulse_train", "conductance"),
    ):
        plain = simulate(kind)
        values = plain[name].values + 0.5 * np.ptp(plain[name].values) * np.linspace(
            0, 1, plain[name].shape[1]
        ).reshape(1, -1, *[1] * (plain[name].ndim - 2))
        dim = plain[name].dims[-1]
        drifting = plain.assign({name: plain[name].copy(data=values)})
        padded = drifting.pad({dim: (0, 37)})
        if "censored" in padded:
            padded["censored"] = (
                padded["censored"].fillna(0).astype(int).assign_attrs(plain["censored"].attrs)
            )
        assert check_data(drifting) == check_data(padded)


def test_warnings_come_first(simulate):
    found = check_data(
        simulate("ramp_switching", threshold=LIMITED[:1], censored=np.zeros((1, 100), dtype=int))
    )
    severities = [finding.severity for finding in found]
    assert severities == sorted(severities, reverse=True)
    assert set(severities) == {"note", "warning"}


@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_data_are_no_error(simulate, kind):
    plain = simulate(kind)
    last = plain[KINDS[kind].variables[0].name].dims[-1]
    for size in (1, 2, 3):
        check_data(plain.isel({last: slice(0, size)}))
    variable = next(
        name
        for name in ("num_switched", "threshold", "signal", "conductance", "current", "resistance")
        if name in plain
    )
    constant = plain.assign({variable: plain[variable] * 0 + (1 if variable != "num_switched" else 0)})
    for name in (variable,):
        constant[name].attrs.update(plain[name].attrs)
    check_data(constant)
    if plain[variable].dtype.kind == "f":
        check_data(plain.assign({variable: plain[variable].where(plain[variable] > np.inf)}))


def test_a_dataset_of_no_kind_is_refused(simulate):
    with pytest.raises(SchemaError, match="no kind that charz knows"):
        check_data(simulate("telegraph").assign_attrs(experiment="telegraf"))
