"""Increments of pulse trains, and conductances of sweeps at a read voltage."""

import numpy as np
import pytest

from charz.errors import SchemaError
from charz.extract import extract

DIMS = ("device", "cycle", "pulse")


def test_increments_stay_within_a_cycle(build):
    rng = np.random.default_rng(2)
    after = rng.uniform(1e-6, 1e-5, (2, 3, 5))
    after[1, 2, 3:] = np.nan
    result = extract(build("pulse_train", conductance=(after, "S")), "increments")
    expected = np.full_like(after, np.nan)
    expected[..., 1:] = after[..., 1:] - after[..., :-1]
    np.testing.assert_array_equal(result["increment"].values, expected)
    np.testing.assert_array_equal(result["conductance_before"].values[..., 1:], after[..., :-1])
    assert np.isnan(result["conductance_before"].values[..., 0]).all()
    assert "polarity" not in result


def test_a_measured_conductance_before_is_used(build):
    after, before = np.array([[[2e-6, 5e-6]]]), np.array([[[1e-6, 3e-6]]])
    dataset = build("pulse_train", conductance=(after, "S"), conductance_before=(before, "S"))
    result = extract(dataset, "increments")
    np.testing.assert_allclose(result["increment"].values, after - before)
    assert "as measured" in result.attrs["extract_rule"]
    dataset["conductance_before"].attrs["units"] = "ohm"
    with pytest.raises(SchemaError, match=r"must have .* and 'S'"):
        extract(dataset, "increments")


def test_polarity_by_rule(build):
    after = np.array([[[1e-6, 2e-6, 1e-6, np.nan]]])
    volts = np.array([[[1.0, 1.0, -1.0, np.nan]]])
    dataset = build("pulse_train", conductance=(after, "S"), amplitude=(volts, "V"))
    result = extract(dataset, "increments", polarity="amplitude > 0")
    np.testing.assert_array_equal(result["polarity"].values, [[[1, 1, -1, np.nan]]])
    with pytest.raises(SchemaError, match="'polarity' already"):
        extract(result, "increments", polarity="amplitude > 0")


@pytest.fixture
def sweep(build):
    def make(*rows):
        """One cycle a row of (volts, amperes)."""
        size = max(len(volts) for volts, _ in rows)
        table = np.full((2, 1, len(rows), size), np.nan)
        for index, row in enumerate(rows):
            table[:, 0, index, : len(row[0])] = row
        return build("iv_sweep", voltage=(table[0], "V"), current=(table[1], "A"))

    return make


@pytest.mark.parametrize(
    ("volts", "amps", "currents", "directions"),
    [
        ([0.0, 1.0, 0.0], [0.0, 4.0, 8.0], [2.0, 6.0], [1, -1]),
        ([1.0, 0.5, 0.0], [4.0, 3.0, 8.0], [3.0], [-1]),
        ([0.0, 0.5, 1.0, 0.25], [0.0, 3.0, 5.0, 2.0], [3.0, 3.0], [1, -1]),
        ([0.5, 0.9], [3.0, 5.0], [3.0], [1]),
        ([0.9, 0.5], [3.0, 5.0], [5.0], [-1]),
        # Held at the read voltage: one passage, its first point.
        ([0.0, 0.5, 0.5, 1.0], [0.0, 3.0, 4.0, 5.0], [3.0], [1]),
        # Turned round at the read voltage: one passage, from where it came.
        ([0.0, 0.5, 0.0], [0.0, 3.0, 1.0], [3.0], [1]),
        # A lone point has no direction.
        ([0.5], [3.0], [3.0], [np.nan]),
        # A gap is no passage.
        ([0.0, np.nan, 1.0, 0.0], [0.0, 1.0, 4.0, 2.0], [3.0], [-1]),
        ([0.0, 0.4, 1.0], [0.0, np.nan, 4.0], [], []),
    ],
)
def test_passages(sweep, volts, amps, currents, directions):
    # A second cycle with two passages keeps the padding at two.
    result = extract(
        sweep((volts, amps), ([0.0, 1.0, 0.0], [0.0, 4.0, 8.0])), "conductance_at", read_voltage="0.5 V"
    )
    found = {name: result[name].values[0, 0] for name in ("current", "conductance", "direction")}
    pad = [np.nan] * (2 - len(currents))
    np.testing.assert_allclose(found["current"], [*currents, *pad])
    np.testing.assert_allclose(found["conductance"], np.array([*currents, *pad]) / 0.5)
    np.testing.assert_array_equal(found["direction"], [*directions, *pad])


def test_interpolation_is_exact_on_an_ohmic_device(sweep):
    volts = np.concatenate([np.linspace(-1, 1, 38), np.linspace(1, -1, 42)])
    result = extract(sweep((volts, 2e-3 * volts)), "conductance_at", read_voltage="-300 mV")
    np.testing.assert_allclose(result["conductance"].values, [[[2e-3, 2e-3]]])
    nearest = extract(
        sweep((volts, 2e-3 * volts)), "conductance_at", read_voltage="-300 mV", interpolate=False
    )
    np.testing.assert_allclose(nearest["conductance"].values, [[[2e-3, 2e-3]]])
    assert not np.isclose(nearest["current"].values, -6e-4, rtol=1e-6).any()


def test_the_nearer_point_is_taken_without_interpolation(sweep):
    result = extract(
        sweep(([0.0, 0.4, 0.8], [0.0, 1.0, 5.0])), "conductance_at", read_voltage="0.5 V", interpolate=False
    )
    assert result["current"].values.tolist() == [[[1.0]]]
    assert result["conductance"].values.tolist() == [[[2.5]]]


@pytest.mark.parametrize(
    ("volts", "read", "message"),
    [
        ([0.0, 1.0], "0 V", "0/0"),
        ([0.0, 1.0], "2 V", "no sweep passes 2 V; the voltages go from 0 to 1 V"),
        ([np.nan, np.nan], "2 V", "NaN throughout"),
    ],
)
def test_reads_that_cannot_be(sweep, volts, read, message):
    with pytest.raises(SchemaError, match=message):
        extract(sweep((volts, [1.0, 1.0])), "conductance_at", read_voltage=read)
