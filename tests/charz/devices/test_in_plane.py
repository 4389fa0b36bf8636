"""The in-plane ballistic law against its closed form, its inverse, and simulated starting angles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices import InPlaneBallistic, LogisticSwitching, TwoDirections
from charz.devices.macrospin import in_plane_probability, in_plane_time


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def law_of(stability=40.0, critical=1.0, relaxation_time=1e-9, width=3e-9):
    return InPlaneBallistic(*(np.float64(value) for value in (stability, critical, relaxation_time, width)))


@pytest.mark.parametrize("critical", [1.0, -2e-4])
def test_is_the_closed_form_as_a_function_of_the_drive(critical):
    overdrive = np.linspace(1.0, 4.0, 61)
    ours = law_of(critical=critical).probability(jnp.asarray(critical * overdrive))
    np.testing.assert_allclose(ours, in_plane_probability(40.0, overdrive, 3.0), rtol=1e-12)


@pytest.mark.parametrize("probability", [1e-12, 1e-3, 0.5, 0.999, 1 - 1e-9])
def test_inverses_in_drive_and_in_time_agree(probability):
    law = law_of()
    overdrive = float(law.drive_for(jnp.asarray(probability)))
    np.testing.assert_allclose(float(law.probability(jnp.asarray(overdrive))), probability, rtol=1e-10)
    time = in_plane_time(40.0, overdrive, jnp.asarray(probability))
    np.testing.assert_allclose(time, 3.0, rtol=1e-5 if probability < 1e-9 else 1e-9)


@pytest.mark.parametrize(
    ("probability", "drive"), [(0.0, -np.inf), (1.0, np.inf), (-0.1, np.nan), (1.1, np.nan)]
)
def test_inverse_at_and_beyond_the_edges(probability, drive):
    np.testing.assert_equal(float(law_of().drive_for(jnp.asarray(probability))), drive)


def test_is_the_share_of_angles_that_have_grown():
    angle = np.random.default_rng(0).normal(0, 1 / np.sqrt(80), 200_000)
    drive = np.array([1.5, 1.8, 2.2])
    counted = (np.abs(angle)[:, None] * np.exp((drive - 1) * 3) > np.pi / 2).mean(0)
    expected = np.asarray(law_of().probability(jnp.asarray(drive)))
    assert np.abs(counted - expected).max() < 4.5 * np.sqrt(0.25 / 200_000)


def test_another_width_is_the_same_device():
    law = law_of(width=np.nan)
    assert np.isnan(float(law.probability(jnp.asarray(2.0))))
    chosen = law.for_width(jnp.asarray(3e-9))
    np.testing.assert_array_equal(
        chosen.probability(jnp.asarray(2.0)), law_of().probability(jnp.asarray(2.0))
    )


def test_two_directions_switch_by_their_own_law():
    there, back = (
        LogisticSwitching(*(np.float64(value) for value in values))
        for values in ((1.0, 0.1, 0.0, 1.0), (2.0, 0.1, 0.0, 1.0))
    )
    junction = TwoDirections(there, back)
    state = jnp.array([0, 1] * 5000)
    after = junction.pulse(jax.random.key(0), state, jnp.full(10_000, 1.1))
    share = float((after[state == 0] == 1).mean())
    expected = float(there.probability(jnp.asarray(1.1)))
    assert abs(share - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 5000)
    back_share = float((after[state == 1] == 0).mean())
    assert back_share < 5e-3  # expected 1.2e-4
    np.testing.assert_allclose(
        junction.probability(jnp.full(2, 2.0), jnp.array([0, 1])), [1.0, 0.5], atol=1e-4
    )
