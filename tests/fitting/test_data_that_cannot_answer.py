import jax
import numpy as np
import pytest

from charz.errors import FitError
from charz.fitting import Prior, default_pool, fit

SWEEP = [[0.0, 1.0, 2.0, 3.0]]
TRIALS = [[50, 50, 50, 50]]
RISING = [[1, 5, 40, 50]]


def refuse(dataset, match, **options):
    options = {"model": "logistic", "pool": "complete", **options}
    with pytest.raises(FitError, match=match):
        fit(dataset, key=jax.random.key(0), **options)


@pytest.mark.parametrize(
    ("amplitude", "trials", "switched", "match"),
    [
        (SWEEP, TRIALS, [[0, 0, 0, 0]], "nothing switched in 200 trials"),
        (SWEEP, TRIALS, TRIALS, "all 200 trials switched"),
        ([[0.0, 1.0]], [[50, 50]], [[5, 45]], "only 2 different amplitudes"),
        (SWEEP, TRIALS, [[50, 40, 5, 1]], "switching falls with the amplitude"),
        (SWEEP, [[0, 0, 0, 0]], [[0, 0, 0, 0]], "holds no trial"),
    ],
)
def test_no_information(make_dataset, amplitude, trials, switched, match):
    refuse(make_dataset(amplitude, trials, switched), match)


def test_hierarchy_needs_three_devices(make_dataset):
    two = make_dataset(SWEEP * 2, TRIALS * 2, RISING * 2)
    refuse(two, "needs at least 3 devices", pool="hierarchical")
    assert (default_pool(2), default_pool(3)) == ("complete", "hierarchical")


def test_device_with_two_settings_has_no_curve_of_its_own(make_dataset):
    amplitude = [*SWEEP, [0.0, 3.0, np.nan, np.nan]]
    trials = [*TRIALS, [50, 50, 0, 0]]
    refuse(
        make_dataset(amplitude, trials, [*RISING, [1, 50, 0, 0]]), "device 'w1' has 2 different", pool="none"
    )


def test_mixed_pulse_widths(make_dataset):
    dataset = make_dataset(SWEEP, TRIALS, RISING)
    dataset["width"] = (("device", "setting"), [[1e-6, 1e-6, 2e-6, 2e-6]], {"units": "s"})
    refuse(dataset, "pulse widths from 1e-06 to 2e-06 s are mixed")


def with_width(dataset, width):
    return dataset.assign(width=(("device", "setting"), [width], {"units": "s"}))


@pytest.mark.parametrize("model", ["thermal", "thermal-free", "macrospin", "in-plane-ballistic"])
def test_rates_need_the_width_of_every_pulse(make_dataset, model):
    dataset = make_dataset(SWEEP, TRIALS, RISING)
    refuse(dataset, "needs the width of every pulse, in s", model=model)
    refuse(with_width(dataset, [1e-6, np.nan, 1e-6, 1e-6]), "needs the width of every pulse", model=model)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("thermal-free", "attempt_time"),
        ("macrospin", "relaxation_time"),
        ("in-plane-ballistic", "relaxation_time"),
    ],
)
def test_times_need_a_second_width(make_dataset, model, what):
    dataset = with_width(make_dataset(SWEEP, TRIALS, RISING), [1e-6] * 4)
    refuse(dataset, f"{what} cannot be told from thermal_stability and critical at one", model=model)


def test_rates_need_the_polarity_that_switches(make_dataset):
    dataset = with_width(make_dataset([[-4.0, -3.0, -2.0, -1.0]], TRIALS, RISING), [1e-6] * 4)
    refuse(dataset, "largest amplitude is -1.*flip the sign", model="thermal")


@pytest.mark.parametrize("states", [None, [0.0, 0.0, 0.0, 0.0], [1e4, 2e4, 3e4, 4e4]])
def test_directions_need_two_initial_states(make_dataset, states):
    dataset = make_dataset(SWEEP, TRIALS, RISING)
    if states is not None:
        dataset["initial_state"] = (("device", "setting"), [states], {"units": "1"})
    refuse(dataset, "initial_state does not take exactly two values", model="logistic-directions")


def test_each_direction_needs_a_curve(make_dataset):
    dataset = make_dataset([[0.0, 1.0, 2.0, 3.0] * 2], [[50] * 8], [[1, 5, 40, 50, 0, 0, 0, 0]])
    dataset["initial_state"] = (("device", "setting"), [[0.0] * 4 + [1.0] * 4], {"units": "1"})
    refuse(dataset, "nothing switched in 200 trials of the reset pulses", model="logistic-directions")


def test_other_kind(make_dataset):
    refuse(make_dataset(SWEEP, TRIALS, RISING).assign_attrs(experiment="telegraph"), "kind 'telegraph'")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"model": "cubic"}, "model 'cubic' is not known"),
        ({"pool": "partial"}, "pool 'partial' is not known"),
        ({"draws": 150}, "draws = 150: must be a multiple of 100"),
        ({"warmup": 0}, "warmup = 0"),
        ({"chains": 1}, "at least 2 are needed"),
        ({"priors": {"height": Prior("normal", (0.0, 1.0))}}, "prior for height: no such parameter"),
    ],
)
def test_options(make_dataset, options, match):
    refuse(make_dataset(SWEEP, TRIALS, RISING), match, **options)


@pytest.mark.parametrize(
    ("family", "constants", "match"),
    [
        ("cauchy", (0.0, 1.0), "family 'cauchy' is not known"),
        ("normal", (0.0,), "has 2 constants, 1 were given"),
        ("normal", (0.0, -1.0), "cannot have the constants"),
        ("half-normal", (float("nan"),), "cannot have the constants"),
    ],
)
def test_priors(family, constants, match):
    with pytest.raises(FitError, match=match):
        Prior(family, constants)
