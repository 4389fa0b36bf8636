"""Every switching law: a probability, its slope, its inverse, finite at the edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charz import devices
from charz.devices import (
    AbstractSwitchingLaw,
    DomainWallSynapses,
    InPlaneBallistic,
    LogisticSwitching,
    MacrospinSwitching,
    ProbitSwitching,
    ThermalActivation,
    mean_wire,
)


def thermal(stability, critical, attempt_time, width, exponent):
    return ThermalActivation(
        *(jnp.asarray(value, float) for value in (stability, critical, attempt_time, width)),
        exponent=exponent,
    )


def macrospin(*values):
    return MacrospinSwitching(*(jnp.asarray(value, float) for value in values))


def in_plane(*values):
    return InPlaneBallistic(*(jnp.asarray(value, float) for value in values))


LAWS = {
    "in-plane ballistic": in_plane(60.0, 5e-4, 1e-9, 3e-9),
    "in-plane ballistic, reversed": in_plane(30.0, -0.4, 1e-9, 5e-10),
    "macrospin": macrospin(60.0, 5e-4, 1e-9, 3e-9),
    "macrospin, reversed, long": macrospin(25.0, -0.4, 5e-10, 1e-7),
    "mean wire": mean_wire(),
    "steep, both asymptotes": LogisticSwitching(*map(jnp.asarray, (1.635, 0.0102, 0.0086, 0.99))),
    "falling": LogisticSwitching(*map(jnp.asarray, (0.0, -0.5, 0.0, 1.0))),
    "probit": ProbitSwitching(*map(jnp.asarray, (1.2, 0.05, 0.01, 0.98))),
    "probit, falling": ProbitSwitching(*map(jnp.asarray, (-0.3, -0.2, 0.0, 1.0))),
    "thermal, perpendicular": thermal(60.0, 0.9, 1e-9, 1e-8, 2.0),
    "thermal, in-plane": thermal(40.0, 5e-4, 1e-9, 5e-9, 1.0),
    "thermal, between": thermal(25.0, 0.5, 1e-9, 1e-8, 1.5),
    "thermal, reversed": thermal(45.0, -0.7, 1e-10, 6e-10, 2),
    "thermal, pulse shorter than an attempt": thermal(30.0, 2e4, 1e-9, 4e-10, 1.25),
}


def test_every_law_is_in_the_table():
    exported = {
        getattr(devices, name)
        for name in devices.__all__
        if isinstance(getattr(devices, name), type)
        and issubclass(getattr(devices, name), AbstractSwitchingLaw)
    }
    assert exported - {AbstractSwitchingLaw} == {type(law) for law in LAWS.values()}


def drives(law):
    """Drives over the curve, away from where float64 itself saturates."""
    if isinstance(law, MacrospinSwitching):
        return law.middle() + law.critical * jnp.linspace(-0.2, 0.2, 49)
    if isinstance(law, InPlaneBallistic):
        return law.drive_for(jnp.linspace(0.001, 0.999, 49))
    if isinstance(law, ThermalActivation):
        return law.critical * (1 - jnp.linspace(0.02, 0.6, 49))
    return law.location + law.width * jnp.linspace(-1.0, 1.0, 49) * (
        4.0 if isinstance(law, ProbitSwitching) else 6.0
    )


def asymptotes(law):
    if isinstance(law, MacrospinSwitching | InPlaneBallistic):
        return 0.0, 1.0
    if isinstance(law, ThermalActivation):
        return 0.0, -np.expm1(-float(law.width) / float(law.attempt_time))
    return float(law.floor), float(law.ceiling)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_slope_is_the_derivative(law):
    with jax.enable_x64(True):
        law = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), law)
        autodiff = jax.vmap(jax.grad(law.probability))(drives(law))
        np.testing.assert_allclose(law.slope(drives(law)), autodiff, rtol=1e-10)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_inverse_round_trips(law):
    with jax.enable_x64(True):
        law = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), law)
        np.testing.assert_allclose(
            law.drive_for(law.probability(drives(law))), drives(law), rtol=1e-10, atol=1e-10
        )


@jax.jit
def everything_at(law, drive):
    """Value, slope, and derivatives by drive and parameters."""
    by_parameter = jax.grad(lambda law: law.probability(drive))(law)
    return law.probability(drive), law.slope(drive), jax.grad(law.probability)(drive), by_parameter


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@settings(max_examples=50, deadline=None)
@given(drive=st.floats(-(2.0**100), 2.0**100, width=32))
def test_finite_at_the_edges(law, drive):
    probability, *derivatives = jax.device_get(everything_at(law, jnp.asarray(drive, jnp.float32)))
    floor, ceiling = asymptotes(law)
    assert floor - 1e-6 <= probability <= ceiling + 1e-6
    assert np.isfinite(jax.tree.leaves(derivatives)).all()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_middle_lies_between_the_asymptotes(law):
    low, high = (law.probability(jnp.asarray(drive)) for drive in (-1e9, 1e9))
    np.testing.assert_allclose(law.probability(law.middle()), (low + high) / 2, rtol=1e-5)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_parameters_broadcast_over_draws_and_arrays(law):
    stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (3, 4, 5)), law)
    assert stacked.probability(jnp.zeros((4, 5))).shape == (3, 4, 5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_precision_is_that_of_the_parameters(law, dtype):
    with jax.enable_x64(True):
        law = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), law)
        drive = jnp.asarray(law.middle(), dtype)
        for result in (law.probability(drive), law.slope(drive), law.drive_for(law.probability(drive))):
            assert result.dtype == dtype


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_undefined_stays_undefined(law):
    for method in (law.probability, law.slope, law.drive_for):
        assert np.isnan(float(method(jnp.asarray(jnp.nan))))


def test_published_mean_wire():
    """Constants of Ellis et al. 2023 (E1), and the values derived from them."""
    wire = mean_wire()
    np.testing.assert_allclose(float(wire.probability(wire.location)), 0.5109, atol=1e-4)
    np.testing.assert_allclose(float(wire.drive_for(jnp.asarray(0.5))), 4.6153, atol=1e-4)
    np.testing.assert_allclose(float(wire.slope(wire.location)), 0.667, atol=1e-3)
    np.testing.assert_allclose(float(wire.probability(jnp.asarray(-1e9))), 0.02187, atol=1e-6)


def test_synapses_start_where_the_controller_believes_the_middle():
    believed, actual = LAWS["mean wire"], LAWS["steep, both asymptotes"]
    start = DomainWallSynapses(actual, believed).start_drive()
    np.testing.assert_allclose(float(believed.probability(start)), 0.5109, atol=1e-4)
