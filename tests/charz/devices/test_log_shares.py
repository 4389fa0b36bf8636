"""Logarithms of the probabilities to switch and to stay: exact, finite in the tails, twice differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from charz.devices import (
    InPlaneBallistic,
    LogisticSwitching,
    MacrospinSwitching,
    ProbitSwitching,
    ThermalActivation,
)
from charz.devices.law import AbstractSwitchingLaw
from charz.devices.normal_tail import log_normal_cdf


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def build(kind, *values, **options):
    return kind(*(np.float64(value) for value in values), **options)


LAWS = {
    "logistic": build(LogisticSwitching, 1.0, 0.1, 0.0, 1.0),
    "logistic, asymptotes": build(LogisticSwitching, 1.0, 0.1, 0.02, 0.97),
    "probit": build(ProbitSwitching, 1.0, 0.1, 0.0, 1.0),
    "probit, asymptotes": build(ProbitSwitching, 1.0, 0.1, 0.02, 0.97),
    "thermal": build(ThermalActivation, 40.0, 1.0, 1e-9, 1e-6),
    "thermal, in-plane": build(ThermalActivation, 40.0, 1.0, 1e-9, 1e-8, exponent=1.0),
    "macrospin": build(MacrospinSwitching, 40.0, 1.0, 1e-9, 1e-8),
    "in-plane ballistic": build(InPlaneBallistic, 40.0, 1.0, 1e-9, 3e-9),
}

both = jax.jit(lambda law, drive: law.log_shares(drive))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_are_the_logarithms(law):
    drive = jnp.linspace(0.0, 3.0, 301)
    probability = law.probability(drive)
    switch, stay = both(law, drive)
    middle = (probability > 1e-6) & (probability < 1 - 1e-6)
    assert middle.sum() > 10
    np.testing.assert_allclose(switch[middle], np.log(probability[middle]), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(stay[middle], np.log1p(-probability[middle]), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(law.log_probability(drive), law.log_shares(drive)[0])
    np.testing.assert_array_equal(law.log_complement(drive), law.log_shares(drive)[1])


@pytest.mark.parametrize(
    ("name", "drive", "switch"),
    [
        ("logistic", -200.0, -2010.0),
        ("probit", -4.0, special.log_ndtr(-50.0)),
        ("probit", -9.0, special.log_ndtr(-100.0)),
        ("thermal", -5.0, np.log(1e3) - 40 * 36),
        ("thermal, in-plane", -50.0, np.log(10) - 40 * 51),
    ],
)
def test_tails_go_on_where_the_probability_has_underflowed(name, drive, switch):
    law = LAWS[name]
    assert float(law.probability(jnp.asarray(drive))) < 1e-300
    np.testing.assert_allclose(law.log_probability(jnp.asarray(drive)), switch, rtol=1e-12)


def test_chance_to_stay_has_its_own_tail():
    np.testing.assert_allclose(LAWS["logistic"].log_complement(jnp.asarray(100.0)), -990.0)
    np.testing.assert_allclose(LAWS["probit"].log_complement(jnp.asarray(6.0)), special.log_ndtr(-50.0))
    start = np.log(np.pi / 2 * np.sqrt(40)) - 99 * 3
    expected = np.log(2 / np.sqrt(np.pi)) + start
    np.testing.assert_allclose(LAWS["in-plane ballistic"].log_complement(jnp.asarray(100.0)), expected)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@settings(max_examples=30, deadline=None)
@given(drive=st.floats(-1e4, 1e4), dtype=st.sampled_from([jnp.float32, jnp.float64]))
def test_values_and_two_derivatives_are_finite(law, drive, dtype):
    law = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), law)
    numbers = derivatives(law, jnp.asarray(drive, dtype))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(numbers))


@jax.jit
def derivatives(law, drive):
    def total(law):
        switch, stay = law.log_shares(drive)
        return switch + 3 * stay

    def slope(law):
        return jax.jvp(total, (law,), (jax.tree.map(jnp.ones_like, law),))[1]

    return total(law), jax.grad(total)(law), slope(law), jax.grad(slope)(law)


@pytest.mark.parametrize("name", ["logistic", "probit", "thermal", "macrospin", "in-plane ballistic"])
def test_compiled_for_many_points_is_the_same(name):
    """A compiler may fuse what it should not: a sum over 72,000 points against the same numbers one by one."""
    law = LAWS[name]
    drive = jnp.tile(jnp.linspace(-1.0, 4.0, 36), 2000)
    total = jax.jit(lambda law, drive: sum(share.sum() for share in law.log_shares(drive)))(law, drive)
    few = sum(float(share.sum()) for share in law.log_shares(drive[:36]))
    np.testing.assert_allclose(float(total), 2000 * few, rtol=1e-9)
    probability = jax.jit(lambda law, drive: law.probability(drive))(law, drive)
    np.testing.assert_allclose(probability.reshape(2000, 36)[-1], law.probability(drive[:36]), atol=1e-12)


def test_normal_tail():
    deviation = np.array([-1e6, -300.0, -20.001, -19.999, -7.0, -1.0, 0.0, 0.3, 5.0, 40.0])
    np.testing.assert_allclose(
        log_normal_cdf(jnp.asarray(deviation)), special.log_ndtr(deviation), rtol=1e-11, atol=1e-15
    )


class Step(AbstractSwitchingLaw):
    """A law that says nothing about its tails."""

    def probability(self, drive):
        return jnp.where(drive > 0, 1.0, 0.0)

    def slope(self, drive):
        return jnp.zeros_like(drive)

    def drive_for(self, probability):
        return jnp.zeros_like(probability)

    def middle(self):
        return jnp.zeros(())


def test_default_is_finite():
    for shares in Step().log_shares(jnp.array([-1.0, 1.0])):
        assert np.isfinite(shares).all()
        assert shares.max() == 0
        assert shares.min() < -200
