"""The probit law against the normal distribution itself and against simulated thresholds."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices import LogisticSwitching, ProbitSwitching


def probit(location=0.0, width=1.0, floor=0.0, ceiling=1.0):
    return ProbitSwitching(*(jnp.asarray(value, float) for value in (location, width, floor, ceiling)))


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("floor", "ceiling"), [(0.0, 1.0), (0.02, 0.97)])
def test_formula(floor, ceiling):
    drive = np.linspace(-2.0, 6.0, 161)
    share = np.array([math.erfc(-(w - 1.5) / (0.4 * math.sqrt(2))) / 2 for w in drive])
    ours = probit(1.5, 0.4, floor, ceiling).probability(jnp.asarray(drive))
    np.testing.assert_allclose(ours, floor + (ceiling - floor) * share, rtol=1e-12)


def test_rare_events_keep_their_digits_and_their_inverse():
    deviation = np.linspace(-35.0, -5.0, 61)
    exact = np.array([math.erfc(-z / math.sqrt(2)) / 2 for z in deviation])
    np.testing.assert_allclose(probit().probability(jnp.asarray(deviation)), exact, rtol=1e-12)
    np.testing.assert_allclose(probit().drive_for(jnp.asarray(exact)), deviation, rtol=1e-10)


def test_is_the_share_of_thresholds_below_the_drive():
    thresholds = np.random.default_rng(0).normal(1.2, 0.3, 200_000)
    drive = np.array([0.6, 0.9, 1.2, 1.4, 1.8])
    counted = (thresholds[:, None] < drive).mean(0)
    expected = np.asarray(probit(1.2, 0.3).probability(jnp.asarray(drive)))
    assert np.abs(counted - expected).max() < 4.5 * np.sqrt(0.25 / 200_000)


def test_logistic_of_matching_width_is_near():
    drive = jnp.linspace(-10.0, 10.0, 4001)
    logistic = LogisticSwitching(*(jnp.asarray(value) for value in (0.0, 1 / 1.702, 0.0, 1.0)))
    gap = np.abs(probit().probability(drive) - logistic.probability(drive)).max()
    np.testing.assert_allclose(gap, 0.0095, atol=1e-4)


@pytest.mark.parametrize(
    ("probability", "drive"),
    [(0.1, -np.inf), (0.9, np.inf), (0.05, np.nan), (0.95, np.nan), (0.5, 3.0), (0.74, 3.0 + 2 * 0.8416212)],
)
def test_inverse_at_and_beyond_the_asymptotes(probability, drive):
    law = probit(3.0, 2.0, 0.1, 0.9)
    np.testing.assert_allclose(law.drive_for(jnp.asarray(probability)), drive, rtol=1e-7)


def test_slope_at_the_middle():
    law = probit(3.0, 2.0, 0.1, 0.9)
    np.testing.assert_allclose(law.slope(law.middle()), 0.8 / (2 * math.sqrt(2 * math.pi)), rtol=1e-12)
