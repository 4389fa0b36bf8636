"""Ramps out of pulse logs, and censoring of logs that hold last steps only."""

import numpy as np
import pytest

from charz.errors import SchemaError
from charz.extract import extract

LOW, HIGH = 1e-6, 1e-4


@pytest.fixture
def log(build):
    """Pulses of each device in one record: (drive, switched after it, switched before it)."""

    def make(*devices, cycles=1, **more):
        size = max(len(pulses) for pulses in devices)
        table = np.full((3, len(devices), cycles, size), np.nan)
        for index, pulses in enumerate(devices):
            table[:, index, 0, : len(pulses)] = np.array(pulses, dtype=float).T
        conductance = np.where(table[1] == 1, HIGH, np.where(table[1] == 0, LOW, np.nan))
        return build(
            "pulse_train",
            conductance=(conductance, "S"),
            amplitude=(table[0], "V"),
            switched=(table[1], "1"),
            before=(table[2], "1"),
            **more,
        )

    return make


def rows(result, name, device=0):
    return result[name].values[device].tolist()


OPTIONS = {"crossed": "switched == 1", "started": "before == 1"}


def test_censoring_of_each_kind(log):
    pulses = [
        (1.0, 0, 0), (1.1, 0, 0), (1.2, 1, 0),  # interval
        (1.0, 1, 0), (1.1, 1, 1),  # crossed at the first step: left
        (1.0, 1, 1), (1.1, 1, 1),  # started: left
        (1.0, 0, 1), (1.1, 1, 0),  # started, came back, crossed later: left
        (1.0, 0, 0), (1.3, 0, 0),  # never: right
        (1.0, 0, 1), (1.1, 0, 0),  # started, never seen switched: at the first drive
    ]  # fmt: skip
    result = extract(log(pulses), "ramps", **OPTIONS)
    assert rows(result, "censored") == [3, 1, 1, 1, 2, 1]
    assert rows(result, "threshold") == [1.2, 1.0, 1.0, 1.1, 1.3, 1.0]
    np.testing.assert_array_equal(rows(result, "lower"), [1.1, np.nan, np.nan, np.nan, 1.3, np.nan])
    np.testing.assert_array_equal(rows(result, "upper"), [1.2, 1.0, 1.0, 1.1, np.nan, 1.0])
    assert rows(result, "started") == [0, 0, 1, 1, 0, 1]
    assert rows(result, "num_pulses") == [3, 2, 2, 2, 2, 2]
    assert result["cycle"].values.tolist() == [1, 2, 3, 4, 5, 6]
    assert "6 ramps: 4 left-, 1 right-, 1 interval-censored" in result.attrs["extract_rule"]


def test_without_a_start_rule_nothing_is_started(log):
    result = extract(log([(1.0, 0, 1), (1.1, 1, 0)]), "ramps", crossed="conductance > 5e-5")
    assert (rows(result, "started"), rows(result, "censored")) == ([0], [3])


def test_the_start_rule_looks_at_first_pulses_only(log):
    pulses = [(1.0, 0, 0), (1.1, 0, 1), (1.2, 1, np.nan)]
    assert rows(extract(log(pulses), "ramps", **OPTIONS), "started") == [0]


def test_returns_are_counted_after_the_first_crossing_within_the_ramp(log):
    switched = [0, 1, 0, 0, 1, 1, 0]
    first = [(1 + 0.1 * n, state, 0) for n, state in enumerate(switched)]
    second = [(1.0, 1, 0), (1.1, 1, 1)]
    result = extract(log([*first, *second, (1.0, 0, 0)]), "ramps", **OPTIONS)
    assert rows(result, "num_returns") == [2, 0, 0]


def test_pulses_repeated_at_one_drive_are_one_step(log):
    pulses = [(1.0, 0, 0), (1.0, 0, 0), (1.1, 0, 0), (1.1, 1, 0), (1.0, 0, 0), (1.0, 1, 0)]
    result = extract(log(pulses), "ramps", **OPTIONS)
    assert rows(result, "num_pulses") == [4, 2]
    assert rows(result, "censored") == [3, 1]
    assert (rows(result, "lower")[0], rows(result, "upper")[0]) == (1.0, 1.1)


def test_ragged_devices_are_padded(log):
    one = [(1.0, 0, 0), (1.1, 1, 0)]
    result = extract(log(one * 3, one), "ramps", **OPTIONS)
    np.testing.assert_array_equal(rows(result, "threshold", 1), [1.1, np.nan, np.nan])
    for name in ("censored", "num_pulses", "num_returns", "started"):
        assert rows(result, name, 1)[1:] == [0, 0]


def test_cycles_of_a_device_are_ramps_one_after_the_other(log):
    dataset = log([(1.0, 0, 0), (1.1, 1, 0), (1.2, 1, 0)], cycles=2)
    for name in ("amplitude", "conductance", "switched", "before"):
        dataset[name][0, 1] = dataset[name][0, 0]
    dataset["amplitude"][0, 1] += 1
    # Cycle 1 goes on where cycle 0 ended, upwards, and is a ramp of its own all the same.
    assert rows(extract(dataset, "ramps", **OPTIONS), "threshold") == [1.1, 2.1]


def test_negative_ramps_by_magnitude(log):
    pulses = [(-1.0, 0, 0), (-1.1, 0, 0), (-1.2, 1, 0), (-1.0, 0, 0), (-1.1, 1, 0)]
    assert rows(extract(log(pulses), "ramps", **OPTIONS), "threshold") == [1.2, 1.1]


def test_another_drive(log, build):
    dataset = log([(1.0, 0, 0), (1.0, 1, 0)])
    dataset["field"] = dataset["amplitude"] * 0 + [10.0, 20.0]
    dataset["field"].attrs = {"units": "A/m", "long_name": "field"}
    result = extract(dataset, "ramps", **OPTIONS, drive="field")
    assert rows(result, "threshold") == [20.0]
    assert result["threshold"].attrs["units"] == "A/m"
    with pytest.raises(SchemaError, match=r"'fild' is no drive.*did you mean 'field'"):
        extract(dataset, "ramps", **OPTIONS, drive="fild")
    with pytest.raises(SchemaError, match="'switched' is no drive"):
        extract(dataset, "ramps", **OPTIONS, drive="switched")


@pytest.mark.parametrize(
    ("amplitude", "message"),
    [
        (
            [1.0, np.nan, 1.2],
            "amplitude is NaN at device a, cycle 0, pulse 1 although there is a conductance",
        ),
        ([1.0, -1.1, 1.2], "both signs, from -1.1 to 1.2"),
    ],
)
def test_drives_that_are_no_ramp(log, amplitude, message):
    dataset = log([(1.0, 0, 0), (1.1, 0, 0), (1.2, 1, 0)])
    dataset["amplitude"][0, 0] = amplitude
    with pytest.raises(SchemaError, match=message):
        extract(dataset, "ramps", **OPTIONS)


def test_no_pulse_at_all(log):
    dataset = log([(1.0, 0, 0)])
    dataset["amplitude"][:] = np.nan
    dataset["conductance"][:] = np.nan
    with pytest.raises(SchemaError, match="NaN throughout"):
        extract(dataset, "ramps", **OPTIONS)


@pytest.fixture
def last_steps(build):
    return build(
        "ramp_switching",
        threshold=([[1.0, 2.0, 2.5, np.nan], [1.5, 2.5, 1.0, 1.0]], "V"),
        success=([[1.0, 1.0, 0.0, np.nan], [1.0, 1.0, 1.0, 1.0]], "1"),
    )


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"left": "threshold <= 1.0"}, [[1, 0, 0, 0], [0, 0, 1, 1]]),
        ({"right": "success == 0"}, [[0, 0, 2, 0], [0, 0, 0, 0]]),
        ({"step": "500 mV"}, [[3, 3, 3, 0], [3, 3, 3, 3]]),
        (
            {"left": "threshold <= 1.0", "right": "threshold >= 2.5", "step": "0.5 V"},
            [[1, 3, 2, 0], [3, 2, 1, 1]],
        ),
    ],
)
def test_flags_of_last_steps(last_steps, options, flags):
    result = extract(last_steps, "censoring", **options)
    flag, threshold = result["censored"].values, last_steps["threshold"].values
    assert flag.tolist() == flags
    lower = np.select([flag == 2, flag == 3], [threshold, threshold - 0.5], np.nan)
    np.testing.assert_array_equal(result["lower"].values, lower)
    np.testing.assert_array_equal(result["upper"].values, np.where(np.isin(flag, (1, 3)), threshold, np.nan))
    np.testing.assert_array_equal(result["threshold"].values, threshold)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "at least one of the options"),
        (
            {"left": "threshold > 2", "right": "threshold > 2.4"},
            "threshold = 2.5 V of device a, cycle 2 is left",
        ),
        ({"step": "0 V"}, "must be above zero"),
    ],
)
def test_flags_that_cannot_be(last_steps, options, message):
    with pytest.raises(SchemaError, match=message):
        extract(last_steps, "censoring", **options)


def test_flags_are_not_overwritten(last_steps):
    flagged = extract(last_steps, "censoring", left="threshold <= 1.0")
    with pytest.raises(SchemaError, match="censored thresholds already"):
        extract(flagged, "censoring", step="0.5 V")
    unflagged = extract(last_steps, "censoring", left="threshold <= 0.1")
    assert extract(unflagged, "censoring", step="0.5 V")["censored"].values[0].tolist() == [3, 3, 3, 0]
