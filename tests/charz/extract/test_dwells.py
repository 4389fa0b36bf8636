"""Dwells of two-level traces against brute force, Otsu's cut against all cuts."""

import itertools

import numpy as np
import pytest

from charz.errors import SchemaError
from charz.extract import extract
from charz.otsu import otsu


def telegraph(rng, num_samples, stay=(0.9, 0.8), missing=0.0):
    """A two-state chain with levels 1 and 2."""
    state = [0]
    for u in rng.random(num_samples - 1):
        state.append(state[-1] if u < stay[state[-1]] else 1 - state[-1])
    signal = 1.0 + np.array(state) + 0.05 * rng.standard_normal(num_samples)
    signal[rng.random(num_samples) < missing] = np.nan
    return signal


def brute_dwells(states):
    """Runs as (state, length, complete); a missing sample cuts."""
    runs = [(state, len(list(group))) for state, group in itertools.groupby(states)]
    found = []
    for n, (state, length) in enumerate(runs):
        if state >= 0:
            ends = [m for m in (n - 1, n + 1) if not 0 <= m < len(runs) or runs[m][0] < 0]
            found.append((state, length, int(not ends)))
    return found


def brute_merge(states, least):
    """Give each short dwell between two others the state of the dwell before it."""
    merged = []
    for state, length, inner in brute_runs(states):
        merged += [merged[-1] if inner and length < least else state] * length
    return merged


def brute_runs(states):
    runs = [(state, len(list(group))) for state, group in itertools.groupby(states)]
    for n, (state, length) in enumerate(runs):
        inner = state >= 0 and 0 < n < len(runs) - 1 and runs[n - 1][0] >= 0 and runs[n + 1][0] >= 0
        yield state, length, inner


@pytest.mark.parametrize("least", [1, 2, 4])
@pytest.mark.parametrize("missing", [0.0, 0.04])
def test_bookkeeping_against_loops(build, least, missing):
    rng = np.random.default_rng(7)
    signal = np.stack([telegraph(rng, 300, missing=missing) for _ in range(4)])
    signal[1, 200:] = np.nan
    signal[2, :20] = np.nan
    result = extract(build("telegraph", signal=(signal, "V")), "dwells", threshold="1.5 V", min_dwell=least)
    for device in range(4):
        raw = [-1 if np.isnan(x) else int(x > 1.5) for x in signal[device]]
        states = brute_merge(raw, least)
        assert result["state"].values[device].tolist() == states
        expected = brute_dwells(states)
        count = len(expected)
        table = [result[name].values[device] for name in ("dwell_state", "dwell_time", "dwell_complete")]
        assert list(zip(*(column[:count].tolist() for column in table), strict=True)) == expected
        assert np.isnan(table[1][count:]).all()
        assert (table[0][count:] == -1).all()
        pairs = [(a, b) for a, b in itertools.pairwise(states) if a >= 0 and b >= 0]
        assert result["num_switches"].values[device] == sum(a != b for a, b in pairs)
        known = [s for s in states if s >= 0]
        assert result["fraction_high"].values[device] == pytest.approx(sum(known) / len(known))
        for side, name in enumerate(("low", "high")):
            complete = [n for s, n, c in expected if s == side and c]
            assert result[f"mean_complete_dwell_{name}"].values[device] == pytest.approx(np.mean(complete))
            exits = sum(a == side and b != side for a, b in pairs)
            ml = sum(a == side for a, _ in pairs) / exits
            assert result[f"ml_dwell_{name}"].values[device] == pytest.approx(ml)
            level = np.mean(signal[device][np.array(states) == side])
            assert result[f"level_{name}"].values[device] == pytest.approx(level)
        both = np.array([(x, y) for x, y in itertools.pairwise(signal[device]) if x == x and y == y])
        assert result["lag1_correlation"].values[device] == pytest.approx(np.corrcoef(both.T)[0, 1])


@pytest.mark.parametrize(
    ("states", "least", "merged"),
    [
        ([0, 0, 0, 1, 0, 0, 0], 2, [0] * 7),
        # Flicker after a long low dwell counts to it until a dwell is long enough.
        ([0, 0, 0, 1, 0, 1, 1, 1], 2, [0, 0, 0, 0, 0, 1, 1, 1]),
        # The first and the last dwell are cut off: nobody knows that they are short.
        ([1, 0, 0, 0, 1], 2, [1, 0, 0, 0, 1]),
        ([0, 0, 0, 1, -1, 0, 0], 2, [0, 0, 0, 1, -1, 0, 0]),
        ([0, 0, 1, 1, 0, 0], 3, [0] * 6),
    ],
)
def test_short_dwells(build, states, least, merged):
    signal = np.where(np.array(states) < 0, np.nan, np.array(states, dtype=float))
    dataset = build("telegraph", signal=(signal[None], "V"))
    assert (
        extract(dataset, "dwells", threshold="0.5 V", min_dwell=least)["state"].values[0].tolist() == merged
    )


def test_otsu_is_the_best_of_all_cuts():
    rng = np.random.default_rng(3)
    values = np.stack([telegraph(rng, 80) for _ in range(20)]) * rng.lognormal(0, 3, (20, 1))
    values[::3, 60:] = np.nan
    values[1] = np.round(values[1] / values[1].max(), 1)
    below, above = otsu(values)
    for row, low, high in zip(values, below, above, strict=True):
        ordered = np.sort(row[np.isfinite(row)])
        scores = {
            k: k * (ordered.size - k) * (ordered[:k].mean() - ordered[k:].mean()) ** 2
            for k in range(1, ordered.size)
            if ordered[k] > ordered[k - 1]
        }
        best = max(scores, key=scores.get)
        assert (low, high) == (ordered[best - 1], ordered[best])


def test_otsu_of_two_values_far_from_zero(build):
    signal = 1e6 + np.array([[0.0, 1.0, 0.0, 1.0, 1.0]]) * 1e-9 * 2**10
    result = extract(build("telegraph", signal=(signal, "V")), "dwells")
    assert result["state"].values.tolist() == [[0, 1, 0, 1, 1]]


def test_otsu_between_neighbouring_floats(build):
    low = 1.0
    signal = np.array([[low, np.nextafter(low, 2), low, np.nextafter(low, 2)]])
    result = extract(build("telegraph", signal=(signal, "V")), "dwells")
    assert result["state"].values.tolist() == [[0, 1, 0, 1]]


def test_log_scale_has_geometric_means(build):
    signal = np.array([[10.0, 1000.0, 1e5, 1e7, 1e5, 1e7]])
    result = extract(build("telegraph", signal=(signal, "ohm")), "dwells", scale="log", threshold="10 kohm")
    assert result["level_low"].item() == pytest.approx(100.0)
    assert result["level_high"].item() == pytest.approx(1e6)
    logs = np.log(signal[0])
    assert result["lag1_correlation"].item() == pytest.approx(np.corrcoef(logs[:-1], logs[1:])[0, 1])
    deviations = np.concatenate([part - part.mean() for part in (logs[:2], logs[2:])])
    separation = np.log(1e6 / 100) / np.sqrt((deviations**2).sum() / 4)
    assert result["separation"].item() == pytest.approx(separation)
    assert result["state_threshold"].attrs["units"] == "ohm"
    assert result["dwell_time"].attrs["units"] == "1"


def test_the_log_otsu_cut_differs_from_the_linear_one(build):
    signal = np.array([[1.0, 1.1, 10.0, 11.0, 12.0, 100.0]])
    dataset = build("telegraph", signal=(signal, "V"))
    assert extract(dataset, "dwells")["state"].values.sum() == 1
    assert extract(dataset, "dwells", scale="log")["state"].values.sum() == 4


@pytest.mark.parametrize(
    ("time", "step"),
    [
        ({"sample_interval": ([0.5, 2.0], "s")}, [0.5, 2.0]),
        # Rounded stamps: the median step is 2, the mean is (last - first) / steps.
        ({"elapsed": ([[0, 2, 4, 6, 7], [1, 2, 3, 4, np.nan]], "s")}, [1.75, 1.0]),
    ],
)
def test_time_between_samples(build, time, step):
    signal = np.array([[0.0, 0, 1, 1, 0], [0, 1, 1, 0, np.nan]])
    time = {name: (np.array(values, dtype=float), unit) for name, (values, unit) in time.items()}
    result = extract(build("telegraph", signal=(signal, "V"), **time), "dwells")
    expected = np.array([[2, 2, 1], [1, 2, 1]]) * np.array(step)[:, None]
    np.testing.assert_allclose(result["dwell_time"].values, expected)
    np.testing.assert_allclose(result["ml_dwell_high"].values, np.array([2, 2]) * step)
    assert {result[name].attrs["units"] for name in ("dwell_time", "ml_dwell_low")} == {"s"}


def test_known_rates_are_recovered(build):
    rng = np.random.default_rng(11)
    signal = np.stack([telegraph(rng, 20000) for _ in range(2)])
    result = extract(build("telegraph", signal=(signal, "V")), "dwells")
    # Mean dwells of the chain are 1/0.1 and 1/0.2; about 1300 exits give a relative error of 3 %.
    np.testing.assert_allclose(result["ml_dwell_low"].values, 10.0, rtol=0.1)
    np.testing.assert_allclose(result["ml_dwell_high"].values, 5.0, rtol=0.1)
    np.testing.assert_allclose(result["separation"].values, 1 / 0.05, rtol=0.05)


def test_a_state_that_never_occurs_is_nan_not_zero(build):
    result = extract(build("telegraph", signal=([[1.0, 1.1, 1.2]], "V")), "dwells", threshold="5 V")
    assert result["fraction_high"].item() == 0
    for name in ("level_high", "ml_dwell_high", "ml_dwell_low", "mean_complete_dwell_low", "separation"):
        assert np.isnan(result[name].item())


def test_a_second_run_replaces_the_first(build):
    signal = telegraph(np.random.default_rng(5), 200)[None]
    dataset = build("telegraph", signal=(signal, "V"))
    once = extract(dataset, "dwells")
    again = extract(once, "dwells", min_dwell=4)
    fresh = extract(dataset, "dwells", min_dwell=4)
    assert again.sizes["dwell"] < once.sizes["dwell"]
    assert again.drop_attrs().identical(fresh.drop_attrs())


@pytest.mark.parametrize(
    ("signal", "options", "message"),
    [
        ([[1.0, 2.0], [3.0, 3.0]], {}, "all samples of device b are equal"),
        ([[1.0], [3.0]], {}, "all samples of device a are equal"),
        ([[1.0, 2.0], [np.nan, np.nan]], {}, "device b has no sample"),
        ([[1.0, 2.0], [3.0, -1.0]], {"scale": "log"}, "signal = -1 of device b at time 1 has no logarithm"),
    ],
)
def test_traces_without_two_levels(build, signal, options, message):
    with pytest.raises(SchemaError, match=message):
        extract(build("telegraph", signal=(np.array(signal), "V")), "dwells", **options)


@pytest.mark.parametrize(
    "time",
    [
        {"sample_interval": [1.0, np.nan]},
        {"elapsed": [[0.0, 1, 2], [3, 3, 3]]},
        {"elapsed": [[0.0, 1, 2], [np.nan] * 3]},
    ],
)
def test_times_that_do_not_run(build, time):
    time = {name: (np.array(values), "s") for name, values in time.items()}
    with pytest.raises(SchemaError, match=r"time between samples .* for device b; it must be above zero"):
        extract(build("telegraph", signal=(np.array([[0.0, 1, 0]] * 2), "V"), **time), "dwells")
