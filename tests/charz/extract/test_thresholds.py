"""Thresholds of sweeps: rules, polarity, censoring, padding."""

import numpy as np
import pytest

from charz.errors import SchemaError
from charz.extract import extract


def cell(dataset, name, device=0, cycle=0):
    return dataset[name].values[device, cycle].item()


@pytest.fixture
def sweeps(build):
    """One cycle a row: voltages and currents, padded with NaN."""

    def make(*rows, compliance=None):
        size = max(len(volts) for volts, _ in rows)
        table = np.full((2, 1, len(rows), size), np.nan)
        for index, (volts, amps) in enumerate(rows):
            table[0, 0, index, : len(volts)] = volts
            table[1, 0, index, : len(amps)] = amps
        more = {} if compliance is None else {"compliance": ([compliance], "A")}
        return build("iv_sweep", voltage=(table[0], "V"), current=(table[1], "A"), **more)

    return make


UP_AND_BACK = ([0.0, 0.5, 1.0, 1.5, 1.0, 0.5, 0.0], [0.0, 1e-6, 6e-6, 7e-6, 5e-6, 1e-6, 0.0])


@pytest.mark.parametrize(
    ("options", "threshold", "lower", "upper", "flag", "before", "after"),
    [
        ({}, 1.0, 0.5, 1.0, 3, 1e-6, 6e-6),
        ({"at": "maximum-current"}, 1.5, 1.5, np.nan, 2, 6e-6, 7e-6),
        ({"at": "maximum-current", "limit": "2 V"}, 1.5, 1.0, 1.5, 3, 6e-6, 7e-6),
        # On the way back |V| falls from 1.0 to 0.5 V.
        ({"at": "largest-drop"}, 0.5, 0.5, 1.0, 3, 5e-6, 1e-6),
        ({"at": "level", "level": "5 uA"}, 1.0, 0.5, 1.0, 3, 1e-6, 6e-6),
        ({"at": "level", "level": "1 mA"}, 1.5, 1.5, np.nan, 2, np.nan, np.nan),
        ({"limit": "1 V"}, 1.0, 1.0, np.nan, 2, 1e-6, 6e-6),
        ({"limit": "0.8 V"}, 0.8, 0.8, np.nan, 2, 1e-6, 6e-6),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rules_and_bounds(sweeps, sign, options, threshold, lower, upper, flag, before, after):
    volts, amps = (sign * np.array(part) for part in UP_AND_BACK)
    result = extract(sweeps((volts, amps)), "thresholds", **options)
    found = [cell(result, name) for name in ("threshold", "lower", "upper", "censored", "polarity")]
    np.testing.assert_allclose(found, [threshold, lower, upper, flag, sign])
    currents = [cell(result, name) for name in ("current_before", "current_after")]
    np.testing.assert_allclose(currents, [sign * before, sign * after])


def test_met_at_the_first_point_is_left_censored(sweeps):
    result = extract(sweeps(([1.0, 2.0, 3.0], [5e-6, 1e-6, 1e-6])), "thresholds", at="level", level="1 uA")
    assert [cell(result, name) for name in ("threshold", "upper", "censored")] == [1.0, 1.0, 1]
    assert np.isnan(cell(result, "lower"))
    assert np.isnan(cell(result, "current_before"))
    assert cell(result, "current_after") == 5e-6


def test_no_increase_at_all_is_right_censored(sweeps):
    result = extract(sweeps(([0.0, 1.0, 2.0], [3e-6, 3e-6, 1e-6])), "thresholds")
    assert (cell(result, "threshold"), cell(result, "lower"), cell(result, "censored")) == (2.0, 2.0, 2)


def test_single_precision_readings_of_the_limit_are_at_the_limit(sweeps):
    volts = [0.0, 0.5, float(np.float32(0.7))]
    result = extract(sweeps((volts, [0.0, 0.0, 1e-6])), "thresholds", limit="0.7 V")
    assert volts[-1] < 0.7
    assert cell(result, "censored") == 2


def test_padding_and_absent_cycles(sweeps):
    short, long = ([0.0, 1.0, 2.0], [0.0, 1e-6, 1e-3]), UP_AND_BACK
    result = extract(sweeps(short, long, ([], [])), "thresholds", limit="3 V")
    np.testing.assert_array_equal(result["threshold"].values[0], [2.0, 1.0, np.nan])
    assert result["censored"].values[0].tolist() == [3, 3, 0]
    np.testing.assert_array_equal(result["polarity"].values[0], [1, 1, np.nan])
    assert "1 cells without such a sweep" in result.attrs["extract_rule"]


def test_a_gap_is_not_a_step(sweeps):
    volts, amps = [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1e-6, np.nan, 9e-6, 11e-6]
    result = extract(sweeps((volts, amps)), "thresholds", limit="5 V")
    assert (cell(result, "threshold"), cell(result, "lower")) == (4.0, 3.0)


def test_bipolar_sweeps_need_a_polarity(sweeps):
    volts = [0.0, 1.0, 2.0, 1.0, 0.0, -1.0, -2.0, -1.0, 0.0]
    amps = [0.0, 1e-6, 9e-6, 8e-6, 0.0, -4e-5, -5e-5, -1e-6, 0.0]
    dataset = sweeps((volts, amps))
    with pytest.raises(SchemaError, match="device a, cycle 0 goes from -2 to 2 V, both polarities"):
        extract(dataset, "thresholds")
    positive = extract(dataset, "thresholds", polarity="positive", limit="3 V")
    negative = extract(dataset, "thresholds", polarity="negative", limit="3 V")
    assert (cell(positive, "threshold"), cell(positive, "current_after")) == (2.0, 9e-6)
    assert (cell(negative, "threshold"), cell(negative, "current_after")) == (1.0, -4e-5)


def test_alternating_sweeps_take_their_own_polarity_or_the_chosen_one(sweeps):
    up, down = ([0.0, 1.0, 2.0], [0.0, 1e-6, 1e-3]), ([0.0, -1.0, -2.0], [0.0, -1e-3, -1e-3])
    dataset = sweeps(up, down)
    assert extract(dataset, "thresholds")["polarity"].values[0].tolist() == [1, -1]
    chosen = extract(dataset, "thresholds", polarity="negative")
    np.testing.assert_array_equal(chosen["threshold"].values[0], [np.nan, 1.0])
    with pytest.raises(SchemaError, match="no sweep has a negative voltage"):
        extract(sweeps(up), "thresholds", polarity="negative")


def test_a_measured_zero_of_the_other_sign_is_no_polarity(sweeps):
    result = extract(sweeps(([1e-6, -1.0, -2.0, -3.0], [1e-12, -1e-6, -1e-3, -1e-3])), "thresholds")
    assert (cell(result, "threshold"), cell(result, "polarity")) == (2.0, -1.0)


def test_compliance(sweeps):
    rows = [([0.0, 1.0], [0.0, amps]) for amps in (0.995e-3, 0.5e-3, 1e-3)]
    result = extract(sweeps(*rows, compliance=[1e-3, 1e-3, np.nan]), "thresholds")
    assert result["compliance_reached"].values[0].tolist() == [1, 0, -1]
    assert "compliance_reached" not in extract(sweeps(*rows), "thresholds")


@pytest.mark.parametrize("options", [{"at": "level"}, {"level": "1 uA"}])
def test_level_belongs_to_its_rule(sweeps, options):
    with pytest.raises(SchemaError, match="belongs to at = 'level', and only to it"):
        extract(sweeps(UP_AND_BACK), "thresholds", **options)
