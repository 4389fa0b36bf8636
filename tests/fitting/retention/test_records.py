"""Records as the likelihood sees them, their priors, and data that cannot answer."""

import dataclasses

import numpy as np
import pytest
from design_retention import records

from charz.errors import FitError
from charz.fitting.retention import FAMILY
from charz.fitting.retention.priors import scales
from charz.fitting.retention.records import MAX_WINDOWS, window_edges

MODEL = FAMILY.models[0]


def dataset(num_devices=1, num_samples=40, seed=0, interval=10.0):
    generator = np.random.default_rng(seed)
    logs = 10 + 0.01 * generator.standard_normal((num_devices, num_samples))
    return records(np.arange(num_samples) * interval, logs)


@pytest.mark.parametrize("number", [1, 7, MAX_WINDOWS, MAX_WINDOWS + 1, 300, 13000, 2_000_000])
def test_windows_cover_every_sample_once_and_grow(number):
    edges = window_edges(number)
    count = np.diff(edges, append=number)
    assert edges[0] == 0
    assert count.min() >= 1
    assert count.sum() == number
    assert len(edges) <= MAX_WINDOWS
    assert len(edges) >= min(number, MAX_WINDOWS) * 0.8
    assert count[0] <= 2
    assert count[-1] >= count[len(count) // 2]


def test_a_short_record_is_taken_as_it_is():
    data = dataset()
    seen = FAMILY.observe(data)
    np.testing.assert_allclose(seen.arrays["resistance"], data["resistance"], rtol=1e-13)
    np.testing.assert_array_equal(seen.arrays["elapsed"][0], np.arange(40) * 10.0)
    np.testing.assert_array_equal(seen.arrays["gap"][0, 1:], 10.0)
    assert not seen.arrays["window"].any()
    assert seen.remarks == ()


def test_a_long_record_keeps_its_mean_and_its_time():
    data = dataset(num_samples=3000)
    seen = FAMILY.observe(data)
    count, logs = seen.arrays["num_averaged"][0], np.log(seen.arrays["resistance"][0])
    assert count @ logs == pytest.approx(np.log(data["resistance"].values[0]).sum(), rel=1e-12)
    assert count @ seen.arrays["elapsed"][0] == pytest.approx(data["elapsed"].values[0].sum(), rel=1e-12)
    # n samples stand for n intervals, so windows of several samples touch; a single one has no length.
    several = count[1:-1][(count[1:-1] > 1) & (count[2:] > 1)]
    touching = seen.arrays["gap"][0, 2:][(count[1:-1] > 1) & (count[2:] > 1)]
    assert several.size > 50
    np.testing.assert_allclose(touching, 0, atol=1e-6)
    assert "records of 3000 to 3000 samples are averaged" in seen.remarks[0]


def test_missing_samples_are_skipped_and_counted_and_padding_is_not():
    data = dataset(num_devices=2)
    data["resistance"][0, 5:8] = np.nan
    data["resistance"][1, 30:] = np.nan
    data["elapsed"][1, 30:] = np.nan
    seen = FAMILY.observe(data)
    assert seen.measured.sum(axis=1).tolist() == [37, 30]
    assert seen.arrays["gap"][0, 5] == 40.0
    assert seen.remarks == ("3 missing or masked samples are skipped",)
    assert all(np.isfinite(array).all() for array in seen.arrays.values())


def test_time_counts_from_the_first_sample():
    data = dataset()
    data["elapsed"] = data["elapsed"] + 1e5
    np.testing.assert_array_equal(FAMILY.observe(data).arrays["elapsed"][0], np.arange(40) * 10.0)


@pytest.mark.parametrize("quantity", ["conductance", "error_rate"])
def test_other_quantities(quantity):
    data = dataset().rename(resistance=quantity)
    data[quantity] = data[quantity] * 1e-8
    units = {"conductance": "S", "error_rate": "1"}[quantity]
    data[quantity].attrs = {"units": units, "long_name": quantity}
    seen = FAMILY.observe(data)
    assert seen.units["retained"] == units
    assert seen.observed == (quantity,)
    np.testing.assert_allclose(seen.arrays[quantity], data[quantity], rtol=1e-13)
    assert seen.unit_of(MODEL.free[0]) == units


def test_priors_follow_the_times_and_the_range():
    narrow, wide = (scales(FAMILY.observe(dataset(interval=step))) for step in (10.0, 1e3))
    assert (narrow.interval, narrow.duration) == (10.0, 390.0)
    assert (wide.interval, wide.duration) == (1e3, 39e3)
    assert wide.range_one == narrow.range_one
    seen = FAMILY.observe(dataset())
    for model in FAMILY.models:
        priors = model.priors(seen)
        assert list(priors) == [p.linked_name for p in model.free]
        # 95 % of the memory between one interval and ten records.
        if "log_correlation_time" in priors:
            mean, sd = priors["log_correlation_time"][0].constants
            np.testing.assert_allclose(np.exp([mean - 2 * sd, mean + 2 * sd]), [10.0, 3900.0])


@pytest.mark.parametrize("model", FAMILY.models, ids=lambda model: model.name)
def test_candidates_are_a_finite_grid_near_the_record(model):
    seen = FAMILY.observe(dataset(num_devices=3))
    found = model.candidates(seen)
    assert set(found) == {p.name for p in model.free}
    assert len({value.shape[-1] for value in found.values()}) == 1
    for p in model.free:
        assert np.isfinite(found[p.name]).all()
        if p.link.prefix == "log_":
            assert (found[p.name] > 0).all()
    best = np.abs(np.log(found["level"]) - 10).min(axis=1)
    assert (best < 0.01).all()


def refused(data, pool, message):
    seen = FAMILY.observe(data)
    with pytest.raises(FitError, match=message):
        FAMILY.require_information(seen, MODEL, pool)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_values_without_a_logarithm_are_refused(value):
    data = dataset()
    data["resistance"][0, 4] = value
    with pytest.raises(FitError, match=r"at sample 4 .*needs values above zero; mask"):
        FAMILY.observe(data)


def test_a_device_without_samples_is_named():
    data = dataset(num_devices=2)
    data["resistance"][1] = np.nan
    with pytest.raises(FitError, match="device 'd1' has no sample"):
        FAMILY.observe(data)


def test_too_few_samples_or_devices_are_refused():
    refused(dataset(num_samples=7), "none", "device 'd0' has 7 samples; a record needs at least 8")
    refused(dataset(num_samples=7), "complete", "all devices together have 7 samples")
    refused(
        dataset(5, 3), "hierarchical", "device 'd0' has 3 samples; a population of records needs at least 4"
    )
    refused(dataset(2), "hierarchical", "at least 3 devices")
    FAMILY.require_information(FAMILY.observe(dataset(num_samples=8)), MODEL, "none")
    FAMILY.require_information(FAMILY.observe(dataset(3, 4)), MODEL, "hierarchical")


def test_no_duration_or_no_change_is_refused():
    data = dataset(num_devices=2)
    still = data.copy(deep=True)
    still["elapsed"][1] = 5.0
    refused(still, "none", "device 'd1' has all its samples at one time")
    FAMILY.require_information(FAMILY.observe(still), MODEL, "complete")
    rounded = data.copy(deep=True)
    rounded["resistance"][0] = 20000.0
    refused(rounded, "none", "all samples of device 'd0' are 20000 ohm")
    FAMILY.require_information(FAMILY.observe(rounded), MODEL, "complete")
    rounded["resistance"][1] = 20000.0
    refused(rounded, "complete", "does not say how well its drift is known")


def test_every_unit_is_stated():
    seen = FAMILY.observe(dataset())
    assert dataclasses.asdict(seen)["units"].keys() >= seen.arrays.keys()
    units = {p.name: seen.unit_of(p) for model in FAMILY.models for p in model.free}
    assert units["level"] == "ohm"
    assert {units[name] for name in ("onset", "relaxation_time", "correlation_time")} == {"s"}
    assert {units[name] for name in ("exponent", "change", "stretch", "wander", "read_noise")} == {"1"}
