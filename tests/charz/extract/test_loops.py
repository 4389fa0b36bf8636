"""Coercive fields and slopes of loops; drift of records."""

import numpy as np
import pytest

from charz.errors import SchemaError
from charz.extract import extract

ROUND = np.concatenate([np.linspace(5, -5, 201), np.linspace(-5, 5, 201)[1:]])


def tanh_loop(falling, rising, width, noise, rng, field=ROUND, turn=201):
    centre = np.where(np.arange(field.size) < turn, falling, rising)
    return 0.3 + 0.1 * np.tanh((field - centre) / width) + noise * rng.standard_normal(field.size)


def test_centres_are_recovered_within_their_errors(build):
    rng = np.random.default_rng(4)
    true = [-0.83, 1.21]
    signal = np.stack([tanh_loop(*true, 0.4, 0.01, rng) for _ in range(60)])[None]
    field = np.broadcast_to(ROUND, signal.shape).copy()
    result = extract(
        build("hysteresis", field=(field, "A/m"), signal=(signal, "V")), "coercivity", saturation="3 A/m"
    )
    assert result["device"].values.tolist() == ["a falling", "a rising"]
    assert result["loop"].values.tolist() == ["a"]
    scaled = (result["coercive_field_signed"].values - np.array(true)[:, None]) / result[
        "coercive_field_error"
    ].values
    # 60 standard normal numbers: mean within 4/sqrt(60), sd within 4/sqrt(120).
    assert np.all(np.abs(scaled.mean(axis=1)) < 0.52)
    assert np.all(np.abs(scaled.std(axis=1) - 1) < 0.37)
    widths = (result["switching_width"].values - 0.4) / result["switching_width_error"].values
    assert np.all(np.abs(widths.mean(axis=1)) < 0.52)
    np.testing.assert_allclose(result["residual_sd"].values, 0.01, rtol=0.25)
    np.testing.assert_allclose(result["noise_sd"].values, 0.01, rtol=0.25)
    np.testing.assert_allclose(result["saturation_difference"].values, 0.2, atol=0.008)
    assert (result["width_resolved"].values == 1).all()
    signed = result["coercive_field_signed"].values
    np.testing.assert_allclose(result["coercive_field"].values[0], (signed[1] - signed[0]) / 2)
    np.testing.assert_allclose(result["loop_shift"].values[0], (signed[1] + signed[0]) / 2)
    np.testing.assert_array_equal(result["threshold"].values, np.abs(signed))


def trip(start, *targets, step=0.05):
    legs = [np.array([start])]
    for target in targets:
        count = round(abs(target - legs[-1][-1]) / step) + 1
        legs.append(np.linspace(legs[-1][-1], target, count)[1:])
    return np.concatenate(legs)


@pytest.mark.parametrize(
    ("field", "outside"),
    [
        (ROUND, 0),
        (np.concatenate([[4.9, 4.95], ROUND]), 2),
        (trip(-5, 5, -5), 0),
        # A virgin curve belongs to neither branch.
        (trip(0, 5, -5, 5), 100),
        (trip(0, -5, 5, -5), 100),
    ],
)
def test_branches_wherever_the_record_begins(build, field, outside):
    rising = np.append(np.diff(field) > 0, False) | np.insert(np.diff(field) > 0, 0, False)
    signal = np.tanh((field - np.where(rising, 1.5, -0.5)) / 0.4)
    start = outside if outside > 2 else 0
    signal[:start] = 0.0
    dataset = build("hysteresis", field=(field[None, None], "arb"), signal=(signal[None, None], "arb"))
    result = extract(dataset, "coercivity")
    np.testing.assert_allclose(result["coercive_field_signed"].values.ravel(), [-0.5, 1.5], atol=1e-3)
    assert f"{outside} points before the first" in result.attrs["extract_rule"]
    assert "noise_sd" not in result


def test_a_width_below_the_step_is_a_bound(build):
    rng = np.random.default_rng(6)
    signal = tanh_loop(-0.83, 1.21, 0.01, 0.002, rng)
    dataset = build("hysteresis", field=(ROUND[None, None], "T"), signal=(signal[None, None], "V"))
    result = extract(dataset, "coercivity")
    np.testing.assert_allclose(result["field_step"].values, 0.05)
    assert (result["switching_width"].values < 0.05).all()
    assert (result["width_resolved"].values == 0).all()
    assert "upper bound" in result["switching_width"].attrs["comment"]
    np.testing.assert_allclose(result["coercive_field_signed"].values.ravel(), [-0.83, 1.21], atol=0.05)


def test_a_step_between_two_points_has_no_standard_error(build):
    signal = np.sign(ROUND - np.where(np.arange(ROUND.size) < 201, -0.825, 1.225))
    dataset = build("hysteresis", field=(ROUND[None, None], "T"), signal=(signal[None, None], "V"))
    result = extract(dataset, "coercivity")
    assert np.isnan(result["coercive_field_error"].values).all()
    assert np.isnan(result["switching_width_error"].values).all()
    assert (result["width_resolved"].values == 0).all()


def test_loops_of_several_devices_and_absent_cycles(build):
    rng = np.random.default_rng(8)
    field = np.full((2, 2, 420), np.nan)
    signal = field.copy()
    for device, cycle in ((0, 0), (0, 1), (1, 0)):
        field[device, cycle, : ROUND.size] = ROUND
        signal[device, cycle, : ROUND.size] = -tanh_loop(-1 - device, 1 + cycle, 0.3, 0.001, rng)
    dataset = build("hysteresis", field=(field, "V"), signal=(signal, "A"))
    result = extract(dataset, "coercivity", saturation="4 V")
    assert result["device"].values.tolist() == ["a falling", "a rising", "b falling", "b rising"]
    expected = [[-1, -1], [1, 2], [-2, np.nan], [1, np.nan]]
    np.testing.assert_allclose(result["coercive_field_signed"].values, expected, atol=0.01)
    np.testing.assert_allclose(
        result["saturation_difference"].values, [[-0.2, -0.2], [-0.2, np.nan]], atol=0.001
    )
    assert np.isnan(result["noise_sd"].values[1, 1])
    assert result["width_resolved"].values[3, 1] == 0


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_units_do_not_matter(build, factor):
    rng = np.random.default_rng(9)
    signal = tanh_loop(-0.83, 1.21, 0.4, 0.01, rng)
    dataset = build("hysteresis", field=(ROUND[None, None], "T"), signal=(signal[None, None], "V"))
    plain = extract(dataset, "coercivity")
    dataset["field"] = (dataset["field"] * factor).assign_attrs(dataset["field"].attrs)
    dataset["signal"] = (dataset["signal"] / factor).assign_attrs(dataset["signal"].attrs)
    scaled = extract(dataset, "coercivity")
    for name in ("coercive_field_signed", "coercive_field_error", "switching_width"):
        np.testing.assert_allclose(scaled[name].values, plain[name].values * factor, rtol=1e-5)


@pytest.mark.parametrize(
    ("field", "signal", "options", "message"),
    [
        (np.linspace(0, 5, 30), np.linspace(0, 1, 30), {}, "cycle 0 goes one way only"),
        (ROUND, np.zeros(ROUND.size), {}, "cycle 0, falling has 201 points, .* signals from 0 to 0"),
        (np.array([2.0, 1, 0, 1, 2]), np.array([2.0, 1, 0, 1, 2]), {}, "at least 8 points"),
        (ROUND, np.exp(ROUND), {}, "outside the swept field"),
        (ROUND, np.tanh(ROUND), {"saturation": "5 V"}, "fewer than two points beyond saturation = 5"),
    ],
)
def test_loops_that_do_not_switch(build, field, signal, options, message):
    dataset = build("hysteresis", field=(field[None, None], "V"), signal=(signal[None, None], "V"))
    with pytest.raises(SchemaError, match=message):
        extract(dataset, "coercivity", **options)


@pytest.fixture
def lines(build):
    """Two devices with two loops each; the last one is absent."""

    def make(slopes=(0.2, 0.5, 0.1), units=("V", "V"), noise=0.01):
        rng = np.random.default_rng(10)
        field = np.tile(np.append(np.linspace(-1, 1, 40), [np.nan, np.nan]), (2, 2, 1))
        table = np.array([[slopes[0], slopes[1]], [slopes[2], np.nan]])
        signal = 0.3 + table[..., None] * field + noise * rng.standard_normal(field.shape)
        field[1, 1] = np.nan
        return build("hysteresis", field=(field, units[0]), signal=(signal, units[1]))

    return make


def test_slopes_are_those_of_polyfit(lines):
    dataset = lines()
    result = extract(dataset, "slope")
    for device, cycle in ((0, 0), (0, 1), (1, 0)):
        h, y = (dataset[name].values[device, cycle, :40] for name in ("field", "signal"))
        assert result["slope"].values[device, cycle] == pytest.approx(np.polyfit(h, y, 1)[0])
        assert result["r_squared"].values[device, cycle] == pytest.approx(np.corrcoef(h, y)[0, 1] ** 2)
    assert result["num_points"].values.tolist() == [[40, 40], [40, 0]]
    assert np.isnan(result["slope"].values[1, 1])


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (("V", "V"), "1"),
        (("V", "A"), "S"),
        (("A", "V"), "ohm"),
        (("arb", "V"), "arb"),
        (("T", "1"), "1/T"),
        (("A/m", "V"), "V/(A/m)"),
    ],
)
def test_units_of_slopes(lines, units, expected):
    assert extract(lines(units=units), "slope")["slope"].attrs["units"] == expected


def test_divider(lines):
    result = extract(lines(noise=0.0), "slope", series_resistance="5 kohm")
    expected = [[0.2 / 0.8 / 5e3, 1 / 5e3], [0.1 / 0.9 / 5e3, np.nan]]
    np.testing.assert_allclose(result["conductance"].values, expected)
    assert result.attrs["experiment"] == "hysteresis"


def test_a_series_of_loops_is_a_retention_curve(lines):
    result = extract(lines(noise=0.0), "slope", series_resistance="5 kohm", interval="1 min")
    assert result.attrs["experiment"] == "retention"
    assert result["elapsed"].values.tolist() == [[0, 60], [0, 60]]
    np.testing.assert_allclose(result["conductance"].values[0], [0.2 / 0.8 / 5e3, 1 / 5e3])
    assert result["r_squared"].dims == ("device", "time")


def test_loops_that_were_not_recorded_leave_a_gap_in_time(lines):
    dataset = lines(noise=0.0).assign_coords(cycle=[1, 30])
    result = extract(dataset, "slope", series_resistance="5 kohm", interval="60 s")
    assert result["elapsed"].values.tolist() == [[0, 1740], [0, 1740]]


def test_a_constant_signal_has_slope_zero_and_no_r_squared(lines):
    result = extract(lines(slopes=(0.0, 0.0, 0.0), noise=0.0), "slope")
    assert result["slope"].values[0, 0] == pytest.approx(0)
    assert np.isnan(result["r_squared"].values[0, 0])


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        ({}, {"interval": "60 s"}, "needs series_resistance too"),
        ({"units": ("A/m", "V")}, {"series_resistance": "1 kohm"}, "'field' has the unit 'A/m'"),
        ({"units": ("V", "1")}, {"series_resistance": "1 kohm"}, "'signal' has the unit '1'"),
        (
            {"slopes": (0.5, 1.5, 0.1)},
            {"series_resistance": "1 kohm"},
            r"slope = 1\.\d+ of device a, cycle 1",
        ),
    ],
)
def test_slopes_that_are_no_divider(lines, make, options, message):
    with pytest.raises(SchemaError, match=message):
        extract(lines(**make), "slope", **options)


def test_a_constant_field_has_no_slope(lines):
    dataset = lines()
    dataset["field"][0, 1, :40] = 2.0
    with pytest.raises(SchemaError, match="the field of device a, cycle 1 is constant over its 40 points"):
        extract(dataset, "slope")


@pytest.fixture
def record(build):
    def make(*rows, name="resistance", unit="ohm", kind="retention"):
        size = max(map(len, rows))
        table = np.stack(
            [np.pad(np.array(row, float), (0, size - len(row)), constant_values=np.nan) for row in rows]
        )
        more = (
            {"elapsed": (np.tile(np.arange(float(size)), (len(rows), 1)), "s")} if kind == "retention" else {}
        )
        return build(kind, **{name: (table, unit)}, **more)

    return make


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [("resistance", "ohm", "retention"), ("conductance", "S", "retention"), ("signal", "ohm", "telegraph")],
)
def test_drift(record, name, unit, kind):
    dataset = record([np.nan, 2, 4, np.nan, 5, 8], [1, 1, 10, 1000], name=name, unit=unit, kind=kind)
    result = extract(dataset, "drift_ratio", last=2, first=2)
    np.testing.assert_allclose(result["drift_ratio"].values, [6.5 / 3, 505.0])
    np.testing.assert_allclose(result["log_drift"].values, [np.log(40 / 8) / 2, np.log(1e4) / 2])
    assert result.attrs["experiment"] == kind


def test_by_default_the_last_fifty_against_the_first(record):
    values = np.arange(1.0, 201.0)
    result = extract(record(values), "drift_ratio")
    assert result["drift_ratio"].item() == pytest.approx(values[-50:].mean())


def test_values_without_logarithm(record):
    result = extract(record([2, -1, 3, 4], [2, 3, -4, 8]), "drift_ratio", last=2)
    np.testing.assert_allclose(result["drift_ratio"].values, [3.5 / 2, 1.0])
    np.testing.assert_allclose(result["log_drift"].values, [np.log(12) / 2 - np.log(2), np.nan])
    assert "not defined for 1 of 2 devices" in result.attrs["extract_rule"]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [[1, 2, 3], [1, 2]],
            {"last": 2},
            "device b has 2 values, fewer than the first 1 and last 2 together",
        ),
        ([[0, 2, 3]], {"last": 2}, "device a have the mean 0"),
        ([[1, 2, 3]], {"last": 2, "of": "conductance"}, "of = 'conductance' is not valid"),
    ],
)
def test_records_without_drift(record, rows, options, message):
    with pytest.raises(SchemaError, match=message):
        extract(record(*rows), "drift_ratio", **options)


def test_resistance_and_conductance_need_a_choice(record):
    dataset = record([1.0, 2.0])
    dataset["conductance"] = (1 / dataset["resistance"]).assign_attrs(units="S", long_name="conductance")
    with pytest.raises(SchemaError, match="say which with of"):
        extract(dataset, "drift_ratio", last=1)
    assert extract(dataset, "drift_ratio", last=1, of="conductance")["drift_ratio"].item() == 0.5


@pytest.mark.parametrize(
    ("unit", "options", "message"),
    [
        ("V", {}, "'signal' has the unit 'V'; valid is ohm or S"),
        ("ohm", {"of": "resistance"}, "belongs to retention"),
    ],
)
def test_telegraph_signals_that_do_not_drift(record, unit, options, message):
    dataset = record([1.0, 2.0, 3.0], name="signal", unit=unit, kind="telegraph")
    with pytest.raises(SchemaError, match=message):
        extract(dataset, "drift_ratio", last=1, **options)
