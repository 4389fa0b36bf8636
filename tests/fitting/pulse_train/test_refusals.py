"""From a dataset to arrays, and the trains that cannot answer: each says what, why, and what would mend it."""

import numpy as np
import pytest
from design_pulse_train import alternating_states, soft_bounds_trains, train_dataset, up_and_down

from charz.errors import FitError
from charz.fitting.pulse_train.information import require_information
from charz.fitting.pulse_train.models import MODELS
from charz.fitting.pulse_train.observations import conductance_before, observe

BY_NAME = {model.name: model for model in MODELS}
TRAIN = up_and_down(8)
SIGNS = np.array([-1.0, 1.0])

SOFT = {
    "conductance_min": 2e-6,
    "window": 18e-6,
    "step_potentiation": 1e-6,
    "step_depression": 1e-6,
    "cycle_noise": 0.2,
    "additive_noise": 0.05e-6,
}


def trains(num_devices=3, polarity=TRAIN):
    return train_dataset(
        soft_bounds_trains(np.random.default_rng(0), polarity, num_devices=num_devices), polarity
    )


def refuse(dataset, name, match, pool="complete"):
    with pytest.raises(FitError, match=match):
        require_information(observe(dataset), BY_NAME[name], pool)


def test_steps_start_at_the_read_without_a_pulse_and_after_gaps():
    data = trains(1)
    data["conductance"][0, 0, 5] = np.nan
    seen = observe(data)
    arrays = seen.arrays
    assert seen.measured[0, 0].tolist() == [k not in (0, 5) for k in range(17)]
    assert arrays["stepped"][0, 0].astype(bool).tolist() == [k not in (0, 5, 6) for k in range(17)]
    assert np.flatnonzero(arrays["restarts"][0, 0]).tolist() == [1, 7]
    before = conductance_before(arrays["conductance"], arrays)[0, 0]
    raw = data["conductance"].values[0, 0]
    stepped = arrays["stepped"][0, 0] > 0
    np.testing.assert_array_equal(before[stepped], raw[:-1][stepped[1:]])
    # Pulses are counted through the gap, within each run of one polarity.
    assert arrays["number"][0, 0, 1:].tolist() == [*range(1, 9), *range(1, 9)]
    # What is simulated anew starts from what was given: the read after the gap does not move.
    values = {n: np.full((4, 1), v) for n, v in SOFT.items()}
    again = BY_NAME["soft-bounds"].replicate(np.random.default_rng(1), values, seen)["conductance"]
    assert (again[:, 0, 0, 6] == raw[6]).all()
    assert np.abs(again[:, 0, 0, 7] - raw[6]).max() < 2e-6
    assert "1 of 15 reads have no read before them" in seen.remarks[0]
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_a_stated_conductance_before_is_used_and_starts_anew_where_it_differs():
    data = trains(1)
    raw = data["conductance"].values
    stated = np.concatenate([np.full((1, 1, 1), np.nan), raw[..., :-1]], axis=2)
    stated[0, 0, 4] *= 0.9  # relaxed before the next pulse
    data["conductance_before"] = (data["conductance"].dims, stated, {"units": "S"})
    arrays = observe(data).arrays
    assert np.flatnonzero(arrays["restarts"][0, 0]).tolist() == [1, 4]
    assert arrays["start"][0, 0, 4] == stated[0, 0, 4]


def test_states_follow_the_same_state_of_the_cycle_before():
    reads = alternating_states(np.random.default_rng(0), 2, 5)
    reads[1, 2, 0] = np.nan
    arrays = observe(train_dataset(reads, SIGNS)).arrays
    assert arrays["follows"][0].tolist() == [[0, 0], [1, 1], [1, 1], [1, 1], [1, 1]]
    assert arrays["follows"][1, :, 0].tolist() == [0, 1, 0, 0, 1]
    assert arrays["time"][0, :, 0].tolist() == [-0.5, -0.25, 0, 0.25, 0.5]


def test_another_kind():
    with pytest.raises(FitError, match="of kind 'telegraph'; this model is fitted to 'pulse_train'"):
        observe(trains().assign_attrs(experiment="telegraph"))


def test_no_polarity():
    with pytest.raises(FitError, match=r"no polarity.*polarity='amplitude > 0'"):
        observe(trains().drop_vars("polarity"))


def test_a_polarity_that_is_no_sign():
    with pytest.raises(FitError, match=r"polarity = 2; it must be \+1"):
        observe(trains().assign(polarity=lambda data: data["polarity"] * 2))


def test_no_pulse_at_all():
    with pytest.raises(FitError, match="holds no conductance after a pulse"):
        observe(trains().assign(polarity=lambda data: data["polarity"] * 0))


def test_conductances_that_are_not_above_zero():
    data = trains()
    data["conductance"][0, 0, 3] = -1e-9
    with pytest.raises(FitError, match=r"1 of 51 conductances are not above zero \(lowest -1e-09 S\).*mask"):
        observe(data)
    data = trains()
    data["conductance_before"] = 0 * data["conductance"]
    with pytest.raises(FitError, match="not above zero"):
        observe(data)


@pytest.mark.parametrize(("name", "unit"), [("amplitude", "V"), ("width", "s")])
def test_pulses_of_one_polarity_that_differ(name, unit):
    data = trains()
    value = np.where(data["polarity"] > 0, 1.0, -2.0)
    data[name] = (data["polarity"].dims, value, {"units": unit})
    assert observe(data).measured.any()
    data[name][1, 0, -1] = -2.5
    with pytest.raises(
        FitError, match=f"depression pulses have different values of {name}.*-2.5 to -2 {unit}.*select"
    ):
        observe(data)


@pytest.mark.parametrize(
    "name", ["soft-bounds", "exponential-steps", "linear-steps", "power-law", "two-level"]
)
def test_a_polarity_that_was_never_applied(name):
    refuse(trains(polarity=np.abs(TRAIN)), name, "holds no depression pulse.*would only repeat the prior")


def test_two_polarities_are_no_single_power_law():
    refuse(trains(), "power-law-single", "24 potentiation and 24 depression.*'power-law'")


def test_too_few_steps_numbers_cycles():
    short = trains(1, up_and_down(3))
    refuse(short, "soft-bounds", "holds 3 potentiation steps.*at least 5")
    refuse(trains(1, up_and_down(2)), "power-law", "2 different pulse numbers of potentiation.*at least 3")
    refuse(trains(1, np.ones(2)), "power-law-single", "2 different pulse numbers")
    states = train_dataset(alternating_states(np.random.default_rng(1), 3, 2), SIGNS)
    refuse(states, "two-level", "at most 2 states after potentiation.*at least 3")
    states = train_dataset(alternating_states(np.random.default_rng(1), 3, 6), SIGNS)
    require_information(observe(states), BY_NAME["two-level"], "complete")
    refuse(states, "two-level-serial", "at most 6 states.*memory and drift need at least 10")


def test_two_points():
    refuse(trains(1, np.array([1.0, -1.0])), "soft-bounds", "holds 0 potentiation steps")


def test_trains_are_no_alternating_states():
    refuse(trains(), "two-level", "8 potentiation pulses in one cycle.*'soft-bounds'")


def test_reads_that_never_change():
    data = trains()
    data["conductance"] = 0 * data["conductance"] + 5e-6
    refuse(data, "soft-bounds", "48 conductances after pulses, all 5e-06 S")


def test_pulses_that_change_nothing():
    """Every cycle stays where it started: reads differ between cycles, steps are zero."""
    data = train_dataset(np.array([[[5e-6] * 17, [7e-6] * 17]]), TRAIN)
    refuse(data, "linear-steps", "no pulse changes the conductance.*32 steps of exactly 0 S")


def test_without_pooling_every_device_must_answer():
    data = trains()
    data["polarity"][1] = np.abs(data["polarity"][1])
    require_information(observe(data), BY_NAME["soft-bounds"], "hierarchical")
    refuse(data, "soft-bounds", "device 'm1' holds no depression pulse", pool="none")
