"""Counting trials: sums, sorting, padding and means, against counts made by hand."""

import numpy as np
import pytest

from charz.errors import SchemaError
from charz.rows import Rows
from charz.trials import count_trials


def rows(device, amplitude, **values):
    given = {"amplitude": amplitude, **values}
    names = sorted(map(str, set(device)))
    return Rows(
        tuple(names),
        np.array([names.index(str(name)) for name in device]),
        {name: np.asarray(value, float) for name, value in given.items()},
        {name: {"amplitude": "V", "width": "s", "initial_state": "1"}.get(name, "ohm") for name in given},
        ("a.csv",),
        (range(2, len(device) + 2),),
    )


def test_single_trials_are_summed_per_setting():
    given = rows(["b", "a", "a", "a", "b", "a"], [0.2, 0.1, 0.3, 0.1, 0.2, 0.1], r=[1.0, 2, 3, 4, 5, 6])
    dataset = count_trials(given, np.ones(6), np.array([1.0, 0, 1, 1, 1, 0]))
    assert dataset["device"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(dataset["amplitude"], [[0.1, 0.3], [0.2, np.nan]])
    np.testing.assert_array_equal(dataset["num_trials"], [[3, 1], [2, 0]])
    np.testing.assert_array_equal(dataset["num_switched"], [[1, 1], [2, 0]])
    np.testing.assert_array_equal(dataset["r_mean"], [[4.0, 3.0], [3.0, np.nan]])
    assert dataset["r_mean"].attrs["units"] == "ohm"
    assert dataset["num_trials"].dtype == np.int64


def test_settings_differ_by_width_and_initial_state():
    given = rows(["a"] * 4, [0.1] * 4, width=[2e-9, 1e-9, 2e-9, 2e-9], initial_state=[0, 0, 1, 0])
    dataset = count_trials(given, np.full(4, 10.0), np.array([1.0, 2, 3, 4]))
    np.testing.assert_array_equal(dataset["width"], [[1e-9, 2e-9, 2e-9]])
    np.testing.assert_array_equal(dataset["initial_state"], [[0, 0, 1]])
    np.testing.assert_array_equal(dataset["num_switched"], [[2, 5, 3]])


def test_devices_are_sorted_as_people_count():
    names = ["wire_10", "wire_9", "wire_1a", "wire_1"]
    dataset = count_trials(rows(names, [0.1] * 4), np.ones(4), np.ones(4))
    assert dataset["device"].values.tolist() == ["wire_1", "wire_1a", "wire_9", "wire_10"]


def test_totals_are_kept_for_random_rows():
    rng = np.random.default_rng(7)
    device = rng.integers(0, 5, 1000).astype(str)
    amplitude = rng.integers(0, 20, 1000) / 10
    switched = rng.integers(0, 2, 1000).astype(float)
    dataset = count_trials(rows(device, amplitude), np.ones(1000), switched)
    assert dataset["num_trials"].sum() == 1000
    for index, name in enumerate(dataset["device"].values):
        for setting in range(dataset.sizes["setting"]):
            cell = dataset.isel(device=index, setting=setting)
            chosen = (device == name) & (amplitude == cell["amplitude"].item())
            assert cell["num_trials"] == chosen.sum()
            assert cell["num_switched"] == switched[chosen].sum()


@pytest.mark.parametrize(
    ("values", "trials", "switched", "words"),
    [
        ({}, [10, 2.5], [1, 1], "a.csv, line 3: num_trials = 2.5; it must be a whole number"),
        ({}, [10, -2], [1, 1], "line 3: num_trials = -2; it must be zero or more"),
        ({}, [10, np.inf], [1, 1], "num_trials = inf; it must be at most 1e[+]12"),
        ({}, [10, 10], [1, 0.5], "num_switched = 0.5"),
        ({}, [10, 10], [-1, -1], r"line 2: num_switched = -1 \(2 such rows\)"),
        ({}, [10, 10], [1, 11], "line 3: num_switched = 11; it must be at most num_trials"),
        ({"amplitude": [0.1, np.inf]}, [1, 1], [1, 1], "amplitude = inf V"),
        ({"width": [1e-9, 0]}, [1, 1], [1, 1], "width = 0 s; it must be above zero"),
        ({"initial_state": [0, np.inf]}, [1, 1], [1, 1], "initial_state = inf"),
    ],
)
def test_rows_that_cannot_be(values, trials, switched, words):
    given = rows(["a", "a"], **{"amplitude": [0.1, 0.2], **values})
    with pytest.raises(SchemaError, match=words):
        count_trials(given, np.array(trials, float), np.array(switched, float))
