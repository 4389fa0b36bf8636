"""Thermal activation: its formula in extended precision, its limits, its edge, and its inverse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices import ThermalActivation
from charz.errors import CharzError

EXPONENTS = (1.0, 1.25, 1.5, 2.0, 3.0)


def thermal(stability=60.0, critical=0.9, attempt_time=1e-9, width=1e-8, exponent=2.0):
    leaves = (jnp.asarray(value, float) for value in (stability, critical, attempt_time, width))
    return ThermalActivation(*leaves, exponent=exponent)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("critical", [0.9, -0.9])
def test_formula_in_extended_precision(critical, exponent):
    """From certain switching down to probabilities of 1e-200, with their relative error."""
    law = thermal(critical=critical, exponent=exponent)
    share = np.linspace(0.0, 2.5 if exponent < 2 else 1.7, 301)
    drive = critical * (1 - share)
    wide = np.maximum(1 - drive.astype(np.longdouble) / np.longdouble(critical), 0)
    escapes = np.longdouble(1e-8) / np.longdouble(1e-9) * np.exp(-60 * wide ** np.longdouble(exponent))
    exact = -np.expm1(-escapes)
    np.testing.assert_allclose(law.probability(jnp.asarray(drive)), exact.astype(float), rtol=3e-13)
    steepness = 60 * exponent * wide ** np.longdouble(exponent - 1) / np.longdouble(critical)
    slope = (steepness * escapes * np.exp(-escapes)).astype(float)
    inside = share > 1e-6
    np.testing.assert_allclose(law.slope(jnp.asarray(drive))[inside], slope[inside], rtol=1e-12)


def test_in_plane_law_is_a_gumbel_curve():
    """For n = 1, p = 1 - exp(-exp((V - V0)/s)): scale s = Vc/Δ, and V0 falls by s ln 10 a decade of pulse width."""
    width = np.array([1e-8, 1e-7, 1e-6])
    scale, place = 0.9 / 60, 0.9 * (1 - np.log(width / 1e-9) / 60)
    drive = place + scale * np.linspace(-20.0, 1.0, 43)[:, None]
    law = thermal(width=width, exponent=1.0)
    np.testing.assert_allclose(
        law.probability(jnp.asarray(drive)), -np.expm1(-np.exp((drive - place) / scale)), rtol=1e-11
    )
    np.testing.assert_allclose(np.diff(law.drive_for(jnp.asarray(0.3))), -scale * np.log(10), rtol=1e-10)


def test_narrow_curves_are_gumbel_for_every_exponent():
    """As Δ grows at a fixed place of the curve, b^n is linear over its width n Δ b^(n-1)/Vc."""
    scale_free = np.linspace(-3.0, 1.0, 9)
    gumbel = -np.expm1(-np.exp(scale_free))
    gaps = []
    for stability in (30.0, 300.0, 2400.0):
        law = thermal(stability, width=1e-9 * np.exp(stability / 4))
        place, steepness = 0.9 * (1 - 0.5), 2 * stability * 0.5 / 0.9
        gaps.append(np.abs(law.probability(jnp.asarray(place + scale_free / steepness)) - gumbel).max())
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2]
    assert gaps[2] < 1e-3


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_two_half_pulses_are_one_pulse(exponent):
    """Escape has no memory: surviving two halves is surviving the whole."""
    drive = jnp.linspace(0.3, 1.2, 31)
    half, whole = thermal(width=2e-9, exponent=exponent), thermal(width=4e-9, exponent=exponent)
    np.testing.assert_allclose((1 - half.probability(drive)) ** 2, 1 - whole.probability(drive), rtol=1e-12)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("beyond", [1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0), 1.5, 1e30])
def test_gradients_at_the_critical_drive(exponent, beyond):
    law = thermal(width=5e-10, exponent=exponent)
    drive = law.critical * beyond
    np.testing.assert_allclose(law.probability(drive), -np.expm1(-0.5), rtol=1e-12)
    by_drive = jax.grad(law.probability)(drive)
    np.testing.assert_allclose(law.slope(drive), by_drive, rtol=1e-10)
    assert by_drive == 0 if beyond >= 1 else by_drive >= 0
    by_parameter = jax.grad(lambda law: law.probability(drive))(law)
    assert np.isfinite(jax.tree.leaves(by_parameter)).all()
    np.testing.assert_allclose(by_parameter.width, np.exp(-0.5) / 1e-9, rtol=1e-10)
    for curvature in (jax.jacfwd(jax.jacfwd(law.probability)), jax.grad(law.slope)):
        assert curvature(drive) == 0 if beyond >= 1 else np.isfinite(curvature(drive))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_gradients_where_the_exponential_underflows(exponent, dtype):
    law = jax.tree.map(lambda leaf: leaf.astype(dtype), thermal(exponent=exponent))
    for size in (0.1, 0.5, 1.0, 3.0, 30.0, 1e4, 1e15, 1e30):
        drive = jnp.asarray(-size, dtype)
        value, gradient = jax.value_and_grad(lambda law, drive=drive: law.probability(drive))(law)
        assert 0 <= value < 1e-20
        assert np.isfinite(jax.tree.leaves(gradient)).all()
        assert np.isfinite(jax.grad(law.probability)(drive))


def test_opposite_drive_raises_the_barrier():
    law = thermal(stability=10.0)
    against, none, along = law.probability(jnp.array([-0.2, 0.0, 0.2]))
    assert against < none < along
    np.testing.assert_allclose(none, -np.expm1(-10 * np.exp(-10.0)), rtol=1e-13)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("probability", [1e-200, 1e-30, 1e-6, 0.1, 0.5, 0.9, 0.99])
def test_inverse_gives_the_probability_back(exponent, probability):
    law = thermal(exponent=exponent)
    drive = law.drive_for(jnp.asarray(probability))
    np.testing.assert_allclose(law.probability(drive), probability, rtol=1e-10)


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("width", [1e-12, 5e-10, 3e-9, 1e-6])
def test_range_of_the_inverse(exponent, width):
    """Down to -inf at p = 0, up to the critical drive at the reach, undefined beyond."""
    law = thermal(width=width, exponent=exponent)
    reach = law.reach()
    np.testing.assert_allclose(reach, -np.expm1(-width / 1e-9), rtol=1e-14)
    assert law.drive_for(jnp.asarray(0.0)) == -np.inf
    compiled = jax.jit(lambda law, drive: law.probability(drive))
    one_digit_over = jnp.minimum(jnp.nextafter(reach, 2.0), 1.0)
    for top in (reach, law.probability(law.critical), compiled(law, jnp.asarray(2.0)), one_digit_over):
        np.testing.assert_allclose(law.drive_for(top), law.critical, rtol=1e-6)
    assert np.isnan(law.drive_for(reach * 1.001 + 1e-9))
    assert np.isnan(law.drive_for(jnp.asarray(-1e-3)))
    np.testing.assert_allclose(law.probability(law.middle()), reach / 2, rtol=1e-12)


def test_pulse_widths_broadcast_against_drives():
    drive = jnp.linspace(0.2, 0.6, 5)
    table = thermal(width=np.geomspace(1e-9, 1e-6, 4)[:, None]).probability(drive)
    assert table.shape == (4, 5)
    assert (np.diff(table, axis=0) > 0).all()
    np.testing.assert_allclose(table[2], thermal(width=1e-7).probability(drive), rtol=1e-12)


@pytest.mark.parametrize("exponent", [0.5, 0.0, -1.0, np.nan, np.inf])
def test_exponent_below_one_is_refused(exponent):
    with pytest.raises(CharzError, match=r"at least 1.*infinite at the critical drive"):
        thermal(exponent=exponent)
