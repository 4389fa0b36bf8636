"""Moments, correlations, medians, splits and limits against plain NumPy, SciPy and brute force."""

import numpy as np
import pytest
from scipy import stats

from charz.datachecks import chance, moments, summary
from charz.datachecks.extremes import pile_up
from charz.datachecks.finding import quantity
from charz.datachecks.loops import at_zero_drive
from charz.datachecks.split import occupancy, two_levels

rng = np.random.default_rng(21)
RAGGED = rng.lognormal(0, 1, (5, 1003))
RAGGED[1, 700:] = np.nan
RAGGED[2, ::7] = np.nan
RAGGED[3, 1:] = np.nan
RAGGED[4] = np.nan


@pytest.fixture(params=[1 << 21, 100])
def blocks(request, monkeypatch):
    """The same in one block and in many."""
    monkeypatch.setattr(moments, "spans", lambda shape: _spans(shape, request.param))


_spans = moments.spans


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_moments(blocks, dtype):
    values = RAGGED.astype(dtype)
    found = moments.moments(values)
    np.testing.assert_array_equal(found.number, np.isfinite(values).sum(axis=1))
    for row in range(4):
        kept = values[row][np.isfinite(values[row])].astype(np.float64)
        assert found.mean[row] == pytest.approx(kept.mean())
        assert (found.low[row], found.high[row]) == (kept.min(), kept.max())
        if kept.size > 1:
            assert found.sd[row] == pytest.approx(kept.std(ddof=1))
    assert np.isnan(found.sd[3:]).all()
    assert np.isnan([found.mean[4], found.low[4], found.high[4]]).all()


def test_moments_of_a_large_offset_keep_their_digits():
    values = 1e9 + rng.standard_normal((1, 10_000))
    assert moments.moments(values).sd[0] == pytest.approx(values.std(ddof=1), rel=1e-6)


def test_lag_one(blocks):
    values = np.cumsum(RAGGED[:3] - 1, axis=1)
    values[~np.isfinite(RAGGED[:3])] = np.nan
    found, pairs = moments.lag_one(values)
    for row in range(3):
        both = np.isfinite(values[row, :-1]) & np.isfinite(values[row, 1:])
        assert pairs[row] == both.sum()
        if both.sum():
            reference = np.corrcoef(values[row, :-1][both], values[row, 1:][both])[0, 1]
            assert found[row] == pytest.approx(reference)


@pytest.mark.parametrize(
    "values", [np.full((2, 50), 3.0), np.full((2, 50), np.nan), np.ones((2, 2)), np.ones((2, 1))]
)
def test_what_has_no_correlation_has_zero(values):
    assert moments.lag_one(values)[0].tolist() == [0, 0]
    assert moments.trend(values)[0].tolist() == [0, 0]


def test_trend_and_what_a_line_leaves():
    values = np.linspace(0, 3, 200) + 0.1 * rng.standard_normal((2, 200))
    values[1, 150:] = np.nan
    found, residuals = moments.trend(values)
    for row, size in ((0, 200), (1, 150)):
        place = np.arange(size)
        assert found[row] == pytest.approx(np.corrcoef(place, values[row, :size])[0, 1])
        line = np.polyval(np.polyfit(place, values[row, :size], 1), place)
        np.testing.assert_allclose(residuals[row, :size], values[row, :size] - line, atol=1e-9)
    assert np.isnan(residuals[1, 150:]).all()


@pytest.mark.parametrize("limit", [1 << 22, 10])
def test_medians(monkeypatch, limit):
    monkeypatch.setattr(summary, "SORTED", limit)
    rows = [
        RAGGED,
        rng.integers(0, 2, (3, 1000)).astype(float),
        np.sort(rng.standard_normal((1, 5001))),
        np.array([[1.0, 2.0], [1.0, np.nan], [np.nan, np.nan]]),
        np.array([[3.0]]),
        np.full((1, 300), 7.0),
        np.r_[np.zeros(500), rng.random(4), np.ones(500)][None],
    ]
    for values in rows:
        reference = [np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in values]
        np.testing.assert_array_equal(summary.medians(values), reference)


def test_statistics_of_fractions(simulate):
    found = summary.statistics(simulate("pulse_switching"))
    assert (found["variable"], found["units"]) == ("fraction switched", "1")
    assert 0 <= found["all"]["min"] < found["all"]["max"] <= 1
    assert list(found["devices"]) == ["d0", "d1", "d2", "d3"]


@pytest.mark.parametrize("probability", [0.0027, 1 / 13, 0.5])
@pytest.mark.parametrize("number", [1, 10, 300])
def test_the_bound_is_a_bound(number, probability):
    seen = np.arange(number + 1)
    bound = chance.binomial_tail(seen, number, probability)
    exact = stats.binom.sf(seen - 1, number, probability)
    assert (bound >= exact * (1 - 1e-9)).all()
    assert bound[-1] == pytest.approx(probability**number)


@pytest.mark.parametrize("devices", [1, 20, 1000])
def test_chance_alone_is_rarely_beyond_chance(devices):
    alarms = sum(chance.beyond_chance(row).any() for row in rng.standard_normal((2000, devices)))
    # 0.54 % of 2000 are 10.8; 22 or more have a probability of 0.2 %.
    assert alarms <= 22


def test_real_effects_are_beyond_chance():
    z = rng.standard_normal(1000)
    assert not chance.beyond_chance(np.clip(z, -2.9, 2.9)).any()
    one, several = np.clip(z, -2.9, 2.9), np.clip(z, -2.9, 2.9)
    one[7] = 6.0
    several[:20] = -3.3
    assert np.flatnonzero(chance.beyond_chance(one)).tolist() == [7]
    assert np.flatnonzero(chance.beyond_chance(several)).tolist() == list(range(20))
    assert not chance.beyond_chance(np.array([np.nan, 0.0])).any()


def test_two_levels_is_the_exact_cut():
    values = np.concatenate([rng.normal(0, 0.2, 60), rng.normal(1, 0.3, 140)])
    rng.shuffle(values)
    padded = np.r_[values, np.full(40, np.nan)][None]
    ordered = np.sort(values)
    cuts = [(k, k * (200 - k) * (ordered[k:].mean() - ordered[:k].mean()) ** 2) for k in range(1, 200)]
    best = max(cuts, key=lambda cut: cut[1])[0]
    found = two_levels(padded)
    assert ordered[best - 1] < found.threshold[0] < ordered[best]
    assert found.low[0] == pytest.approx(ordered[:best].mean())
    assert found.high[0] == pytest.approx(ordered[best:].mean())
    within = np.r_[ordered[:best] - ordered[:best].mean(), ordered[best:] - ordered[best:].mean()]
    assert found.noise[0] == pytest.approx(np.sqrt(np.mean(within**2)))
    assert found.share[0] == pytest.approx(1 - best / 200)


def test_one_normal_peak_is_split_at_the_known_ratio():
    # Halves of a normal peak: distance 2 sqrt(2/pi), sd sqrt(1 - 2/pi).
    found = two_levels(rng.standard_normal((1, 60_000)))
    assert found.separation[0] == pytest.approx(2 * np.sqrt(2 / np.pi) / np.sqrt(1 - 2 / np.pi), abs=0.03)


def test_levels_without_noise_and_of_one_value():
    found = two_levels(np.array([[0.0, 1.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0]]))
    assert np.isinf(found.separation[0])
    assert found.separation[1] == 0
    assert np.isnan(found.threshold[1])


def test_occupancy(monkeypatch):
    values = rng.random((3, 1001))
    values[1, 501:] = np.nan
    found = {}
    for block in (1 << 21, 100):
        monkeypatch.setattr("charz.datachecks.split.spans", lambda shape, block=block: _spans(shape, block))
        found[block] = occupancy(values, np.full(3, 0.5))
    for one, other in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    above = values[0] > 0.5
    assert found[100].crossings[0] == np.count_nonzero(np.diff(above.astype(int)))
    assert found[100].above[:, 0].tolist() == [above[:500].sum(), above[500:].sum()]
    assert found[100].number[:, 1].tolist() == [250, 251]


def test_pile_up_counts_exactly():
    values = np.array([[1.0, 2.0, 5.0, 5.0, 5.0, np.nan], [1.0, 2.0, 3.0, 4.0, 5.0, 5.0]])
    found = pile_up(values, 1)
    assert found.readings.tolist() == [3, 2]
    assert found.value.tolist() == [5, 5]
    assert pile_up(values, -1).readings.tolist() == [1, 1]


def test_response_at_zero_drive_averages_the_branches():
    drive = np.array([[-2.0, -1.0, 1.0, 2.0, 1.0, -1.0, -2.0]])
    response = np.array([[0.0, 0.0, 2.0, 3.0, 3.0, 1.0, 0.0]])
    value, number = at_zero_drive(drive, response)
    assert (value[0], number[0]) == (1.5, 2)
    value, number = at_zero_drive(drive[:, :4], response[:, :4])
    assert np.isnan(value[0])
    assert number[0] == 0


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(0.0123456, "V", "0.01235 V"), (3, "1", "3"), (2.5, "", "2.5 arb")]
)
def test_quantities(value, unit, text):
    assert quantity(value, unit) == text
