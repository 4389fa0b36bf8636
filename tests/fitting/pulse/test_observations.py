"""From datasets to arrays: padding, widths, two states or an analogue reading, the sign that switches."""

import jax
import numpy as np
import pytest
from design_pulse_switching import DESIGNS

from charz.fitting.contract import Model
from charz.fitting.pulse import FAMILY
from charz.fitting.pulse.sweep import centre, in_direction, limits, span

MODELS = {model.name: model for model in FAMILY.models}
SWEEP = [[0.0, 1.0, 2.0, 3.0]]


def with_states(dataset, states):
    return dataset.assign(initial_state=(("device", "setting"), [states], {"units": "1"}))


def test_padding_has_no_influence(make_dataset):
    padded = make_dataset(
        [[0.0, 1.0, 2.0, np.nan], [0.5, 1.5, 2.5, 3.5]], [[9, 9, 9, 0], [9] * 4], [[0, 4, 9, 0], [0, 3, 8, 9]]
    )
    observations = FAMILY.observe(padded)
    assert all(np.isfinite(array).all() for array in observations.arrays.values())
    assert observations.measured.sum() == 7
    assert (centre(observations), span(observations)) == (1.75, 3.5)
    np.testing.assert_array_equal(limits(observations), [[0.0, 0.5], [2.0, 3.5]])


def test_two_states_are_two_directions(make_dataset):
    dataset = make_dataset([[1.0, 2.0, -1.0, -2.0]], [[50] * 4], [[5, 45, 5, 45]])
    observations = FAMILY.observe(with_states(dataset, [3.0, 3.0, 7.0, 7.0]))
    np.testing.assert_array_equal(observations.arrays["direction"], [[0, 0, 1, 1]])
    np.testing.assert_array_equal(observations.arrays["directed_amplitude"], [[1.0, 2.0, 1.0, 2.0]])
    assert any(
        "the drive of reset is counted in the direction of negative" in r for r in observations.remarks
    )
    back = in_direction(observations, "reset")
    np.testing.assert_array_equal(back.measured, [[False, False, True, True]])
    assert back.arrays["num_trials"].sum() == 100


def test_sweep_through_zero_is_counted_as_it_rises(make_dataset):
    dataset = make_dataset([[-1.0, 0.0, 1.0] * 2], [[50] * 6], [[0, 5, 50, 50, 5, 0]])
    observations = FAMILY.observe(with_states(dataset, [0.0] * 3 + [1.0] * 3))
    np.testing.assert_array_equal(observations.arrays["directed_amplitude"], [[-1, 0, 1, 1, 0, -1]])


def test_analogue_state_is_no_direction(make_dataset):
    dataset = make_dataset(SWEEP, [[50] * 4], [[1, 5, 40, 50]])
    observations = FAMILY.observe(with_states(dataset, [1e4, 1.1e4, 1.2e4, 1.3e4]))
    assert "direction" not in observations.arrays
    assert any("analogue quantity" in remark for remark in observations.remarks)


def test_unknown_width_is_said(make_dataset):
    dataset = make_dataset(SWEEP, [[50] * 4], [[1, 5, 40, 50]])
    dataset["width"] = (("device", "setting"), [[1e-6, np.nan, 1e-6, 1e-6]], {"units": "s"})
    observations = FAMILY.observe(dataset)
    assert "width" not in observations.arrays
    assert any("not known at 1 settings" in remark for remark in observations.remarks)


@pytest.mark.parametrize("name", MODELS)
def test_counts_and_likelihood_agree(name):
    """Mean and variance of simulated counts are those of the likelihood, summed over all possible counts."""
    model: Model = MODELS[name]
    design = DESIGNS[name]
    observations = FAMILY.observe(design.dataset)
    generator = np.random.default_rng(0)
    num = 2000
    with jax.enable_x64(True):
        linked = {p.linked_name: design.priors[p.linked_name].draw(generator, (1,)) for p in model.free}
        values = {n: np.asarray(v) for n, v in model.values_from_linked(linked).items()}
        arrays = {n: jax.numpy.asarray(a[0]) for n, a in observations.arrays.items()}
        trials = int(observations.arrays["num_trials"].max())
        possible = np.arange(trials + 1)

        def log_mass(count):
            counts = {**arrays, "num_switched": jax.numpy.full_like(arrays["num_switched"], count)}
            return model.left_out({n: v[0] for n, v in values.items()}, counts)

        mass = np.exp(np.asarray(jax.jit(jax.vmap(log_mass))(possible * 1.0)))
    np.testing.assert_allclose(mass.sum(0), 1.0, rtol=1e-7)
    mean = possible @ mass
    variance = possible**2 @ mass - mean**2
    one = {n: np.broadcast_to(v[:, None], (num, len(observations.devices))) for n, v in values.items()}
    counts = model.replicate(generator, one, observations)["num_switched"][:, 0]
    certain = variance * num < 30  # a mean of so few events is not normal
    error = (counts.mean(0) - mean) / np.sqrt(np.maximum(variance, 1e-9) / num)
    assert (~certain).any()
    assert np.abs(error[~certain]).max() < 4.5
