"""What is read from a dataset of ramps, what is refused, and how replicated ramps are censored."""

import numpy as np
import pytest
from design_ramp_switching import on_grid, ramp_dataset, skeleton

from charz.errors import FitError
from charz.fitting.ramp import FAMILY
from charz.fitting.ramp.replicate import correlated, recorded
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

MODELS = {model.name: model for model in FAMILY.models}


def thresholds(num_devices=4, num_cycles=20, seed=0):
    return 1.2 * np.random.default_rng(seed).weibull(8.0, (num_devices, num_cycles))


def require(dataset, model="weibull", pool="complete"):
    FAMILY.require_information(FAMILY.observe(dataset), MODELS[model], pool)


def test_missing_cycles_are_passed_over():
    """Neighbours, gaps in cycle numbers, and time from the middle of the record."""
    values = thresholds(1, 6)
    values[0, [0, 3]] = np.nan
    dataset = ramp_dataset(values).assign_coords(cycle=[1, 2, 3, 4, 8, 10])
    found = FAMILY.observe(dataset)
    assert found.measured.tolist() == [[False, True, True, False, True, True]]
    assert found.arrays["gap"][0, found.measured[0]].tolist() == [0, 1, 5, 2]
    assert found.arrays["gap_after"][0, found.measured[0]].tolist() == [1, 5, 2, 0]
    assert found.arrays["previous"][0, [2, 4, 5]].tolist() == [1, 2, 4]
    assert found.arrays["following"][0, [1, 2, 4]].tolist() == [2, 4, 5]
    np.testing.assert_allclose(found.arrays["kilocycles"][0], (np.array([1, 2, 3, 4, 8, 10]) - 6) / 1000)
    assert all(np.isfinite(array).all() for array in found.arrays.values())
    assert "2 of 6 cycles hold no threshold" in found.remarks[0]


def test_a_file_without_censoring_has_no_flags():
    found = FAMILY.observe(ramp_dataset(thresholds()))
    assert found.observed == ("threshold",)
    assert found.units["threshold"] == found.units["drive"] == "V"


def test_limits_and_grid_are_read_off_the_censored_ramps():
    found = FAMILY.observe(
        on_grid(np.array([[0.5, 0.93, 1.02, 1.6], [0.91, 0.97, 1.0, 1.1]]), 0.1, 0.8, 1.25)
    )
    assert found.arrays["censored"].tolist() == [[1, 3, 3, 2], [3, 3, 3, 3]]
    np.testing.assert_allclose(found.arrays["start"], 0.8)
    np.testing.assert_allclose(found.arrays["end"], 1.25)
    np.testing.assert_allclose(found.arrays["step"], 0.1)
    assert "8 thresholds: 1 left-censored, 1 right-censored, 6 interval-censored" in found.remarks[0]


def test_replicated_ramps_are_censored_like_measured_ones():
    found = FAMILY.observe(skeleton(2, 4, step=0.1))
    true = np.array([[[0.3, 0.85, 1.0, 1.9], [0.80001, 1.2499, 0.95, 1.1]]])
    outcome = recorded(true, found)
    assert outcome["censored"].tolist() == [
        [[FLAG_LEFT, FLAG_INTERVAL, FLAG_INTERVAL, FLAG_RIGHT], [FLAG_INTERVAL] * 4]
    ]
    inside = outcome["censored"] == FLAG_INTERVAL
    assert ((outcome["lower"] < true) & (true <= outcome["upper"] + 1e-12))[inside].all()
    np.testing.assert_allclose((outcome["upper"] - outcome["lower"])[inside], 0.1)
    assert outcome["threshold"][0, 0, [0, 3]].tolist() == [0.8, 1.25]
    exact = recorded(true, FAMILY.observe(skeleton(2, 4, limits=True)))
    assert exact["censored"].tolist() == [[[FLAG_LEFT, FLAG_NONE, FLAG_NONE, FLAG_RIGHT], [FLAG_NONE] * 4]]
    assert exact["threshold"][0, 1].tolist() == true[0, 1].tolist()


def test_replicated_scores_are_a_stationary_chain():
    """Unit variance everywhere and ρ^gap over missing cycles, to four standard errors."""
    values = thresholds(1, 8)
    values[0, [2, 3]] = np.nan
    found = FAMILY.observe(ramp_dataset(values))
    number = 20_000
    scores = correlated(np.random.default_rng(0), np.full((number, 1, 1), 0.8), (number, 1, 8), found)[:, 0]
    assert np.abs(scores.var(0) - 1).max() < 4 * np.sqrt(2 / number)
    for first, second, gap in ((0, 1, 1), (1, 4, 3), (4, 7, 3)):
        assert abs(np.mean(scores[:, first] * scores[:, second]) - 0.8**gap) < 4 * np.sqrt(2 / number)


# --- what cannot be read -------------------------------------------------------------------------------------


def test_another_kind_is_refused():
    dataset = ramp_dataset(thresholds())
    dataset.attrs["experiment"] = "iv_sweep"
    with pytest.raises(FitError, match="of kind 'iv_sweep'"):
        FAMILY.observe(dataset)


def test_no_threshold_at_all():
    with pytest.raises(FitError, match="holds no threshold"):
        FAMILY.observe(ramp_dataset(np.full((2, 3), np.nan)))


def test_intervals_need_their_bounds():
    values = thresholds(1, 6)
    with pytest.raises(
        FitError, match="6 thresholds are interval-censored, but the dataset has no variables"
    ):
        FAMILY.observe(ramp_dataset(values, np.full(values.shape, FLAG_INTERVAL)))
    with pytest.raises(FitError, match="device 'm0' lies between 1 and 1"):
        FAMILY.observe(
            ramp_dataset(values, np.full(values.shape, FLAG_INTERVAL), np.ones((1, 6)), np.ones((1, 6)))
        )


def test_cycles_must_count_upwards():
    dataset = ramp_dataset(thresholds(1, 3)).assign_coords(cycle=[2, 1, 3])
    with pytest.raises(FitError, match="does not count upwards"):
        FAMILY.observe(dataset)


def test_every_ramp_needs_its_rate():
    rate = np.ones((1, 6))
    rate[0, 2] = np.nan
    with pytest.raises(FitError, match="1 of 6 ramps have no ramp rate"):
        FAMILY.observe(ramp_dataset(thresholds(1, 6), ramp_rate=rate))


# --- what cannot answer --------------------------------------------------------------------------------------


def test_enough_is_enough():
    for model in MODELS:
        require(ramp_dataset(thresholds(), ramp_rate=1.0), model, "hierarchical")


def test_everything_censored():
    values = np.full((1, 8), 2.5)
    with pytest.raises(FitError, match="all 8 thresholds are left- or right-censored"):
        require(ramp_dataset(values, np.full(values.shape, FLAG_RIGHT)))


def test_too_few_known_thresholds():
    flags = np.full((1, 20), FLAG_RIGHT)
    flags[0, :4] = FLAG_NONE
    with pytest.raises(FitError, match="4 of 20 thresholds are known"):
        require(ramp_dataset(thresholds(1, 20), flags))


def test_a_mixture_needs_more():
    with pytest.raises(FitError, match="'weibull-mixture' needs at least 20"):
        require(ramp_dataset(thresholds(1, 19)), "weibull-mixture")


@pytest.mark.parametrize("values", [np.full((1, 12), 1.6), np.repeat([1.5, 1.6], 6)[None]])
def test_one_drive_is_no_distribution(values):
    with pytest.raises(FitError, match="that is one drive, not a distribution of thresholds"):
        require(ramp_dataset(values))


def test_each_device_by_itself_must_answer():
    values = thresholds(3, 8)
    values[1] = 1.0
    with pytest.raises(FitError, match="thresholds of device 'm1' that are known take 1 value "):
        require(ramp_dataset(values), pool="none")
    require(ramp_dataset(values))


def test_one_device_is_no_population():
    with pytest.raises(FitError, match="needs at least 3 devices to learn their spread, the dataset has 1"):
        require(ramp_dataset(thresholds(1, 20)), pool="hierarchical")


def test_one_threshold_a_device_has_no_two_spreads():
    with pytest.raises(FitError, match="only 0 of 30 devices have two or more thresholds"):
        require(ramp_dataset(thresholds(30, 1)), pool="hierarchical")


def test_negative_thresholds():
    with pytest.raises(FitError, match="is not positive, and model 'weibull' is a law of positive ones"):
        require(ramp_dataset(-thresholds()))
    require(ramp_dataset(-thresholds()), "gumbel")


def test_thermal_thresholds_need_the_ramp_rate():
    with pytest.raises(FitError, match="needs the variable 'ramp_rate'"):
        require(ramp_dataset(thresholds()), "thermal-ramp")


def test_serial_correlation_needs_successive_cycles():
    with pytest.raises(FitError, match="only 0 pairs of successive cycles"):
        require(ramp_dataset(thresholds(30, 1)), "weibull-drift")
